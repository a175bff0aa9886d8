"""The library by the API: pages, months, one item with its copies, its bytes."""

import io
from pathlib import Path

import pytest
from PIL import Image

from appliance.backup.models import ColdFile
from appliance.db import Database, now
from appliance.drives.layout import INCOMING
from appliance.drives.models import DriveRole
from appliance.drives.mounts import Mount
from appliance.library import previews
from appliance.library.arrivals import Arrival, Stored
from appliance.library.ingest import Ingest
from appliance.library.models import Media, PreviewState, StoredFile
from appliance.people import service
from appliance.people.audit import By
from appliance.people.models import User
from appliance.people.service import Fate
from appliance.places import Places
from tests.callers import Caller
from tests.hot_drive import hand_over


def picture(number: int) -> bytes:
    """A photo of a day of July 2023."""
    exif = Image.Exif()
    exif[0x0132] = f"2023:07:{number + 1:02} 10:00:00"
    out = io.BytesIO()
    Image.new("RGB", (16, 12), (40 * number, 7, 99)).save(out, "jpeg", exif=exif)
    return out.getvalue()


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    return hand_over(db, places, tmp_path / "hot")


@pytest.fixture
def stored(db: Database, places: Places, hot: Mount, member: Caller) -> list[Stored]:
    door, made = Ingest(db, places), []
    for number in range(5):
        (hot.path / INCOMING / "spool").write_bytes(picture(number))
        made.append(door.take(hot, b"spool", Arrival(member.user.id, member.user.folder, f"IMG_{number}.jpg")))
    return made


def test_the_timeline_comes_page_by_page_and_only_ones_own(member: Caller, admin: Caller, stored: list[Stored]) -> None:
    first = member("GET", "/timeline?limit=3").json
    second = member("GET", f"/timeline?limit=3&after={first['after']}").json
    ids = [item["id"] for item in first["items"] + second["items"]]
    assert ids == [one.media_id for one in reversed(stored)] and second["after"] is None
    assert member("GET", "/months").json == [{"month": 202307, "count": 5}]
    assert len(member("GET", "/timeline?month=202307").json["items"]) == 5
    assert member("GET", "/timeline?month=202306").json["items"] == []
    assert set(member("GET", "/timeline?month=7").json["problems"]) == {"month"}
    assert admin("GET", "/timeline").json == {"items": [], "after": None}
    for bad in ("x", "1-", f"0-{2**64}", f"{10**40}-1"):
        assert set(member("GET", f"/timeline?after={bad}").json["problems"]) == {"after"}


def test_an_item_tells_where_its_copies_are_and_when_they_were_proven(
    db: Database, places: Places, member: Caller, admin: Caller, stored: list[Stored], tmp_path: Path
) -> None:
    cold = hand_over(db, places, tmp_path / "cold", role=DriveRole.COLD)
    with db.writing() as session:
        file = session.get_one(StoredFile, stored[0].file_id)
        facts = {"size": file.size, "modified_ns": file.modified_ns, "digest": stored[0].digest, "proven": now()}
        session.add(ColdFile(cold_drive_id=cold.drive_id, folder_id=file.folder_id, name=file.name, **facts))
    shown = member("GET", f"/media/{stored[0].media_id}").json
    assert [copy["tag"] for copy in shown["copies"]] == ["HOT-1", "COLD-1"] and shown["copies"][1]["proven"]
    assert (shown["name"], shown["digest"]) == ("IMG_0.jpg", stored[0].digest.hex())
    assert admin("GET", f"/media/{stored[0].media_id}").status_code == 404
    safe = admin("GET", "/safety").json
    assert (safe["total"], safe["safe"], safe["on_one_drive_only"]) == (5, 1, 4)


def test_the_bytes_come_back_also_in_part(
    db: Database, hot: Mount, member: Caller, admin: Caller, stored: list[Stored]
) -> None:
    path = f"/media/{stored[1].media_id}"
    whole = member("GET", f"{path}/original")
    assert whole.data == picture(1) and whole.headers["Content-Disposition"] == "attachment; filename=IMG_1.jpg"
    whole.close()
    headers = {"Authorization": f"Bearer {member.token}", "Range": "bytes=0-1"}
    part = member.client.get(f"/api/v1{path}/original", headers=headers)
    assert (part.status_code, part.data) == (206, b"\xff\xd8")
    part.close()
    assert admin("GET", f"{path}/original").status_code == 404
    assert member("GET", f"{path}/preview/320").status_code == 404
    with db.writing() as session:
        session.get_one(Media, stored[1].media_id).preview = PreviewState.READY
    place = hot.path / previews.path_of(stored[1].digest, 320).decode()
    place.parent.mkdir(parents=True)
    place.write_bytes(b"RIFF")
    small = member("GET", f"{path}/preview/320")
    assert (small.data, small.content_type) == (b"RIFF", "image/webp")
    small.close()
    assert member("GET", f"{path}/preview/321").status_code == 404


def test_an_original_on_a_drive_that_is_away_is_an_error_not_an_empty_file(
    places: Places, member: Caller, stored: list[Stored]
) -> None:
    (places.mounts / "HOT-1.json").unlink()
    answer = member("GET", f"/media/{stored[1].media_id}/original")
    assert (answer.status_code, answer.json["error"]) == (503, "drive_missing")


def test_an_admin_sees_the_photos_of_the_archived_and_of_nobody_else(
    db: Database, admin: Caller, member: Caller, stored: list[Stored]
) -> None:
    path = f"/timeline?person={member.user.id}"
    assert admin("GET", path).json["error"] == "not_yours"
    assert member("GET", f"/timeline?person={admin.user.id}").status_code == 403
    assert member("GET", path).status_code == 200
    with db.writing() as session:
        service.remove(session, By(), session.get_one(User, member.user.id), Fate.ARCHIVE)
    assert len(admin("GET", path).json["items"]) == 5
    assert admin("GET", f"/media/{stored[0].media_id}?person={member.user.id}").status_code == 200
    assert admin("GET", "/months?person=999").status_code == 403
