"""Uploads over HTTP: resumable, checked, private, and acknowledged only when stored."""

import base64
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from appliance.db import Database
from appliance.drives.layout import INCOMING
from appliance.drives.mounts import Mount
from appliance.library import uploads
from appliance.library.models import Media, Upload
from appliance.places import Places
from tests.callers import Caller
from tests.hot_drive import hand_over
from tests.unit.test_library_ingest import files, photo, waiting

PIECE = "application/offset+octet-stream"


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    """An empty HOT drive."""
    return hand_over(db, places, tmp_path / "hot")


def send(who: Caller, method: str, path: str, data: bytes = b"", **headers: str) -> TestResponse:
    """A request with raw headers (``_`` stands for ``-``)."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"Authorization": f"Bearer {who.token}", "Tus-Resumable": "1.0.0"} | given
    return who.client.open(path, method=method, data=data, headers=given)


def begin(who: Caller, size: int, data: bytes = b"", **said: str) -> TestResponse:
    """POST a new upload with metadata."""
    said = {"filename": "IMG_1.jpg"} | said
    metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in said.items())
    more = {"Content_Type": PIECE} if data else {}
    return send(who, "POST", "/api/v1/uploads", data, Upload_Length=str(size), Upload_Metadata=metadata, **more)


def piece(who: Caller, place: str, offset: int, data: bytes, **more: str) -> TestResponse:
    """PATCH the next piece."""
    return send(who, "PATCH", place, data, Upload_Offset=str(offset), Content_Type=PIECE, **more)


def offset_of(who: Caller, place: str) -> int:
    """What HEAD says."""
    answer = send(who, "HEAD", place)
    assert answer.status_code == 200, answer.status
    return int(answer.headers["Upload-Offset"])


def test_a_file_arrives_in_pieces_and_survives_a_new_console(
    app: Flask, admin: Caller, hot: Mount, places: Places, db: Database
) -> None:
    content = photo() + os.urandom(5000)
    answer = begin(admin, len(content), modified="1620284889000")
    assert answer.status_code == 201 and answer.headers["Tus-Resumable"] == "1.0.0"
    place = answer.headers["Location"]
    assert piece(admin, place, 0, content[:2000]).headers["Upload-Offset"] == "2000"
    from console.app import create_app

    admin.client = create_app(places).test_client(use_cookies=False)  # the station was restarted
    assert offset_of(admin, place) == 2000
    assert piece(admin, place, 1000, content[1000:]).status_code == 409
    assert piece(admin, place, 2000, content[2000:]).status_code == 204
    assert files(hot) == ["Anna/Photos/2023/2023-07/IMG_1.jpg"] and waiting(hot) == []
    assert (hot.path / files(hot)[0]).read_bytes() == content
    assert offset_of(admin, place) == len(content)  # the client missed the answer
    assert piece(admin, place, 2000, content[2000:]).headers["Upload-Offset"] == str(len(content))


def test_a_complete_part_is_taken_before_anybody_is_told_that_all_has_arrived(
    admin: Caller, hot: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = photo()
    place = begin(admin, len(content)).headers["Location"]
    part = hot.path / INCOMING / (place.rpartition("/")[2] + ".part")
    part.write_bytes(content)  # the console was killed between the last byte and the answer
    assert offset_of(admin, place) == len(content)
    assert len(files(hot)) == 1 and waiting(hot) == []


def test_a_file_that_cannot_be_taken_is_not_acknowledged(
    app: Flask, admin: Caller, hot: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = photo()
    place = begin(admin, len(content)).headers["Location"]
    app.testing = app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr("appliance.library.catalogue.record", lambda *a, **k: 1 / 0)
    assert piece(admin, place, 0, content).status_code == 500
    monkeypatch.undo()
    assert send(admin, "HEAD", place).status_code in (200, 404)
    assert begin(admin, len(content), content).status_code == 201
    assert files(hot) == ["Anna/Photos/2023/2023-07/IMG_1.jpg"]


def test_the_first_piece_may_come_with_the_announcement(admin: Caller, hot: Mount) -> None:
    content = photo()
    answer = begin(admin, len(content), content)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(len(content)))
    assert files(hot) == ["Anna/Photos/2023/2023-07/IMG_1.jpg"]
    assert begin(admin, 0, filename="empty.txt").status_code == 201
    assert "Anna/Files/empty.txt" in files(hot)


@pytest.mark.parametrize("algorithm", ["sha1", "blake3"])
def test_a_damaged_piece_is_thrown_away(admin: Caller, hot: Mount, algorithm: str) -> None:
    content = photo()
    place = begin(admin, len(content)).headers["Location"]
    new: Callable[[bytes], Any] = hashlib.sha1 if algorithm == "sha1" else blake3
    wrong = algorithm + " " + base64.b64encode(new(b"other").digest()).decode()
    assert piece(admin, place, 0, content, Upload_Checksum=wrong).status_code == 460
    assert offset_of(admin, place) == 0
    right = algorithm + " " + base64.b64encode(new(content).digest()).decode()
    assert piece(admin, place, 0, content, Upload_Checksum=right).status_code == 204
    assert len(files(hot)) == 1


def test_what_is_not_what_was_announced_is_refused_by_name(admin: Caller, hot: Mount) -> None:
    content = photo()
    answer = begin(admin, len(content), digest=blake3(b"other").hexdigest())
    place = answer.headers["Location"]
    answer = piece(admin, place, 0, content)
    assert answer.status_code == 422 and "IMG_1.jpg" in answer.json["message"]
    assert files(hot) == [] and waiting(hot) == []
    assert send(admin, "HEAD", place).status_code == 404


def test_an_upload_is_its_owners_alone(admin: Caller, member: Caller, hot: Mount) -> None:
    place = begin(admin, 100).headers["Location"]
    assert send(member, "HEAD", place).status_code == 404
    assert piece(member, place, 0, b"x" * 100).status_code == 404
    assert send(member, "DELETE", place).status_code == 404
    assert send(admin, "DELETE", place).status_code == 204
    assert send(admin, "HEAD", place).status_code == 404 and waiting(hot) == []


@pytest.mark.parametrize(
    ("headers", "status", "field"),
    [
        ({"Upload_Length": "-1"}, 422, "Upload-Length"),
        ({"Upload_Length": "١٢"}, 422, "Upload-Length"),
        ({"Upload_Length": "9" * 18}, 422, "Upload-Length"),
        ({"Upload_Length": "5", "Upload_Metadata": "filename %%%"}, 422, "Upload-Metadata"),
        ({"Upload_Length": "5", "Upload_Metadata": "digest YWJj"}, 422, "digest"),
        ({"Upload_Length": "5", "Upload_Metadata": "modified YWJj"}, 422, "modified"),
        ({"Upload_Length": "5", "Tus_Resumable": "0.2.2"}, 412, None),
        ({"Upload_Length": str(10**17)}, 422, "Upload-Length"),
        ({"Upload_Length": str(10**13)}, 507, None),
    ],
)
def test_bad_announcements_are_told_what_is_wrong(
    admin: Caller, hot: Mount, headers: dict[str, str], status: int, field: str | None
) -> None:
    answer = send(admin, "POST", "/api/v1/uploads", **headers)
    assert answer.status_code == status, answer.json
    assert field is None or field in answer.json["problems"]
    assert waiting(hot) == []


def test_more_than_announced_is_never_written(admin: Caller, hot: Mount) -> None:
    place = begin(admin, 4, filename="a.txt").headers["Location"]
    piece(admin, place, 0, b"four and more")
    assert (hot.path / "Anna/Files/a.txt").read_bytes() == b"four"


def test_a_body_from_nginx_is_renamed_and_nobody_elses_can_be_named(
    app: Flask, admin: Caller, hot: Mount, tmp_path: Path
) -> None:
    content = photo() + os.urandom(3000)
    spool = hot.path / INCOMING
    place = begin(admin, len(content)).headers["Location"]
    (spool / "0000000001").write_bytes(content[:1000])
    piece(admin, place, 0, b"", X_Everpx_Body_File=str(spool / "0000000001"))
    assert offset_of(admin, place) == 0  # without nginx in front nobody is believed
    app.config["BEHIND_NGINX"] = True
    (tmp_path / "0000000002").write_bytes(b"secret")
    (spool / "0000000003").symlink_to(tmp_path / "0000000002")
    foreign = ["/etc/passwd", f"{spool}/../incoming/0000000001", str(tmp_path / "0000000002"), f"{spool}/0000000003"]
    foreign.append(str(spool / (place.rpartition("/")[2] + ".part")))
    for path in foreign:
        piece(admin, place, 0, b"", X_Everpx_Body_File=path)
        assert offset_of(admin, place) == 0, path
    inode = (spool / "0000000001").stat().st_ino
    answer = piece(admin, place, 0, b"", X_Everpx_Body_File=str(spool / "0000000001"))
    assert answer.headers["Upload-Offset"] == "1000"
    (spool / "0000000004").write_bytes(content[1000:])
    assert piece(admin, place, 1000, b"", X_Everpx_Body_File=str(spool / "0000000004")).status_code == 204
    stored = hot.path / files(hot)[0]
    assert stored.read_bytes() == content and stored.stat().st_ino == inode  # renamed, not copied
    assert waiting(hot) == ["0000000003"]


def test_one_request_stores_one_file(admin: Caller, hot: Mount) -> None:
    answer = send(admin, "PUT", "/api/v1/files/IMG_1.jpg?modified=2021-05-06T07:08:09Z", photo())
    assert answer.status_code == 201
    assert answer.json["path"] == "Anna/Photos/2023/2023-07/IMG_1.jpg"
    assert answer.json["digest"] == blake3(photo()).hexdigest() and answer.json["copies"] == 1
    again = send(admin, "PUT", "/api/v1/files/again.jpg", photo())
    assert (again.status_code, again.json["id"], again.json["known"]) == (200, answer.json["id"], True)
    wrong = send(admin, "PUT", f"/api/v1/files/b.jpg?digest={'0' * 64}", b"other")
    assert wrong.status_code == 422 and waiting(hot) == [] and len(files(hot)) == 1


def test_known_files_need_not_be_sent(admin: Caller, member: Caller, hot: Mount) -> None:
    send(admin, "PUT", "/api/v1/files/IMG_1.jpg", photo())
    mine, other = blake3(photo()).hexdigest(), "0" * 64
    assert admin("POST", "/known", {"digests": [mine, other]}).json == {"known": [mine], "deleted": []}
    assert member("POST", "/known", {"digests": [mine]}).json == {"known": [], "deleted": []}
    assert admin("POST", "/known", {"digests": [other] * 1001}).status_code == 422
    assert admin("POST", "/known", {"digests": ["xyz"]}).status_code == 422
    (hot.path / files(hot)[0]).unlink()
    assert admin("POST", "/known", {"digests": [mine]}).json == {"known": [], "deleted": []}


def test_nginx_is_told_whether_an_upload_may_come(app: Flask, admin: Caller, hot: Mount) -> None:
    assert send(admin, "GET", "/internal/upload-allowed").status_code == 204
    stranger = app.test_client().get("/internal/upload-allowed")
    assert stranger.status_code == 401 and "sign in" in stranger.headers["X-Everpx-Refusal"]
    full = send(admin, "GET", "/internal/upload-allowed", X_Everpx_Length=str(10**16))
    assert full.status_code == 507 and "needed" in full.headers["X-Everpx-Refusal"]
    hot.path.rename(hot.path.with_name("unplugged"))
    gone = send(admin, "GET", "/internal/upload-allowed")
    assert gone.status_code == 503 and "unplugged" in gone.headers["X-Everpx-Refusal"]


def test_a_missing_drive_takes_nothing(admin: Caller, hot: Mount) -> None:
    place = begin(admin, 100).headers["Location"]
    hot.path.rename(hot.path.with_name("unplugged"))
    hot.path.mkdir()
    for answer in (begin(admin, 5), piece(admin, place, 0, b"x"), send(admin, "PUT", "/api/v1/files/a", b"x")):
        assert answer.status_code == 503 and answer.json["hint"]
    assert list(hot.path.iterdir()) == []


def test_abandoned_uploads_are_forgotten_and_others_left_alone(
    admin: Caller, hot: Mount, db: Database, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = begin(admin, 100).headers["Location"]
    kept = begin(admin, 100).headers["Location"].rpartition("/")[2]
    spool = hot.path / INCOMING
    (spool / "0000000009").write_bytes(b"left by a crash")
    (spool / "restore-1").write_bytes(b"another room's")
    for entry in spool.iterdir():
        os.utime(entry, (0, 0))  # as a photo of long ago that is about to get its name
    with db.writing() as session:
        session.get_one(Upload, place.rpartition("/")[2]).expires = uploads.now() - uploads.KEEP_FINISHED
    assert uploads.clean(db, places) == 0
    later = time.time() + 25 * 3600
    monkeypatch.setattr("appliance.library.spool.time.time", lambda: later)
    assert uploads.clean(db, places) == 2
    assert waiting(hot) == sorted([kept + ".part", "restore-1"])


def test_the_newest_connection_wins(app: Flask, admin: Caller, hot: Mount, db: Database) -> None:
    content = photo()
    place = begin(admin, len(content)).headers["Location"]
    here: uploads.Uploads = app.extensions["everpx.uploads"]
    upload, mount = here.find(admin.user, *place.split("/")[-2:])
    assert mount is not None

    def hanging(count: int) -> bytes:
        """A laptop that was closed, and another that goes on; then the first one's bytes come after all."""
        assert piece(admin, place, 0, content).status_code == 204
        return b"late"

    with pytest.raises(uploads.TakenOver):
        here.append(admin.user, upload, mount, 0, hanging, None)
    assert (hot.path / files(hot)[0]).read_bytes() == content
    with db.reading() as session:
        assert len(session.scalars(select(Media)).all()) == 1
