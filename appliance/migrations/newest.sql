CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE drive (
	id INTEGER NOT NULL, 
	marker_id VARCHAR(255) NOT NULL, 
	role VARCHAR(4) NOT NULL, 
	number INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	colour VARCHAR(255) NOT NULL, 
	state VARCHAR(13) NOT NULL, 
	filesystem VARCHAR(255) NOT NULL, 
	filesystem_uuid VARCHAR(255) NOT NULL, 
	model VARCHAR(255) NOT NULL, 
	serial VARCHAR(255) NOT NULL, 
	size INTEGER NOT NULL, 
	free INTEGER, 
	full_below_percent INTEGER NOT NULL, 
	handed_over DATETIME NOT NULL, 
	last_here DATETIME, 
	power_driver VARCHAR(255) NOT NULL, 
	power_state VARCHAR(11) NOT NULL, 
	write_errors INTEGER NOT NULL, 
	CONSTRAINT pk_drive PRIMARY KEY (id), 
	CONSTRAINT uq_drive_marker_id UNIQUE (marker_id)
);
CREATE UNIQUE INDEX uq_drive_role_number ON drive (role, number);
CREATE TABLE issue (
	id INTEGER NOT NULL, 
	code VARCHAR(255) NOT NULL, 
	subject VARCHAR(255) NOT NULL, 
	"check" VARCHAR(255) NOT NULL, 
	severity VARCHAR(7) NOT NULL, 
	message JSON NOT NULL, 
	hint JSON NOT NULL, 
	fix VARCHAR(255), 
	fix_label JSON, 
	fix_arguments JSON NOT NULL, 
	first_seen DATETIME NOT NULL, 
	quiet_until DATETIME, guide VARCHAR(255), 
	CONSTRAINT pk_issue PRIMARY KEY (id)
);
CREATE UNIQUE INDEX uq_issue_code_subject ON issue (code, subject);
CREATE TABLE plugin (
	name VARCHAR(255) NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	options JSON NOT NULL, 
	last_error VARCHAR NOT NULL, 
	CONSTRAINT pk_plugin PRIMARY KEY (name)
);
CREATE TABLE schedule (
	id INTEGER NOT NULL, 
	kind VARCHAR(255) NOT NULL, 
	lock VARCHAR(255) NOT NULL, 
	title JSON NOT NULL, 
	arguments JSON NOT NULL, 
	cron VARCHAR(255) NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	next_due DATETIME, 
	last_started DATETIME, 
	CONSTRAINT pk_schedule PRIMARY KEY (id), 
	CONSTRAINT uq_schedule_lock UNIQUE (lock)
);
CREATE INDEX ix_schedule_next_due ON schedule (next_due);
CREATE TABLE setting (
	"key" VARCHAR(255) NOT NULL, 
	value JSON NOT NULL, 
	CONSTRAINT pk_setting PRIMARY KEY ("key")
);
CREATE TABLE throttle (
	"key" VARCHAR(255) NOT NULL, 
	failures INTEGER NOT NULL, 
	blocked_until DATETIME, 
	last DATETIME NOT NULL, 
	CONSTRAINT pk_throttle PRIMARY KEY ("key")
);
CREATE TABLE user (
	id INTEGER NOT NULL, 
	name VARCHAR(255) COLLATE "NOCASE" NOT NULL, 
	folder VARCHAR(255) NOT NULL, 
	role VARCHAR(6) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	password_hash VARCHAR(255) NOT NULL, 
	colour VARCHAR(255) NOT NULL, 
	emoji VARCHAR(255) NOT NULL, 
	language VARCHAR(255) NOT NULL, 
	created DATETIME NOT NULL, 
	CONSTRAINT pk_user PRIMARY KEY (id), 
	CONSTRAINT ck_user_name_length CHECK (length(name) between 1 and 40), 
	CONSTRAINT uq_user_folder UNIQUE (folder), 
	CONSTRAINT uq_user_name UNIQUE (name)
);
CREATE TABLE api_token (
	id INTEGER NOT NULL, 
	token_hash VARCHAR(255) NOT NULL, 
	user_id INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	created DATETIME NOT NULL, 
	last_used DATETIME, 
	CONSTRAINT pk_api_token PRIMARY KEY (id), 
	CONSTRAINT fk_api_token_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE, 
	CONSTRAINT uq_api_token_token_hash UNIQUE (token_hash)
);
CREATE INDEX ix_api_token_user_id ON api_token (user_id);
CREATE TABLE cold_source (
	cold_drive_id INTEGER NOT NULL, 
	hot_drive_id INTEGER NOT NULL, 
	CONSTRAINT pk_cold_source PRIMARY KEY (cold_drive_id, hot_drive_id), 
	CONSTRAINT fk_cold_source_cold_drive_id_drive FOREIGN KEY(cold_drive_id) REFERENCES drive (id) ON DELETE CASCADE, 
	CONSTRAINT fk_cold_source_hot_drive_id_drive FOREIGN KEY(hot_drive_id) REFERENCES drive (id) ON DELETE CASCADE
);
CREATE TABLE drill (
	id INTEGER NOT NULL, 
	cold_drive_id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	tried INTEGER NOT NULL, 
	good INTEGER NOT NULL, 
	CONSTRAINT pk_drill PRIMARY KEY (id), 
	CONSTRAINT fk_drill_cold_drive_id_drive FOREIGN KEY(cold_drive_id) REFERENCES drive (id) ON DELETE CASCADE
);
CREATE TABLE event (
	id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	kind VARCHAR(255) NOT NULL, 
	message JSON NOT NULL, 
	actor_id INTEGER, 
	address VARCHAR(255) NOT NULL, 
	CONSTRAINT pk_event PRIMARY KEY (id), 
	CONSTRAINT fk_event_actor_id_user FOREIGN KEY(actor_id) REFERENCES user (id) ON DELETE SET NULL
);
CREATE INDEX ix_event_actor_id ON event (actor_id);
CREATE INDEX ix_event_at ON event (at);
CREATE INDEX ix_event_kind_at ON event (kind, at);
CREATE TABLE folder (
	id INTEGER NOT NULL, 
	drive_id INTEGER NOT NULL, 
	path BLOB NOT NULL, 
	fingerprint BLOB, version INTEGER DEFAULT 0 NOT NULL, bytes INTEGER DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_folder PRIMARY KEY (id), 
	CONSTRAINT fk_folder_drive_id_drive FOREIGN KEY(drive_id) REFERENCES drive (id)
);
CREATE UNIQUE INDEX uq_folder_drive_id_path ON folder (drive_id, path);
CREATE TABLE job (
	id INTEGER NOT NULL, 
	kind VARCHAR(255) NOT NULL, 
	title JSON NOT NULL, 
	lock VARCHAR(255) NOT NULL, 
	arguments JSON NOT NULL, 
	state VARCHAR(11) NOT NULL, 
	wish VARCHAR(6) NOT NULL, 
	percent INTEGER NOT NULL, 
	stage JSON, 
	rate DOUBLE, 
	rate_unit VARCHAR(255) NOT NULL, 
	seconds_left INTEGER, 
	checkpoint JSON NOT NULL, 
	result JSON NOT NULL, 
	error_code VARCHAR(255), 
	error JSON, 
	attempts INTEGER NOT NULL, 
	pid INTEGER, 
	asked_by INTEGER, 
	created DATETIME NOT NULL, 
	started DATETIME, 
	finished DATETIME, in_vain INTEGER DEFAULT 0 NOT NULL, told_others JSON, 
	CONSTRAINT pk_job PRIMARY KEY (id), 
	CONSTRAINT ck_job_percent_range CHECK (percent between 0 and 100), 
	CONSTRAINT fk_job_asked_by_user FOREIGN KEY(asked_by) REFERENCES user (id) ON DELETE SET NULL
);
CREATE INDEX ix_job_state_id ON job (state, id);
CREATE UNIQUE INDEX uq_job_active_lock ON job (lock) WHERE state in ('WAITING', 'RUNNING', 'PAUSED', 'INTERRUPTED');
CREATE TABLE media_month (
	user_id INTEGER NOT NULL, 
	month INTEGER NOT NULL, 
	count INTEGER NOT NULL, 
	CONSTRAINT pk_media_month PRIMARY KEY (user_id, month), 
	CONSTRAINT fk_media_month_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE TABLE power_move (
	id INTEGER NOT NULL, 
	drive_id INTEGER NOT NULL, 
	state VARCHAR(11) NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_power_move PRIMARY KEY (id), 
	CONSTRAINT fk_power_move_drive_id_drive FOREIGN KEY(drive_id) REFERENCES drive (id) ON DELETE CASCADE
);
CREATE INDEX ix_power_move_drive_id ON power_move (drive_id);
CREATE TABLE sign_in (
	id INTEGER NOT NULL, 
	token_hash VARCHAR(255) NOT NULL, 
	user_id INTEGER NOT NULL, 
	created DATETIME NOT NULL, 
	last_seen DATETIME NOT NULL, 
	address VARCHAR(255) NOT NULL, 
	browser VARCHAR(255) NOT NULL, 
	CONSTRAINT pk_sign_in PRIMARY KEY (id), 
	CONSTRAINT fk_sign_in_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE, 
	CONSTRAINT uq_sign_in_token_hash UNIQUE (token_hash)
);
CREATE INDEX ix_sign_in_user_id ON sign_in (user_id);
CREATE TABLE space_sample (
	drive_id INTEGER NOT NULL, 
	day DATE NOT NULL, 
	used INTEGER NOT NULL, 
	size INTEGER NOT NULL, 
	CONSTRAINT pk_space_sample PRIMARY KEY (drive_id, day), 
	CONSTRAINT fk_space_sample_drive_id_drive FOREIGN KEY(drive_id) REFERENCES drive (id) ON DELETE CASCADE
);
CREATE TABLE backup_run (
	id INTEGER NOT NULL, 
	cold_drive_id INTEGER NOT NULL, 
	job_id INTEGER, 
	state VARCHAR(13) NOT NULL, 
	started DATETIME NOT NULL, 
	finished DATETIME, 
	new INTEGER NOT NULL, 
	changed INTEGER NOT NULL, 
	vanished INTEGER NOT NULL, 
	bytes INTEGER NOT NULL, 
	copied INTEGER NOT NULL, 
	scrubbed INTEGER NOT NULL, 
	repaired INTEGER NOT NULL, 
	skipped INTEGER NOT NULL, 
	brake JSON, 
	answer VARCHAR(255), 
	details JSON NOT NULL, 
	CONSTRAINT pk_backup_run PRIMARY KEY (id), 
	CONSTRAINT fk_backup_run_cold_drive_id_drive FOREIGN KEY(cold_drive_id) REFERENCES drive (id) ON DELETE CASCADE, 
	CONSTRAINT fk_backup_run_job_id_job FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE SET NULL
);
CREATE INDEX ix_backup_run_cold_started ON backup_run (cold_drive_id, started);
CREATE TABLE cold_file (
	id INTEGER NOT NULL, 
	cold_drive_id INTEGER NOT NULL, 
	folder_id INTEGER NOT NULL, 
	name BLOB NOT NULL, 
	stored_as BLOB, 
	size INTEGER NOT NULL, 
	modified_ns INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	proven DATETIME NOT NULL, since DATETIME, 
	CONSTRAINT pk_cold_file PRIMARY KEY (id), 
	CONSTRAINT fk_cold_file_cold_drive_id_drive FOREIGN KEY(cold_drive_id) REFERENCES drive (id) ON DELETE CASCADE, 
	CONSTRAINT fk_cold_file_folder_id_folder FOREIGN KEY(folder_id) REFERENCES folder (id) ON DELETE CASCADE
);
CREATE INDEX ix_cold_file_proven ON cold_file (cold_drive_id, proven);
CREATE UNIQUE INDEX uq_cold_file_place ON cold_file (cold_drive_id, folder_id, name);
CREATE TABLE cold_folder (
	cold_drive_id INTEGER NOT NULL, 
	folder_id INTEGER NOT NULL, 
	fingerprint BLOB NOT NULL, 
	stored_as BLOB, 
	CONSTRAINT pk_cold_folder PRIMARY KEY (cold_drive_id, folder_id), 
	CONSTRAINT fk_cold_folder_cold_drive_id_drive FOREIGN KEY(cold_drive_id) REFERENCES drive (id) ON DELETE CASCADE, 
	CONSTRAINT fk_cold_folder_folder_id_folder FOREIGN KEY(folder_id) REFERENCES folder (id) ON DELETE CASCADE
);
CREATE TABLE job_log (
	id INTEGER NOT NULL, 
	job_id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	message JSON NOT NULL, 
	CONSTRAINT pk_job_log PRIMARY KEY (id), 
	CONSTRAINT fk_job_log_job_id_job FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE CASCADE
);
CREATE INDEX ix_job_log_job_id ON job_log (job_id);
CREATE TABLE old_version (
	id INTEGER NOT NULL, 
	cold_drive_id INTEGER NOT NULL, 
	folder_id INTEGER NOT NULL, 
	name BLOB NOT NULL, 
	stored_as BLOB NOT NULL, 
	day DATE NOT NULL, 
	why VARCHAR(255) NOT NULL, 
	size INTEGER NOT NULL, 
	modified_ns INTEGER NOT NULL, 
	digest BLOB NOT NULL, since DATETIME, put_away DATETIME, 
	CONSTRAINT pk_old_version PRIMARY KEY (id), 
	CONSTRAINT fk_old_version_cold_drive_id_drive FOREIGN KEY(cold_drive_id) REFERENCES drive (id) ON DELETE CASCADE, 
	CONSTRAINT fk_old_version_folder_id_folder FOREIGN KEY(folder_id) REFERENCES folder (id) ON DELETE CASCADE
);
CREATE INDEX ix_old_version_place ON old_version (cold_drive_id, folder_id, name);
CREATE TABLE stored_file (
	id INTEGER NOT NULL, 
	folder_id INTEGER NOT NULL, 
	name BLOB NOT NULL, 
	size INTEGER NOT NULL, 
	modified_ns INTEGER NOT NULL, 
	digest BLOB, 
	proven DATETIME, 
	damaged BOOLEAN NOT NULL, 
	added DATETIME NOT NULL, 
	copied BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_stored_file PRIMARY KEY (id), 
	CONSTRAINT ck_stored_file_size_positive CHECK (size >= 0), 
	CONSTRAINT fk_stored_file_folder_id_folder FOREIGN KEY(folder_id) REFERENCES folder (id) ON DELETE CASCADE
);
CREATE INDEX ix_stored_file_alone ON stored_file (id) WHERE copied = 0;
CREATE INDEX ix_stored_file_digest ON stored_file (digest);
CREATE UNIQUE INDEX uq_stored_file_folder_id_name ON stored_file (folder_id, name);
CREATE TABLE media (
	id INTEGER NOT NULL, 
	file_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	kind VARCHAR(5) NOT NULL, 
	taken DATETIME NOT NULL, 
	taken_from VARCHAR(255) NOT NULL, 
	month INTEGER NOT NULL, 
	width INTEGER, 
	height INTEGER, 
	seconds DOUBLE, 
	camera VARCHAR(255) NOT NULL, 
	latitude DOUBLE, 
	longitude DOUBLE, 
	preview VARCHAR(7) NOT NULL, 
	placeholder VARCHAR(255) NOT NULL, title VARCHAR(255) DEFAULT '' NOT NULL, description TEXT DEFAULT '' NOT NULL, favourite BOOLEAN DEFAULT 0 NOT NULL, rating INTEGER DEFAULT 0 NOT NULL, shared BOOLEAN DEFAULT 0 NOT NULL, edited DATETIME, written BOOLEAN DEFAULT 1 NOT NULL, place VARCHAR(255) DEFAULT '' NOT NULL, country VARCHAR(255) DEFAULT '' NOT NULL, likeness INTEGER, stack_id INTEGER, stack VARCHAR(255) DEFAULT '' NOT NULL, grouping VARCHAR(255) DEFAULT '' NOT NULL, content_id VARCHAR(255), told_place BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_media PRIMARY KEY (id), 
	CONSTRAINT fk_media_file_id_stored_file FOREIGN KEY(file_id) REFERENCES stored_file (id) ON DELETE CASCADE, 
	CONSTRAINT fk_media_user_id_user FOREIGN KEY(user_id) REFERENCES user (id), 
	CONSTRAINT uq_media_file_id UNIQUE (file_id)
);
CREATE INDEX ix_media_preview ON media (preview, id);
CREATE INDEX ix_media_timeline ON media (user_id, taken, id);
CREATE TABLE upload (
	id VARCHAR(255) NOT NULL, 
	user_id INTEGER NOT NULL, 
	drive_id INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	folder VARCHAR(255) NOT NULL, 
	size INTEGER NOT NULL, 
	expected_digest BLOB, 
	client_modified DATETIME, 
	created DATETIME NOT NULL, 
	expires DATETIME NOT NULL, 
	finished DATETIME, 
	file_id INTEGER, 
	CONSTRAINT pk_upload PRIMARY KEY (id), 
	CONSTRAINT fk_upload_drive_id_drive FOREIGN KEY(drive_id) REFERENCES drive (id) ON DELETE CASCADE, 
	CONSTRAINT fk_upload_file_id_stored_file FOREIGN KEY(file_id) REFERENCES stored_file (id) ON DELETE SET NULL, 
	CONSTRAINT fk_upload_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE INDEX ix_upload_file_id ON upload (file_id);
CREATE INDEX ix_upload_user_id ON upload (user_id);
CREATE TRIGGER media_month_insert AFTER INSERT ON media BEGIN INSERT INTO media_month(user_id, month, count) VALUES(NEW.user_id, NEW.month, 1) ON CONFLICT(user_id, month) DO UPDATE SET count = count + 1; END;
CREATE TRIGGER media_month_delete AFTER DELETE ON media BEGIN UPDATE media_month SET count = count - 1 WHERE user_id = OLD.user_id AND month = OLD.month; DELETE FROM media_month WHERE user_id = OLD.user_id AND month = OLD.month AND count <= 0; END;
CREATE TRIGGER media_month_update AFTER UPDATE OF user_id, month ON media BEGIN UPDATE media_month SET count = count - 1 WHERE user_id = OLD.user_id AND month = OLD.month; DELETE FROM media_month WHERE user_id = OLD.user_id AND month = OLD.month AND count <= 0; INSERT INTO media_month(user_id, month, count) VALUES(NEW.user_id, NEW.month, 1) ON CONFLICT(user_id, month) DO UPDATE SET count = count + 1; END;
CREATE TRIGGER stored_file_copied_insert AFTER INSERT ON cold_file BEGIN UPDATE stored_file SET copied = EXISTS(SELECT 1 FROM cold_file c JOIN drive d ON d.id = c.cold_drive_id AND d.state = 'ACTIVE' WHERE c.cold_drive_id IN (SELECT id FROM drive WHERE role = 'COLD') AND c.folder_id = stored_file.folder_id AND c.name = stored_file.name AND c.digest = stored_file.digest) WHERE folder_id = NEW.folder_id AND name = NEW.name; END;
CREATE TRIGGER stored_file_copied_update AFTER UPDATE OF digest ON cold_file BEGIN UPDATE stored_file SET copied = EXISTS(SELECT 1 FROM cold_file c JOIN drive d ON d.id = c.cold_drive_id AND d.state = 'ACTIVE' WHERE c.cold_drive_id IN (SELECT id FROM drive WHERE role = 'COLD') AND c.folder_id = stored_file.folder_id AND c.name = stored_file.name AND c.digest = stored_file.digest) WHERE folder_id = NEW.folder_id AND name = NEW.name; END;
CREATE TRIGGER stored_file_copied_delete AFTER DELETE ON cold_file BEGIN UPDATE stored_file SET copied = EXISTS(SELECT 1 FROM cold_file c JOIN drive d ON d.id = c.cold_drive_id AND d.state = 'ACTIVE' WHERE c.cold_drive_id IN (SELECT id FROM drive WHERE role = 'COLD') AND c.folder_id = stored_file.folder_id AND c.name = stored_file.name AND c.digest = stored_file.digest) WHERE folder_id = OLD.folder_id AND name = OLD.name; END;
CREATE TRIGGER stored_file_copied_digest AFTER UPDATE OF digest ON stored_file WHEN NEW.digest IS NOT OLD.digest BEGIN UPDATE stored_file SET copied = EXISTS(SELECT 1 FROM cold_file c JOIN drive d ON d.id = c.cold_drive_id AND d.state = 'ACTIVE' WHERE c.cold_drive_id IN (SELECT id FROM drive WHERE role = 'COLD') AND c.folder_id = stored_file.folder_id AND c.name = stored_file.name AND c.digest = stored_file.digest) WHERE id = NEW.id; END;
CREATE TRIGGER stored_file_copied_drive AFTER UPDATE OF state ON drive WHEN NEW.state IS NOT OLD.state AND NEW.role = 'COLD' BEGIN UPDATE stored_file SET copied = EXISTS(SELECT 1 FROM cold_file c JOIN drive d ON d.id = c.cold_drive_id AND d.state = 'ACTIVE' WHERE c.cold_drive_id IN (SELECT id FROM drive WHERE role = 'COLD') AND c.folder_id = stored_file.folder_id AND c.name = stored_file.name AND c.digest = stored_file.digest); END;
CREATE TABLE tag (
	id INTEGER NOT NULL, 
	name VARCHAR(255) COLLATE "NOCASE" NOT NULL, 
	CONSTRAINT pk_tag PRIMARY KEY (id), 
	CONSTRAINT uq_tag_name UNIQUE (name)
);
CREATE TABLE binned_file (
	id INTEGER NOT NULL, 
	drive_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	path BLOB NOT NULL, 
	stored_as BLOB NOT NULL, 
	size INTEGER NOT NULL, 
	digest BLOB, 
	binned DATETIME NOT NULL, 
	binned_by INTEGER, 
	expires DATETIME NOT NULL, 
	CONSTRAINT pk_binned_file PRIMARY KEY (id), 
	CONSTRAINT fk_binned_file_binned_by_user FOREIGN KEY(binned_by) REFERENCES user (id) ON DELETE SET NULL, 
	CONSTRAINT fk_binned_file_drive_id_drive FOREIGN KEY(drive_id) REFERENCES drive (id) ON DELETE CASCADE, 
	CONSTRAINT fk_binned_file_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE INDEX ix_binned_file_expires ON binned_file (expires);
CREATE INDEX ix_binned_file_user_id ON binned_file (user_id);
CREATE TABLE device_password (
	id INTEGER NOT NULL, 
	secret_hash VARCHAR(255) NOT NULL, 
	user_id INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	created DATETIME NOT NULL, 
	last_used DATETIME, 
	CONSTRAINT pk_device_password PRIMARY KEY (id), 
	CONSTRAINT fk_device_password_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE, 
	CONSTRAINT uq_device_password_secret_hash UNIQUE (secret_hash)
);
CREATE INDEX ix_device_password_user_id ON device_password (user_id);
CREATE TABLE keepsake (
	user_id INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	facts JSON NOT NULL, 
	kept DATETIME NOT NULL, 
	CONSTRAINT pk_keepsake PRIMARY KEY (user_id, digest), 
	CONSTRAINT fk_keepsake_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE TABLE saved_filter (
	id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	filter JSON NOT NULL, 
	CONSTRAINT pk_saved_filter PRIMARY KEY (id), 
	CONSTRAINT fk_saved_filter_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_saved_filter_user_id_name ON saved_filter (user_id, name);
CREATE TABLE tombstone (
	user_id INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	deleted DATETIME NOT NULL, 
	CONSTRAINT pk_tombstone PRIMARY KEY (user_id, digest), 
	CONSTRAINT fk_tombstone_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE TABLE album (
	id INTEGER NOT NULL, 
	uuid VARCHAR(255) NOT NULL, 
	user_id INTEGER NOT NULL, 
	title VARCHAR(255) NOT NULL, 
	description TEXT DEFAULT '' NOT NULL, 
	cover_id INTEGER, 
	filter JSON, 
	created DATETIME NOT NULL, 
	changed DATETIME NOT NULL, 
	written BOOLEAN DEFAULT 0 NOT NULL, deleted DATETIME, 
	CONSTRAINT pk_album PRIMARY KEY (id), 
	CONSTRAINT ck_album_title_length CHECK (length(title) between 1 and 120), 
	CONSTRAINT fk_album_cover_id_media FOREIGN KEY(cover_id) REFERENCES media (id) ON DELETE SET NULL, 
	CONSTRAINT fk_album_user_id_user FOREIGN KEY(user_id) REFERENCES user (id), 
	CONSTRAINT uq_album_uuid UNIQUE (uuid)
);
CREATE INDEX ix_album_user_id ON album (user_id);
CREATE TABLE media_tag (
	media_id INTEGER NOT NULL, 
	tag_id INTEGER NOT NULL, 
	CONSTRAINT pk_media_tag PRIMARY KEY (media_id, tag_id), 
	CONSTRAINT fk_media_tag_media_id_media FOREIGN KEY(media_id) REFERENCES media (id) ON DELETE CASCADE, 
	CONSTRAINT fk_media_tag_tag_id_tag FOREIGN KEY(tag_id) REFERENCES tag (id) ON DELETE CASCADE
);
CREATE INDEX ix_media_tag_tag_id ON media_tag (tag_id);
CREATE TABLE album_item (
	id INTEGER NOT NULL, 
	album_id INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	media_id INTEGER, 
	position INTEGER DEFAULT 0 NOT NULL, 
	added DATETIME NOT NULL, 
	added_by INTEGER, 
	CONSTRAINT pk_album_item PRIMARY KEY (id), 
	CONSTRAINT fk_album_item_added_by_user FOREIGN KEY(added_by) REFERENCES user (id) ON DELETE SET NULL, 
	CONSTRAINT fk_album_item_album_id_album FOREIGN KEY(album_id) REFERENCES album (id) ON DELETE CASCADE, 
	CONSTRAINT fk_album_item_media_id_media FOREIGN KEY(media_id) REFERENCES media (id) ON DELETE SET NULL
);
CREATE INDEX ix_album_item_media_id ON album_item (media_id);
CREATE UNIQUE INDEX uq_album_item_album_id_digest ON album_item (album_id, digest);
CREATE TABLE album_member (
	album_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	may_add BOOLEAN NOT NULL, 
	CONSTRAINT pk_album_member PRIMARY KEY (album_id, user_id), 
	CONSTRAINT fk_album_member_album_id_album FOREIGN KEY(album_id) REFERENCES album (id) ON DELETE CASCADE, 
	CONSTRAINT fk_album_member_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE INDEX ix_album_member_user_id ON album_member (user_id);
CREATE TABLE public_link (
	id INTEGER NOT NULL, 
	token_hash VARCHAR(255) NOT NULL, 
	album_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	password_hash VARCHAR(255) NOT NULL, 
	may_upload BOOLEAN NOT NULL, 
	created DATETIME NOT NULL, 
	expires DATETIME, 
	last_used DATETIME, 
	CONSTRAINT pk_public_link PRIMARY KEY (id), 
	CONSTRAINT fk_public_link_album_id_album FOREIGN KEY(album_id) REFERENCES album (id) ON DELETE CASCADE, 
	CONSTRAINT fk_public_link_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE, 
	CONSTRAINT uq_public_link_token_hash UNIQUE (token_hash)
);
CREATE INDEX ix_public_link_album_id ON public_link (album_id);
CREATE INDEX ix_media_family ON media (taken, id) WHERE shared = 1;
CREATE INDEX ix_media_unwritten ON media (id) WHERE written = 0;
CREATE INDEX ix_album_item_digest ON album_item (digest);
CREATE INDEX ix_album_unwritten ON album (id) WHERE written = 0;
CREATE INDEX ix_media_stack_id ON media (stack_id);
CREATE TABLE media_words (
	"key" INTEGER NOT NULL, 
	words TEXT NOT NULL, 
	CONSTRAINT pk_media_words PRIMARY KEY ("key")
);
CREATE VIRTUAL TABLE media_search USING fts5(words, content='media_words', content_rowid='key', tokenize='ascii', prefix='2 3', detail=none, columnsize=0);
CREATE VIRTUAL TABLE media_vocabulary USING fts5vocab(media_search, instance);
CREATE TRIGGER media_words_insert AFTER INSERT ON media_words BEGIN INSERT INTO media_search (rowid, words) VALUES (new.key, new.words); END;
CREATE TRIGGER media_words_delete AFTER DELETE ON media_words BEGIN INSERT INTO media_search (media_search, rowid, words) VALUES ('delete', old.key, old.words); END;
CREATE TRIGGER media_words_update AFTER UPDATE ON media_words BEGIN INSERT INTO media_search (media_search, rowid, words) VALUES ('delete', old.key, old.words);INSERT INTO media_search (rowid, words) VALUES (new.key, new.words); END;
CREATE TRIGGER media_found_insert AFTER INSERT ON media BEGIN INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE id = new.id ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE TRIGGER media_found_update AFTER UPDATE OF file_id, user_id, kind, taken, taken_from, month, camera, latitude, longitude, title, description, favourite, rating, shared, place, country, stack_id, stack ON media BEGIN DELETE FROM media_words WHERE key = ((max(0, strftime('%s', old.taken) + 2208988800) << 28) | old.id) AND ((max(0, strftime('%s', old.taken) + 2208988800) << 28) | old.id) <> ((max(0, strftime('%s', new.taken) + 2208988800) << 28) | new.id);INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE id = new.id ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE TRIGGER media_found_delete AFTER DELETE ON media BEGIN DELETE FROM media_words WHERE key = ((max(0, strftime('%s', old.taken) + 2208988800) << 28) | old.id); UPDATE media SET stack_id = NULL WHERE stack_id = old.id; END;
CREATE TRIGGER media_found_renamed AFTER UPDATE OF name, folder_id ON stored_file BEGIN INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE file_id = new.id ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE TRIGGER media_found_moved AFTER UPDATE OF path ON folder BEGIN INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE folder_id = new.id ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE TRIGGER media_found_tagged AFTER INSERT ON media_tag BEGIN INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE id = new.media_id ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE TRIGGER media_found_untagged AFTER DELETE ON media_tag BEGIN INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE id = old.media_id ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE TRIGGER media_found_tag_renamed AFTER UPDATE OF name ON tag BEGIN INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE id IN (SELECT media_id FROM media_tag WHERE tag_id = new.id) ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE TRIGGER media_found_album_deleted AFTER UPDATE OF deleted ON album BEGIN INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE id IN (SELECT media_id FROM album_item WHERE album_id = new.id) ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE TRIGGER media_found_in_album AFTER INSERT ON album_item BEGIN INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE id = new.media_id ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE TRIGGER media_found_out_of_album AFTER DELETE ON album_item BEGIN INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE id = old.media_id ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE TRIGGER media_found_album_item AFTER UPDATE OF album_id, media_id, added_by ON album_item BEGIN INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE id IN (old.media_id, new.media_id) ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE TABLE webdav_lock (
	token VARCHAR(255) NOT NULL, 
	root TEXT NOT NULL, 
	principal VARCHAR(255) NOT NULL, 
	scope VARCHAR(255) NOT NULL, 
	depth VARCHAR(255) NOT NULL, 
	owner BLOB NOT NULL, 
	timeout DOUBLE NOT NULL, 
	expire DOUBLE NOT NULL, 
	CONSTRAINT pk_webdav_lock PRIMARY KEY (token)
);
CREATE TABLE webdav_property (
	id INTEGER NOT NULL, 
	place TEXT NOT NULL, 
	name TEXT NOT NULL, 
	value BLOB NOT NULL, 
	CONSTRAINT pk_webdav_property PRIMARY KEY (id)
);
CREATE UNIQUE INDEX uq_webdav_property_place_name ON webdav_property (place, name);
CREATE TABLE webdav_checksum (
	file_id INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	checksum VARCHAR(255) NOT NULL, 
	CONSTRAINT pk_webdav_checksum PRIMARY KEY (file_id), 
	CONSTRAINT fk_webdav_checksum_file_id_stored_file FOREIGN KEY(file_id) REFERENCES stored_file (id) ON DELETE CASCADE
);
CREATE TRIGGER folder_version_insert AFTER INSERT ON stored_file BEGIN UPDATE folder SET version = random() WHERE id = NEW.folder_id; END;
CREATE TRIGGER folder_version_delete AFTER DELETE ON stored_file BEGIN UPDATE folder SET version = random() WHERE id = OLD.folder_id; END;
CREATE TRIGGER folder_version_update AFTER UPDATE OF folder_id, name, size, modified_ns, digest ON stored_file BEGIN UPDATE folder SET version = random() WHERE id IN (OLD.folder_id, NEW.folder_id); END;
CREATE VIEW media_document AS SELECT m.id, m.file_id, f.folder_id, ((max(0, strftime('%s', m.taken) + 2208988800) << 28) | m.id) AS key,
    words_of(m.title, m.description, f.name, d.path, m.camera, m.place, m.country, m.month / 100,
        (SELECT group_concat(t.name, ' ') FROM media_tag x JOIN tag t ON t.id = x.tag_id WHERE x.media_id = m.id))
    || ' ' || char(57345) || m.user_id
    || iif(m.shared, ' ' || char(57346) || '1', '')
    || coalesce((SELECT group_concat(' ' || char(57347) || i.album_id, '') FROM album_item i
        WHERE i.media_id = m.id AND i.added_by = m.user_id), '')
    || coalesce((SELECT group_concat(' ' || char(57348) || i.album_id, '') FROM album_item i
        JOIN album a ON a.id = i.album_id WHERE i.media_id = m.id AND a.deleted IS NULL), ' ' || char(57349) || '1')
    || coalesce((SELECT group_concat(' ' || char(57350) || x.tag_id, '') FROM media_tag x WHERE x.media_id = m.id), '')
    || ' ' || char(57351) || lower(m.kind)
    || iif(instr(' dng cr2 cr3 crw nef nrw arw sr2 srf raf orf rw2 pef srw raw rwl iiq 3fr erf mrw x3f ', ' ' ||
        lower(replace(CAST(f.name AS TEXT), rtrim(CAST(f.name AS TEXT), replace(CAST(f.name AS TEXT), '.', '')), ''))
        || ' ') > 0, ' ' || char(57351) || 'raw', '')
    || iif(m.stack = 'live', ' ' || char(57351) || 'live', '')
    || iif(instr(lower(CAST(f.name AS TEXT)), 'screenshot') > 0
        OR instr(lower(CAST(d.path AS TEXT)), 'screenshot') > 0, ' ' || char(57351) || 'screenshot', '')
    || iif(m.camera <> '', ' ' || char(57352) || one_word(m.camera), '')
    || iif(m.place <> '', ' ' || char(57353) || one_word(m.place), '')
    || iif(m.country <> '', ' ' || char(57354) || one_word(m.country), '')
    || iif(m.favourite, ' ' || char(57355) || '1', '')
    || iif(m.rating > 0, ' ' || char(57356) || m.rating, '')
    || iif(m.taken_from IN ('client', 'file'), ' ' || char(57357) || '1', '')
    || iif(m.stack_id IS NULL, ' ' || char(57358) || '1', '')
    || iif(m.latitude IS NOT NULL AND m.longitude IS NOT NULL, ' ' || char(57359) || '1', '') || coalesce(' ' || char(57360) || '1x' || CAST((m.latitude + 90) * 0.1 AS INTEGER) || 'x' || CAST((m.longitude + 180) * 0.1 AS INTEGER), '') || coalesce(' ' || char(57360) || '2x' || CAST((m.latitude + 90) * 1 AS INTEGER) || 'x' || CAST((m.longitude + 180) * 1 AS INTEGER), '') || coalesce(' ' || char(57360) || '3x' || CAST((m.latitude + 90) * 10 AS INTEGER) || 'x' || CAST((m.longitude + 180) * 10 AS INTEGER), '') AS words
FROM media m JOIN stored_file f ON f.id = m.file_id JOIN folder d ON d.id = f.folder_id;
CREATE TRIGGER media_found_placed AFTER UPDATE OF latitude, longitude ON media BEGIN INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE id = new.id ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END;
CREATE INDEX ix_media_located ON media (latitude, longitude, user_id, shared, stack_id) WHERE latitude IS NOT NULL;
CREATE INDEX ix_media_unplaced ON media (id) WHERE latitude IS NOT NULL AND country = '';
CREATE TABLE phone (
	id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	added DATETIME NOT NULL, 
	CONSTRAINT pk_phone PRIMARY KEY (id), 
	CONSTRAINT fk_phone_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_phone_user_id_key ON phone (user_id, "key");
CREATE TABLE phone_item (
	phone_id INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	size INTEGER NOT NULL, 
	chosen DATETIME NOT NULL, listing VARCHAR(255) DEFAULT '' NOT NULL, gone DATETIME, 
	CONSTRAINT pk_phone_item PRIMARY KEY (phone_id, digest), 
	CONSTRAINT fk_phone_item_phone_id_phone FOREIGN KEY(phone_id) REFERENCES phone (id) ON DELETE CASCADE
);
CREATE TABLE phone_round (
	id INTEGER NOT NULL, 
	phone_id INTEGER NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	started DATETIME NOT NULL, 
	heard DATETIME NOT NULL, 
	finished DATETIME, 
	found INTEGER NOT NULL, 
	known INTEGER NOT NULL, 
	deleted INTEGER NOT NULL, 
	sent INTEGER NOT NULL, 
	failed INTEGER NOT NULL, 
	bytes INTEGER NOT NULL, 
	CONSTRAINT pk_phone_round PRIMARY KEY (id), 
	CONSTRAINT fk_phone_round_phone_id_phone FOREIGN KEY(phone_id) REFERENCES phone (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_phone_round_phone_id_key ON phone_round (phone_id, "key");
CREATE TABLE importer_source (
	id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	kind VARCHAR(6) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	title VARCHAR(255) NOT NULL, 
	place JSON NOT NULL, 
	camera BOOLEAN NOT NULL, 
	secret BLOB, 
	created DATETIME NOT NULL, 
	looked DATETIME, 
	safe DATETIME, 
	CONSTRAINT pk_importer_source PRIMARY KEY (id), 
	CONSTRAINT fk_importer_source_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_importer_source_user_id_key ON importer_source (user_id, "key");
CREATE TABLE importer_file (
	id INTEGER NOT NULL, 
	source_id INTEGER NOT NULL, 
	path BLOB NOT NULL, 
	size INTEGER NOT NULL, 
	modified_ns INTEGER NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	dated BOOLEAN NOT NULL, 
	digest BLOB, 
	proven DATETIME, 
	brought DATETIME, 
	noted BOOLEAN NOT NULL, 
	why JSON, 
	CONSTRAINT pk_importer_file PRIMARY KEY (id), 
	CONSTRAINT fk_importer_file_source_id_importer_source FOREIGN KEY(source_id) REFERENCES importer_source (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_importer_file_source_id_path ON importer_file (source_id, path);
CREATE INDEX ix_importer_file_source_id_state ON importer_file (source_id, state);
CREATE TABLE importer_run (
	id INTEGER NOT NULL, 
	source_id INTEGER NOT NULL, 
	state VARCHAR(9) NOT NULL, 
	deleted_too BOOLEAN NOT NULL, 
	report JSON NOT NULL, 
	result JSON NOT NULL, 
	asked_by INTEGER, 
	job_id INTEGER, 
	created DATETIME NOT NULL, 
	finished DATETIME, 
	CONSTRAINT pk_importer_run PRIMARY KEY (id), 
	CONSTRAINT fk_importer_run_asked_by_user FOREIGN KEY(asked_by) REFERENCES user (id) ON DELETE SET NULL, 
	CONSTRAINT fk_importer_run_job_id_job FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE SET NULL, 
	CONSTRAINT fk_importer_run_source_id_importer_source FOREIGN KEY(source_id) REFERENCES importer_source (id) ON DELETE CASCADE
);
CREATE INDEX ix_importer_run_source_id ON importer_run (source_id);
CREATE TABLE likeness_bucket (
	bucket INTEGER NOT NULL, 
	media_id INTEGER NOT NULL, 
	CONSTRAINT pk_likeness_bucket PRIMARY KEY (bucket, media_id), 
	CONSTRAINT fk_likeness_bucket_media_id_media FOREIGN KEY(media_id) REFERENCES media (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE INDEX ix_likeness_bucket_media_id ON likeness_bucket (media_id);
CREATE TABLE likeness_pair (
	media_id INTEGER NOT NULL, 
	other_id INTEGER NOT NULL, 
	distance INTEGER NOT NULL, 
	different BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_likeness_pair PRIMARY KEY (media_id, other_id), 
	CONSTRAINT fk_likeness_pair_media_id_media FOREIGN KEY(media_id) REFERENCES media (id) ON DELETE CASCADE, 
	CONSTRAINT fk_likeness_pair_other_id_media FOREIGN KEY(other_id) REFERENCES media (id) ON DELETE CASCADE
);
CREATE INDEX ix_likeness_pair_other_id ON likeness_pair (other_id);
CREATE TRIGGER folder_bytes_insert AFTER INSERT ON stored_file BEGIN UPDATE folder SET bytes = bytes + NEW.size WHERE id = NEW.folder_id; END;
CREATE TRIGGER folder_bytes_delete AFTER DELETE ON stored_file BEGIN UPDATE folder SET bytes = bytes - OLD.size WHERE id = OLD.folder_id; END;
CREATE TRIGGER folder_bytes_update AFTER UPDATE OF folder_id, size ON stored_file WHEN OLD.size <> NEW.size OR OLD.folder_id <> NEW.folder_id BEGIN UPDATE folder SET bytes = bytes - OLD.size WHERE id = OLD.folder_id; UPDATE folder SET bytes = bytes + NEW.size WHERE id = NEW.folder_id; END;
CREATE INDEX ix_media_grouping ON media (grouping) WHERE grouping <> '';
CREATE INDEX ix_media_content_id ON media (content_id) WHERE content_id <> '';
CREATE INDEX ix_media_unread ON media (id) WHERE content_id IS NULL AND preview = 'READY';
CREATE TABLE smart_plugs_account (
	kind VARCHAR(7) NOT NULL, 
	user VARCHAR(255) NOT NULL, 
	secret BLOB, 
	CONSTRAINT pk_smart_plugs_account PRIMARY KEY (kind)
);
CREATE TABLE smart_plugs_plug (
	id INTEGER NOT NULL, 
	kind VARCHAR(7) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	model VARCHAR(255) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	place JSON NOT NULL, 
	user VARCHAR(255) NOT NULL, 
	secret BLOB, 
	has_meter BOOLEAN NOT NULL, 
	carries_hot INTEGER, 
	created DATETIME NOT NULL, 
	answered DATETIME, 
	is_on BOOLEAN, 
	watts DOUBLE, 
	problem_code VARCHAR(255) NOT NULL, 
	problem JSON, 
	CONSTRAINT pk_smart_plugs_plug PRIMARY KEY (id), 
	CONSTRAINT fk_smart_plugs_plug_carries_hot_drive FOREIGN KEY(carries_hot) REFERENCES drive (id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX uq_smart_plugs_plug_kind_key ON smart_plugs_plug (kind, "key");
CREATE TABLE smart_plugs_drive (
	drive_id INTEGER NOT NULL, 
	plug_id INTEGER NOT NULL, 
	CONSTRAINT pk_smart_plugs_drive PRIMARY KEY (drive_id), 
	CONSTRAINT fk_smart_plugs_drive_drive_id_drive FOREIGN KEY(drive_id) REFERENCES drive (id) ON DELETE CASCADE, 
	CONSTRAINT fk_smart_plugs_drive_plug_id_smart_plugs_plug FOREIGN KEY(plug_id) REFERENCES smart_plugs_plug (id) ON DELETE CASCADE
);
CREATE INDEX ix_smart_plugs_drive_plug_id ON smart_plugs_drive (plug_id);
CREATE TABLE smart_plugs_month (
	plug_id INTEGER NOT NULL, 
	month VARCHAR(255) NOT NULL, 
	wh DOUBLE NOT NULL, 
	CONSTRAINT pk_smart_plugs_month PRIMARY KEY (plug_id, month), 
	CONSTRAINT fk_smart_plugs_month_plug_id_smart_plugs_plug FOREIGN KEY(plug_id) REFERENCES smart_plugs_plug (id) ON DELETE CASCADE
);
CREATE TABLE smart_plugs_reading (
	id INTEGER NOT NULL, 
	plug_id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	"on" BOOLEAN, 
	watts DOUBLE, 
	counter_wh DOUBLE, 
	CONSTRAINT pk_smart_plugs_reading PRIMARY KEY (id), 
	CONSTRAINT fk_smart_plugs_reading_plug_id_smart_plugs_plug FOREIGN KEY(plug_id) REFERENCES smart_plugs_plug (id) ON DELETE CASCADE
);
CREATE INDEX ix_smart_plugs_reading_plug_id_at ON smart_plugs_reading (plug_id, at);
CREATE TABLE smart_plugs_switching (
	id INTEGER NOT NULL, 
	plug_id INTEGER NOT NULL, 
	drive_id INTEGER, 
	at DATETIME NOT NULL, 
	"on" BOOLEAN NOT NULL, 
	was_on BOOLEAN, 
	done BOOLEAN NOT NULL, 
	watts DOUBLE, 
	proven BOOLEAN, 
	arrived_s DOUBLE, 
	why JSON, 
	CONSTRAINT pk_smart_plugs_switching PRIMARY KEY (id), 
	CONSTRAINT fk_smart_plugs_switching_drive_id_drive FOREIGN KEY(drive_id) REFERENCES drive (id) ON DELETE SET NULL, 
	CONSTRAINT fk_smart_plugs_switching_plug_id_smart_plugs_plug FOREIGN KEY(plug_id) REFERENCES smart_plugs_plug (id) ON DELETE CASCADE
);
CREATE INDEX ix_smart_plugs_switching_drive_id ON smart_plugs_switching (drive_id);
CREATE INDEX ix_smart_plugs_switching_plug_id_at ON smart_plugs_switching (plug_id, at);
CREATE TRIGGER keepsake_file_delete BEFORE DELETE ON stored_file BEGIN INSERT OR REPLACE INTO keepsake(user_id, digest, facts, kept) SELECT m.user_id, OLD.digest, json_object('title', m.title, 'description', m.description, 'favourite', m.favourite, 'rating', m.rating, 'shared', m.shared, 'taken', iif(m.taken_from = 'owner', m.taken, NULL), 'month', m.month, 'latitude', iif(m.told_place, m.latitude, NULL), 'longitude', m.longitude, 'grouping', m.grouping, 'tags', (SELECT json_group_array(t.name) FROM media_tag mt JOIN tag t ON t.id = mt.tag_id WHERE mt.media_id = m.id)), strftime('%Y-%m-%d %H:%M:%f', 'now') || '000' FROM media m WHERE m.file_id = OLD.id AND OLD.digest IS NOT NULL AND (m.title <> '' OR m.description <> '' OR m.favourite OR m.rating OR m.shared OR m.taken_from = 'owner' OR m.told_place OR m.grouping <> '' OR EXISTS(SELECT 1 FROM media_tag mt WHERE mt.media_id = m.id)); UPDATE OR IGNORE album_item SET digest = OLD.digest WHERE OLD.digest IS NOT NULL AND digest <> OLD.digest AND media_id = (SELECT id FROM media WHERE file_id = OLD.id); END;
CREATE TRIGGER keepsake_file_change BEFORE UPDATE OF digest ON stored_file WHEN OLD.digest IS NOT NULL AND NEW.digest IS NOT OLD.digest BEGIN INSERT OR REPLACE INTO keepsake(user_id, digest, facts, kept) SELECT m.user_id, OLD.digest, json_object('title', m.title, 'description', m.description, 'favourite', m.favourite, 'rating', m.rating, 'shared', m.shared, 'taken', iif(m.taken_from = 'owner', m.taken, NULL), 'month', m.month, 'latitude', iif(m.told_place, m.latitude, NULL), 'longitude', m.longitude, 'grouping', m.grouping, 'tags', (SELECT json_group_array(t.name) FROM media_tag mt JOIN tag t ON t.id = mt.tag_id WHERE mt.media_id = m.id)), strftime('%Y-%m-%d %H:%M:%f', 'now') || '000' FROM media m WHERE m.file_id = OLD.id AND OLD.digest IS NOT NULL AND (m.title <> '' OR m.description <> '' OR m.favourite OR m.rating OR m.shared OR m.taken_from = 'owner' OR m.told_place OR m.grouping <> '' OR EXISTS(SELECT 1 FROM media_tag mt WHERE mt.media_id = m.id)); END;
CREATE TRIGGER keepsake_media_delete BEFORE DELETE ON media BEGIN INSERT OR REPLACE INTO keepsake(user_id, digest, facts, kept) SELECT m.user_id, f.digest, json_object('title', m.title, 'description', m.description, 'favourite', m.favourite, 'rating', m.rating, 'shared', m.shared, 'taken', iif(m.taken_from = 'owner', m.taken, NULL), 'month', m.month, 'latitude', iif(m.told_place, m.latitude, NULL), 'longitude', m.longitude, 'grouping', m.grouping, 'tags', (SELECT json_group_array(t.name) FROM media_tag mt JOIN tag t ON t.id = mt.tag_id WHERE mt.media_id = m.id)), strftime('%Y-%m-%d %H:%M:%f', 'now') || '000' FROM media m JOIN stored_file f ON f.id = m.file_id WHERE m.id = OLD.id AND f.digest IS NOT NULL AND (m.title <> '' OR m.description <> '' OR m.favourite OR m.rating OR m.shared OR m.taken_from = 'owner' OR m.told_place OR m.grouping <> '' OR EXISTS(SELECT 1 FROM media_tag mt WHERE mt.media_id = m.id)); UPDATE OR IGNORE album_item SET digest = (SELECT digest FROM stored_file WHERE id = OLD.file_id) WHERE (SELECT digest FROM stored_file WHERE id = OLD.file_id) IS NOT NULL AND digest <> (SELECT digest FROM stored_file WHERE id = OLD.file_id) AND media_id = OLD.id; UPDATE album_item SET media_id = (SELECT m.id FROM stored_file f JOIN media m ON m.file_id = f.id WHERE f.digest = album_item.digest AND m.id <> OLD.id AND m.user_id = OLD.user_id LIMIT 1) WHERE media_id = OLD.id; END;
CREATE TRIGGER keepsake_file_known AFTER UPDATE OF digest ON stored_file WHEN NEW.digest IS NOT NULL AND NEW.digest IS NOT OLD.digest AND EXISTS(SELECT 1 FROM media WHERE file_id = NEW.id) BEGIN UPDATE album_item SET media_id = (SELECT id FROM media WHERE file_id = NEW.id) WHERE digest = NEW.digest AND NOT EXISTS(SELECT 1 FROM media m JOIN stored_file f ON f.id = m.file_id WHERE m.id = album_item.media_id AND f.digest = album_item.digest); INSERT OR IGNORE INTO media_tag(media_id, tag_id) SELECT m.id, t.id FROM media m JOIN keepsake k ON k.user_id = m.user_id AND k.digest = NEW.digest, json_each(k.facts, '$.tags') word JOIN tag t ON t.name = word.value WHERE m.id = (SELECT id FROM media WHERE file_id = NEW.id) AND (m.edited IS NULL OR m.edited <= k.kept); UPDATE media SET title = json_extract(k.facts, '$.title'), description = json_extract(k.facts, '$.description'), favourite = json_extract(k.facts, '$.favourite'), rating = json_extract(k.facts, '$.rating'), shared = json_extract(k.facts, '$.shared'), taken = coalesce(json_extract(k.facts, '$.taken'), media.taken), taken_from = iif(json_extract(k.facts, '$.taken') IS NULL, media.taken_from, 'owner'), month = iif(json_extract(k.facts, '$.taken') IS NULL, media.month, json_extract(k.facts, '$.month')), place = iif(json_extract(k.facts, '$.latitude') IS NOT NULL AND (media.latitude IS NULL OR media.told_place), '', media.place), country = iif(json_extract(k.facts, '$.latitude') IS NOT NULL AND (media.latitude IS NULL OR media.told_place), '', media.country), longitude = iif(json_extract(k.facts, '$.latitude') IS NOT NULL AND (media.latitude IS NULL OR media.told_place), json_extract(k.facts, '$.longitude'), media.longitude), latitude = iif(json_extract(k.facts, '$.latitude') IS NOT NULL AND (media.latitude IS NULL OR media.told_place), json_extract(k.facts, '$.latitude'), media.latitude), told_place = iif(json_extract(k.facts, '$.latitude') IS NOT NULL AND (media.latitude IS NULL OR media.told_place), 1, media.told_place), grouping = coalesce(json_extract(k.facts, '$.grouping'), ''), edited = strftime('%Y-%m-%d %H:%M:%f', 'now') || '000', written = 0 FROM keepsake k WHERE media.id = (SELECT id FROM media WHERE file_id = NEW.id) AND k.user_id = media.user_id AND k.digest = NEW.digest AND (media.edited IS NULL OR media.edited <= k.kept); DELETE FROM keepsake WHERE user_id = (SELECT user_id FROM media WHERE file_id = NEW.id) AND digest = NEW.digest; UPDATE media SET written = 0 WHERE file_id = NEW.id AND edited IS NOT NULL; END;
CREATE TRIGGER keepsake_media_insert AFTER INSERT ON media BEGIN UPDATE album_item SET media_id = NEW.id WHERE digest = (SELECT digest FROM stored_file WHERE id = NEW.file_id) AND NOT EXISTS(SELECT 1 FROM media m JOIN stored_file f ON f.id = m.file_id WHERE m.id = album_item.media_id AND f.digest = album_item.digest); INSERT OR IGNORE INTO media_tag(media_id, tag_id) SELECT m.id, t.id FROM media m JOIN keepsake k ON k.user_id = m.user_id AND k.digest = (SELECT digest FROM stored_file WHERE id = NEW.file_id), json_each(k.facts, '$.tags') word JOIN tag t ON t.name = word.value WHERE m.id = NEW.id AND (m.edited IS NULL OR m.edited <= k.kept); UPDATE media SET title = json_extract(k.facts, '$.title'), description = json_extract(k.facts, '$.description'), favourite = json_extract(k.facts, '$.favourite'), rating = json_extract(k.facts, '$.rating'), shared = json_extract(k.facts, '$.shared'), taken = coalesce(json_extract(k.facts, '$.taken'), media.taken), taken_from = iif(json_extract(k.facts, '$.taken') IS NULL, media.taken_from, 'owner'), month = iif(json_extract(k.facts, '$.taken') IS NULL, media.month, json_extract(k.facts, '$.month')), place = iif(json_extract(k.facts, '$.latitude') IS NOT NULL AND (media.latitude IS NULL OR media.told_place), '', media.place), country = iif(json_extract(k.facts, '$.latitude') IS NOT NULL AND (media.latitude IS NULL OR media.told_place), '', media.country), longitude = iif(json_extract(k.facts, '$.latitude') IS NOT NULL AND (media.latitude IS NULL OR media.told_place), json_extract(k.facts, '$.longitude'), media.longitude), latitude = iif(json_extract(k.facts, '$.latitude') IS NOT NULL AND (media.latitude IS NULL OR media.told_place), json_extract(k.facts, '$.latitude'), media.latitude), told_place = iif(json_extract(k.facts, '$.latitude') IS NOT NULL AND (media.latitude IS NULL OR media.told_place), 1, media.told_place), grouping = coalesce(json_extract(k.facts, '$.grouping'), ''), edited = strftime('%Y-%m-%d %H:%M:%f', 'now') || '000', written = 0 FROM keepsake k WHERE media.id = NEW.id AND k.user_id = media.user_id AND k.digest = (SELECT digest FROM stored_file WHERE id = NEW.file_id) AND (media.edited IS NULL OR media.edited <= k.kept); DELETE FROM keepsake WHERE user_id = NEW.user_id AND digest = (SELECT digest FROM stored_file WHERE id = NEW.file_id); END;
CREATE TABLE phone_report (
	phone_id INTEGER NOT NULL, 
	made DATETIME NOT NULL, 
	items INTEGER NOT NULL, 
	facts JSON NOT NULL, 
	CONSTRAINT pk_phone_report PRIMARY KEY (phone_id), 
	CONSTRAINT fk_phone_report_phone_id_phone FOREIGN KEY(phone_id) REFERENCES phone (id) ON DELETE CASCADE
);
CREATE TABLE guest_gift (
	id INTEGER NOT NULL, 
	link_id INTEGER NOT NULL, 
	upload_id VARCHAR(255), 
	size INTEGER NOT NULL, 
	brought DATETIME NOT NULL, 
	CONSTRAINT pk_guest_gift PRIMARY KEY (id), 
	CONSTRAINT fk_guest_gift_link_id_public_link FOREIGN KEY(link_id) REFERENCES public_link (id) ON DELETE CASCADE, 
	CONSTRAINT uq_guest_gift_upload_id UNIQUE (upload_id)
);
CREATE INDEX ix_guest_gift_link_id_brought ON guest_gift (link_id, brought);
CREATE TABLE nfs_device (
	id INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	address VARCHAR(255) NOT NULL, 
	created DATETIME NOT NULL, 
	CONSTRAINT pk_nfs_device PRIMARY KEY (id), 
	CONSTRAINT uq_nfs_device_address UNIQUE (address), 
	CONSTRAINT uq_nfs_device_name UNIQUE (name)
);
CREATE TABLE nfs_right (
	id INTEGER NOT NULL, 
	device_id INTEGER NOT NULL, 
	drive_id INTEGER NOT NULL, 
	folder TEXT NOT NULL, 
	change BOOLEAN NOT NULL, 
	CONSTRAINT pk_nfs_right PRIMARY KEY (id), 
	CONSTRAINT fk_nfs_right_device_id_nfs_device FOREIGN KEY(device_id) REFERENCES nfs_device (id) ON DELETE CASCADE, 
	CONSTRAINT fk_nfs_right_drive_id_drive FOREIGN KEY(drive_id) REFERENCES drive (id) ON DELETE CASCADE
);
CREATE INDEX ix_nfs_right_drive_id ON nfs_right (drive_id);
CREATE UNIQUE INDEX uq_nfs_right_device_drive_folder ON nfs_right (device_id, drive_id, folder);
CREATE TABLE smb_account (
	user_id INTEGER NOT NULL, 
	secret BLOB, 
	time_machine_gb INTEGER, 
	CONSTRAINT pk_smb_account PRIMARY KEY (user_id), 
	CONSTRAINT fk_smb_account_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE TABLE smb_folder (
	id INTEGER NOT NULL, 
	drive_id INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	CONSTRAINT pk_smb_folder PRIMARY KEY (id), 
	CONSTRAINT fk_smb_folder_drive_id_drive FOREIGN KEY(drive_id) REFERENCES drive (id) ON DELETE CASCADE, 
	CONSTRAINT uq_smb_folder_name UNIQUE (name)
);
CREATE TABLE smb_access (
	id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	folder_id INTEGER, 
	level VARCHAR(7) NOT NULL, 
	CONSTRAINT pk_smb_access PRIMARY KEY (id), 
	CONSTRAINT fk_smb_access_folder_id_smb_folder FOREIGN KEY(folder_id) REFERENCES smb_folder (id) ON DELETE CASCADE, 
	CONSTRAINT fk_smb_access_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE INDEX ix_smb_access_user_id ON smb_access (user_id);
CREATE TABLE notify_station (
	id INTEGER NOT NULL, 
	mail_shown VARCHAR(255) NOT NULL, 
	mail BLOB, 
	signal_shown VARCHAR(255) NOT NULL, 
	signal BLOB, 
	signal_hours INTEGER NOT NULL, 
	signal_tried DATETIME, 
	signal_arrived DATETIME, 
	signal_failing DATETIME, 
	signal_problem JSON, 
	CONSTRAINT pk_notify_station PRIMARY KEY (id)
);
CREATE TABLE notify_channel (
	id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	kind VARCHAR(255) NOT NULL, 
	shown VARCHAR(255) NOT NULL, 
	sealed BLOB NOT NULL, 
	least VARCHAR(7) NOT NULL, 
	solved BOOLEAN NOT NULL, 
	letter BOOLEAN NOT NULL, 
	created DATETIME NOT NULL, 
	arrived DATETIME, 
	failing DATETIME, 
	problem JSON, 
	CONSTRAINT pk_notify_channel PRIMARY KEY (id), 
	CONSTRAINT fk_notify_channel_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE INDEX ix_notify_channel_user_id ON notify_channel (user_id);
CREATE TABLE notify_rules (
	user_id INTEGER NOT NULL, 
	quiet_from VARCHAR(255) NOT NULL, 
	quiet_until VARCHAR(255) NOT NULL, 
	danger_wakes BOOLEAN NOT NULL, 
	remind_days INTEGER NOT NULL, 
	CONSTRAINT pk_notify_rules PRIMARY KEY (user_id), 
	CONSTRAINT fk_notify_rules_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE TABLE notify_delivery (
	id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	kind VARCHAR(6) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	severity VARCHAR(7) NOT NULL, 
	content JSON NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_try DATETIME NOT NULL, 
	problem JSON, 
	created DATETIME NOT NULL, 
	ended DATETIME, 
	CONSTRAINT pk_notify_delivery PRIMARY KEY (id), 
	CONSTRAINT ck_notify_delivery_attempts_positive CHECK (attempts >= 0), 
	CONSTRAINT fk_notify_delivery_channel_id_notify_channel FOREIGN KEY(channel_id) REFERENCES notify_channel (id) ON DELETE CASCADE
);
CREATE INDEX ix_notify_delivery_state_next_try ON notify_delivery (state, next_try);
CREATE UNIQUE INDEX uq_notify_delivery_channel_id_kind_key ON notify_delivery (channel_id, kind, "key");
CREATE TABLE notify_told (
	id INTEGER NOT NULL, 
	channel_id INTEGER NOT NULL, 
	code VARCHAR(255) NOT NULL, 
	subject VARCHAR(255) NOT NULL, 
	severity VARCHAR(7) NOT NULL, 
	message JSON NOT NULL, 
	hint JSON NOT NULL, 
	state VARCHAR(7) NOT NULL, 
	since DATETIME NOT NULL, 
	told DATETIME, 
	gone DATETIME, 
	CONSTRAINT pk_notify_told PRIMARY KEY (id), 
	CONSTRAINT fk_notify_told_channel_id_notify_channel FOREIGN KEY(channel_id) REFERENCES notify_channel (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_notify_told_channel_id_code_subject ON notify_told (channel_id, code, subject);
CREATE TABLE recovery_card (
	id INTEGER NOT NULL, 
	code_hash VARCHAR(255) NOT NULL, 
	made DATETIME NOT NULL, 
	made_by INTEGER, 
	CONSTRAINT pk_recovery_card PRIMARY KEY (id), 
	CONSTRAINT fk_recovery_card_made_by_user FOREIGN KEY(made_by) REFERENCES user (id) ON DELETE SET NULL
);
CREATE TABLE smart_sample (
	id INTEGER NOT NULL, 
	drive_id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	power_on VARCHAR(255) NOT NULL, 
	passed BOOLEAN NOT NULL, 
	hours INTEGER, 
	cycles INTEGER, 
	reallocated INTEGER, 
	pending INTEGER, 
	uncorrectable INTEGER, 
	crc_errors INTEGER, 
	percent_used INTEGER, 
	temperature_c INTEGER, 
	CONSTRAINT pk_smart_sample PRIMARY KEY (id), 
	CONSTRAINT fk_smart_sample_drive_id_drive FOREIGN KEY(drive_id) REFERENCES drive (id) ON DELETE CASCADE
);
CREATE INDEX ix_smart_sample_drive_at ON smart_sample (drive_id, at);
CREATE TABLE unburied (
	id INTEGER NOT NULL, 
	binned_id INTEGER NOT NULL, 
	stored_as BLOB NOT NULL, 
	user_id INTEGER NOT NULL, 
	CONSTRAINT pk_unburied PRIMARY KEY (id), 
	CONSTRAINT fk_unburied_binned_id_binned_file FOREIGN KEY(binned_id) REFERENCES binned_file (id) ON DELETE CASCADE, 
	CONSTRAINT fk_unburied_user_id_user FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE INDEX ix_unburied_binned_id ON unburied (binned_id);
REPLACE INTO alembic_version VALUES ('0022');
REPLACE INTO media_search_data VALUES (1, X'0000');
REPLACE INTO media_search_data VALUES (10, X'00000000000000');
REPLACE INTO media_search_config VALUES ('version', 4);
