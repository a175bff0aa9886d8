"""The kernel: database, settings, events, identity, words, durable writing."""

import importlib
import json
import multiprocessing
import os
import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, StatementError

import plugins
from appliance import events, identity, settings
from appliance.db import Database, migrate, now
from appliance.durable import flush_filesystem, write_atomically
from appliance.errors import ApplianceError, Invalid, OutOfSpace
from appliance.events import Event
from appliance.health.models import Severity
from appliance.jobs.models import Job
from appliance.places import Places
from appliance.schema import Base, is_ours
from appliance.settings import Setting, SettingRow, UnreadableSetting
from appliance.words import Message

# --- words


fields = st.dictionaries(
    st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True),
    st.none() | st.booleans() | st.integers() | st.text(),
    max_size=4,
)


@given(fields, fields)
def test_a_message_survives_being_stored(outer: dict[str, object], inner: dict[str, object]) -> None:
    message = Message("{a}", outer | {"a": Message("b", inner)})
    assert Message.from_json(json.loads(json.dumps(message.as_json()))) == message


def test_a_message_inside_a_message_reads_as_one_sentence() -> None:
    assert (
        str(Message("Solved: {issue}", {"issue": Message("{d} is missing.", {"d": "Blue"})}))
        == "Solved: Blue is missing."
    )


# --- errors


def test_an_error_looks_the_same_everywhere() -> None:
    error = OutOfSpace(drive="Blue", needed="2 GB", free="1 GB")
    assert error.as_json()["error"] == "out_of_space"
    assert str(error) == str(error.message) == "Blue has no room left for this: 2 GB needed, 1 GB free."
    problems = Invalid({"name": "Too long.", "day": Message("Not {day}.", {"day": 31})})
    assert problems.as_json()["problems"] == {"name": "Too long.", "day": "Not 31."}
    assert issubclass(Invalid, ApplianceError) and Invalid.status == 422


# --- database


def test_what_a_writer_committed_is_there_and_what_raised_is_not(db: Database) -> None:
    with db.writing() as session:
        events.record(session, "a", "A")
    with pytest.raises(RuntimeError), db.writing() as session:
        events.record(session, "b", "B")
        session.flush()
        raise RuntimeError
    with db.reading() as session:
        assert list(session.scalars(select(Event.kind))) == ["a"]
        events.record(session, "c", "C")
        session.flush()
    with db.reading() as session:
        assert list(session.scalars(select(Event.kind))) == ["a"]


def test_writers_wait_for_their_turn(db: Database) -> None:
    def write() -> None:
        for _ in range(10):
            with db.writing() as session:
                count = session.scalar(select(func.count()).select_from(Event)) or 0
                events.record(session, f"n{count}", "N")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.reading() as session:
        assert session.scalar(select(func.count(Event.kind.distinct()))) == 40  # nobody read the same number twice


def test_a_reader_sees_one_snapshot(db: Database) -> None:
    with db.reading() as session:
        before = session.scalar(select(func.count()).select_from(Event))
        with db.writing() as other:
            events.record(other, "a", "A")
        assert session.scalar(select(func.count()).select_from(Event)) == before


def test_every_connection_has_the_rules(db: Database) -> None:
    with db.engine.connect() as connection:
        pragma = {
            name: connection.execute(text(f"pragma {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_foreign_keys_and_checks_are_enforced(db: Database) -> None:
    with pytest.raises(IntegrityError), db.writing() as session:
        events.record(session, "a", "A", actor_id=99)
    with pytest.raises(IntegrityError), db.writing() as session:
        session.add(Job(kind="a", lock="a", title=Message("a"), percent=101))


def test_moments_are_aware_and_come_back_in_utc(db: Database) -> None:
    eastern = timezone(timedelta(hours=8))
    with db.writing() as session:
        event = events.record(session, "a", "A")
        event.at = datetime(2027, 1, 1, 8, tzinfo=eastern)
    with db.reading() as session:
        assert session.scalar(select(Event.at)) == datetime(2027, 1, 1, tzinfo=UTC)
    with pytest.raises(StatementError, match="without a time zone"), db.writing() as session:
        events.record(session, "a", "A").at = datetime(2027, 1, 1)  # noqa: DTZ001 - that is the point


def test_the_schema_is_what_the_models_say(db: Database) -> None:
    from alembic.autogenerate import compare_metadata

    for models in Path(plugins.__file__).parent.glob("*/models.py"):
        importlib.import_module(f"plugins.{models.parent.name}.models")
    from alembic.runtime.migration import MigrationContext

    for models in Path(plugins.__file__).parent.glob("*/models.py"):
        importlib.import_module(f"plugins.{models.parent.name}.models")
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_ours})
        assert compare_metadata(context, Base.metadata) == []


def test_a_database_of_the_first_version_keeps_its_rows_and_triggers(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    path = tmp_path / "everpx.db"
    config = Config()
    config.set_main_option("script_location", str(Path(events.__file__).parent / "migrations"))
    config.attributes["path"] = path
    command.upgrade(config, "0001")
    with sqlite3.connect(path) as rows:
        texts = ("filesystem", "filesystem_uuid", "model", "serial", "power_driver")
        drive = {"marker_id": "m", "role": "COLD", "number": 1, "name": "Green", "colour": "green", "state": "ACTIVE"}
        drive |= {"size": 1, "full_below_percent": 10, "handed_over": "2026-01-01 00:00:00.000000"}
        drive |= {"power_state": "OFF", "write_errors": 0} | dict.fromkeys(texts, "")
        marks = ", ".join("?" * len(drive))
        rows.execute(f"insert into drive ({', '.join(drive)}) values ({marks})", list(drive.values()))
        rows.execute("insert into folder (id, drive_id, path) values (1, 1, x'61')")
        rows.execute("insert into cold_file values (1, 1, 1, x'61', null, 5, 5, x'00', '2026-01-01 00:00:00.000000')")
        triggers = rows.execute("select name, sql from sqlite_master where type = 'trigger' order by 1").fetchall()
    rows.close()
    migrate(path)
    with sqlite3.connect(path) as rows:
        assert rows.execute("select size, proven, since from cold_file").fetchall() == [
            (5, "2026-01-01 00:00:00.000000", None)
        ]
        kept = rows.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
        assert triggers and set(triggers) <= set(kept)
    rows.close()
    assert (tmp_path / "everpx.db.before-migration").exists()


def test_migrating_twice_changes_nothing_and_an_old_database_is_copied_first(tmp_path: Path) -> None:
    path = tmp_path / "everpx.db"
    migrate(path)
    before = path.read_bytes()
    migrate(path)
    assert path.read_bytes() == before
    with sqlite3.connect(path) as rows:
        rows.execute("update alembic_version set version_num = '0000'")
    rows.close()
    with pytest.raises(Exception, match="0000"):  # a revision that nobody knows stops the start
        migrate(path)


def _write_and_die(path: Path) -> None:
    db = Database(path)
    with db.writing() as session:
        events.record(session, "lost", "Lost")
        session.flush()
        os._exit(9)


def test_a_writer_that_dies_leaves_nothing_and_no_lock(db: Database) -> None:
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(db.path,))
    db.close()
    process.start()
    process.join(20)
    assert process.exitcode == 9
    with db.writing() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == 0
        events.record(session, "kept", "Kept")


# --- settings


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Setting[int]:
    monkeypatch.setattr(settings, "REGISTRY", {})
    return Setting("test.number", 5, "A number", minimum=1, maximum=9)


def test_a_setting_has_its_default_until_it_is_set(db: Database, setting: Setting[int]) -> None:
    with db.writing() as session:
        assert setting.get(session) == 5
        setting.set(session, 7)
        assert setting.get(session) == 7


@pytest.mark.parametrize("value", [0, 10, "5", 5.5, True, None])
def test_a_value_that_does_not_fit_is_refused_and_one_in_the_database_is_kept(
    db: Database, setting: Setting[int], value: object
) -> None:
    with db.writing() as session:
        with pytest.raises(Invalid) as caught:
            setting.set(session, value)  # type: ignore[arg-type]
        assert list(caught.value.problems) == ["test.number"]
        session.add(SettingRow(key="test.number", value=value))
    with db.reading() as session:
        with pytest.raises(UnreadableSetting, match="A number"):
            setting.get(session)
        row = session.get(SettingRow, "test.number")
        assert row is not None and row.value == value


def test_text_becomes_a_value_of_the_right_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REGISTRY", {})
    assert Setting("a", 5, "A").parse(" 7 ") == 7
    assert Setting("b", False, "B").parse("on") is True
    assert Setting("c", "x", "C", choices=(("x", "X"),)).problem("y") is not None
    with pytest.raises(Invalid):
        Setting("d", 5, "D").parse("seven")
    with pytest.raises(ValueError, match="two settings"):
        Setting("a", 1, "again")


# --- events


def test_an_event_exists_exactly_when_its_cause_does(db: Database) -> None:
    with pytest.raises(IntegrityError), db.writing() as session:
        events.record(session, "drive.handed_over", "{drive} became HOT.", drive="Blue")
        session.execute(text("insert into job_log (job_id, at, message) values (99, '2027-01-01', '{}')"))
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == 0


# --- identity


def test_the_claim_code_is_known_once_and_read_kindly(places: Places) -> None:
    code = identity.create(places)
    assert code is not None and identity.create(places) is None
    who = identity.load(places)
    assert who.matches(code) and who.matches(f" {code.lower().replace('-', ' ')} ")
    assert not who.matches("") and not who.matches(code[:-1]) and not who.matches(code + "A")
    assert code not in places.identity.read_text() and code.replace("-", "") not in places.identity.read_text()
    assert places.identity.stat().st_mode & 0o777 == 0o600


def test_codes_and_stations_differ(tmp_path: Path) -> None:
    codes = set()
    stations = set()
    for number in range(20):
        here = Places(tmp_path / str(number), tmp_path / "run")
        here.data.mkdir()
        codes.add(identity.create(here))
        stations.add(identity.load(here).station_id)
    assert len(codes) == len(stations) == 20
    assert all(len(code or "") == 23 and set((code or "").replace("-", "")) <= set(identity.LETTERS) for code in codes)


def test_the_secret_key_stays_and_is_private(places: Places) -> None:
    key = identity.secret_key(places)
    assert len(key) == 32 and identity.secret_key(places) == key
    assert places.secret_key.stat().st_mode & 0o777 == 0o600


# --- durable


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new", mode=0o644)
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == 0o644

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"newer")
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_flushing_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    flush_filesystem(tmp_path)
    with pytest.raises(FileNotFoundError):
        flush_filesystem(tmp_path / "none")


def test_severities_are_in_order_of_danger() -> None:
    assert list(Severity) == [Severity.DANGER, Severity.WARNING, Severity.NOTICE]
    assert now().tzinfo is UTC
