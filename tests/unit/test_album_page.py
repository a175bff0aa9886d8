"""The page that a drive carries: what lies behind it, when it is rewritten, and what a pulled plug leaves."""

import json
import os
import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from blake3 import blake3
from sqlalchemy import update

from appliance.album_page import build, hashes, months, pictures, texts
from appliance.album_page.build import Built
from appliance.backup.models import ColdFile, ColdFolder
from appliance.db import Database, now
from appliance.drives import layout
from appliance.drives.models import DriveRole
from appliance.drives.mounts import DriveGone, Mount
from appliance.jobs.progress import Progress, Stopped
from appliance.library.albums.models import Album
from appliance.library.models import Folder, Media, StoredFile
from appliance.library.previews import path_of
from appliance.library.scan import listing_of
from appliance.people.models import User
from appliance.places import Places
from tests.album_bed import Photos
from tests.backup_bed import Bed

pytestmark = pytest.mark.usefixtures("quick_passwords")


@pytest.fixture
def bed(db: Database, places: Places, tmp_path: Path) -> Bed:
    return Bed(db, places, tmp_path / "hot", tmp_path / "cold")


@pytest.fixture
def photos(bed: Bed) -> Photos:
    return Photos(bed.db, bed.hot)


@pytest.fixture
def anna(photos: Photos) -> User:
    return photos.person("Anna")


def copy(bed: Bed) -> None:
    """Rows as a copy leaves them."""
    with bed.db.writing() as session:
        for folder in session.query(Folder):
            session.merge(ColdFolder(cold_drive_id=bed.cold.drive_id, folder_id=folder.id, fingerprint=b"x"))
        held = {(row.folder_id, row.name) for row in session.query(ColdFile)}
        for file in session.query(StoredFile):
            if (file.folder_id, file.name) not in held:
                place = {"cold_drive_id": bed.cold.drive_id, "folder_id": file.folder_id, "name": file.name}
                facts = {"size": file.size, "modified_ns": file.modified_ns, "digest": file.digest, "proven": now()}
                session.add(ColdFile(**place, **facts))


def make(bed: Bed, role: DriveRole, flush: Callable[[], None] = lambda: None) -> Built:
    drive = bed.hot if role is DriveRole.HOT else bed.cold
    return build.build(bed.progress(), drive, role, hots=bed.hots if role is DriveRole.COLD else (), flush=flush)


def script(drive: Mount, name: str) -> Any:
    """What a script of the page hands over."""
    text = (drive.path / layout.ALBUM / name).read_text("ascii")
    found = re.fullmatch(r'everpx\.\w+\((?:"[^"]+",)?(.*)\);\n', text, re.DOTALL)
    assert found, text[:80]
    return json.loads(found[1])


def there(drive: Mount) -> dict[str, int]:
    """Every file behind the page, with when it was written."""
    top = drive.path / layout.ALBUM
    return {str(path.relative_to(top)): path.stat().st_mtime_ns for path in top.rglob("*") if path.is_file()}


def test_what_is_said_of_a_photo_is_on_the_page(bed: Bed, photos: Photos, anna: User) -> None:
    said = {
        "title": "海边 <b>",
        "description": "Two\nlines",
        "favourite": True,
        "rating": 4,
        "camera": "X",
        "shared": True,
    }
    photos.add(anna, "a.jpg", tags=("beach", "Ünï, 'q'"), **said)
    photos.add(anna, "b.jpg", has_preview=False)
    make(bed, DriveRole.HOT)
    (person,) = script(bed.hot, "index.js")["people"]
    (month,) = person["months"]
    assert (person["name"], month["month"], month["count"], month["shared"], month["packs"]) == (
        "Anna",
        202611,
        2,
        1,
        [],
    )
    data = script(bed.hot, month["file"])
    assert data["folders"] == ["Anna/Photos/2026/2026-11"]
    first, second = data["items"]
    assert first[-1] == {"t": "海边 <b>", "d": "Two\nlines", "g": ["beach", "Ünï, 'q'"], "c": "X", "r": 4, "f": 1}
    assert first[3:5] + first[6:9] == [0, "a.jpg", 1200, 900, 1]
    preview = bed.hot.path / os.fsdecode(path_of(bytes.fromhex(first[9]), 320))
    assert preview.is_file()
    assert (second[4], second[9], len(second)) == ("b.jpg", 0, 10)


@pytest.mark.parametrize(
    "name",
    [b"a b#?%41.jpg", "爸爸 ’é.jpg".encode(), b"not utf8 \xff\xfe.jpg", b"new\nline\\.jpg", b"<img src=x>\"'.jpg"],
)
def test_a_path_is_found_whatever_its_name(bed: Bed, photos: Photos, anna: User, name: bytes) -> None:
    media = photos.add(anna, name)
    make(bed, DriveRole.HOT)
    data = script(bed.hot, script(bed.hot, "index.js")["people"][0]["months"][0]["file"])
    (line,) = data["items"]
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", line[4])
    path = os.fsencode(bed.hot.path) + b"/" + unquote_to_bytes(data["folders"][line[3]] + "/" + line[4])
    assert blake3(Path(os.fsdecode(path)).read_bytes()).digest() == digest_of(bed.db, media)


def digest_of(db: Database, media: Media) -> bytes:
    with db.reading() as session:
        digest = session.get_one(StoredFile, media.file_id).digest
    assert digest
    return digest


def test_on_cold_the_pictures_are_packed_and_the_paths_are_its_own(bed: Bed, photos: Photos, anna: User) -> None:
    every = [photos.add(anna, f"{number:03}.jpg", content=b"%d" % number) for number in range(pictures.PACK + 2)]
    photos.add(anna, "never copied.jpg", content=b"x")
    copy(bed)
    with bed.db.writing() as session:
        session.query(ColdFile).filter(ColdFile.name == b"never copied.jpg").delete()
        session.execute(update(ColdFile).where(ColdFile.name == b"000.jpg").values(stored_as=b"%FF~0.jpg"))
    assert make(bed, DriveRole.COLD).packs == 2
    (month,) = script(bed.cold, "index.js")["people"][0]["months"]
    data = script(bed.cold, month["file"])
    assert data["folders"] == ["HOT-1/Anna/Photos/2026/2026-11"]
    assert [line[4] for line in data["items"][:2]] == ["%25FF~0.jpg", "001.jpg"]
    assert [line[0] for line in data["items"]] == [media.id for media in every]
    first, second = (script(bed.cold, pack) for pack in month["packs"])
    assert (len(first), len(second)) == (pictures.PACK, 2)
    for media, content in zip(every, first + second, strict=True):
        preview = bed.hot.path / os.fsdecode(path_of(digest_of(bed.db, media), 320))
        assert b64decode(content) == preview.read_bytes()


def test_nothing_new_writes_nothing_and_a_new_photo_only_what_it_changes(bed: Bed, photos: Photos, anna: User) -> None:
    for number in range(pictures.PACK + 1):
        photos.add(anna, f"{number}.jpg", content=b"%d" % number)
    photos.add(anna, "old.jpg", month=201905)
    copy(bed)
    make(bed, DriveRole.COLD)
    before = there(bed.cold)
    assert not make(bed, DriveRole.COLD).is_new
    assert there(bed.cold) == before
    photos.add(anna, "new.jpg")
    copy(bed)
    assert make(bed, DriveRole.COLD).packs == 1
    after = there(bed.cold)
    kept = [name for name in before if name in after and name != "index.js"]
    assert all(before[name] == after[name] for name in kept)
    gone, come = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    assert [re.sub("-.*", "", name) for name in gone] == ["2026/photos", "2026/pictures"]
    assert [re.sub("-.*", "", name) for name in come] == ["2026/photos", "2026/pictures"]


def test_a_plug_pulled_before_the_index_leaves_the_page_as_it_was(bed: Bed, photos: Photos, anna: User) -> None:
    photos.add(anna, "1.jpg")
    make(bed, DriveRole.HOT)
    before = script(bed.hot, "index.js")
    photos.add(anna, "2.jpg")

    def pulled() -> None:
        raise OSError(5, "pulled")

    with pytest.raises(DriveGone):
        make(bed, DriveRole.HOT, flush=pulled)
    assert script(bed.hot, "index.js") == before
    assert all((bed.hot.path / layout.ALBUM / month["file"]).is_file() for month in before["people"][0]["months"])
    torn = [name for name in there(bed.hot) if name not in str(before) and name != "index.js"]
    (bed.hot.path / layout.ALBUM / torn[0]).write_bytes(b"half of")  # what was not flushed may be anything
    make(bed, DriveRole.HOT)
    (month,) = script(bed.hot, "index.js")["people"][0]["months"]
    assert month["file"] == torn[0]
    assert len(script(bed.hot, month["file"])["items"]) == 2


def test_stopped_in_the_middle_it_keeps_what_it_made(
    bed: Bed, photos: Photos, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for month in (202609, 202610, 202611):
        photos.add(anna, "1.jpg", month=month)
    copy(bed)
    calls = []

    def step(self: Progress, *_: Any, **__: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Stopped

    with monkeypatch.context() as patched, pytest.raises(Stopped):
        patched.setattr(Progress, "step", step)
        make(bed, DriveRole.COLD)
    packs = [bool(month["packs"][0]) for month in script(bed.cold, "index.js")["people"][0]["months"]]
    assert packs == [True, True, False]
    assert make(bed, DriveRole.COLD).packs == 1


def test_in_rounds_it_comes_to_the_same(bed: Bed, photos: Photos, anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for month in range(202601, 202606):
        photos.add(anna, "1.jpg", month=month)
    copy(bed)
    monkeypatch.setattr(build, "ROUND", 2)
    assert make(bed, DriveRole.COLD).packs == 5
    assert all(month["packs"][0] for month in script(bed.cold, "index.js")["people"][0]["months"])


def test_a_picture_that_was_missing_comes_later(bed: Bed, photos: Photos, anna: User) -> None:
    media = photos.add(anna, "1.jpg")
    photos.add(anna, "2.jpg")
    copy(bed)
    preview = bed.hot.path / os.fsdecode(path_of(digest_of(bed.db, media), 320))
    content = preview.read_bytes()
    preview.unlink()
    make(bed, DriveRole.COLD)
    (month,) = script(bed.cold, "index.js")["people"][0]["months"]
    assert script(bed.cold, month["packs"][0])[0] == 0
    preview.write_bytes(content)
    make(bed, DriveRole.COLD)
    (month,) = script(bed.cold, "index.js")["people"][0]["months"]
    assert b64decode(script(bed.cold, month["packs"][0])[0]) == content


def test_what_somebody_deleted_or_spoiled_is_written_again(bed: Bed, photos: Photos, anna: User) -> None:
    photos.add(anna, "1.jpg")
    make(bed, DriveRole.HOT)
    before = {name: (bed.hot.path / layout.ALBUM / name).read_bytes() for name in there(bed.hot)}
    for spoil in ("2026", "index.js"):
        path = bed.hot.path / layout.ALBUM / spoil
        if path.is_dir():
            for file in path.iterdir():
                file.unlink()
        else:
            path.write_bytes(b"everpx.index({broken")
        make(bed, DriveRole.HOT)
        assert {name: (bed.hot.path / layout.ALBUM / name).read_bytes() for name in there(bed.hot)} == before


def test_an_album_is_shown_to_whom_it_is_shared_with_and_with_what_they_may_see(
    bed: Bed, photos: Photos, anna: User
) -> None:
    ben, cara = photos.person("Ben"), photos.person("Cara")
    one, two, bens = photos.add(anna, "1.jpg"), photos.add(anna, "2.jpg"), photos.add(ben, "ben's own.jpg")
    photos.add(cara, "3.jpg")
    photos.album(anna, "Holidays", [one, two, bens], members=(ben,))
    photos.album(ben, "Nothing to see", [one])
    make(bed, DriveRole.HOT)
    people = {person["name"]: person for person in script(bed.hot, "index.js")["people"]}
    assert [album["title"] for album in people["Anna"]["albums"]] == ["Holidays"]
    assert script(bed.hot, people["Anna"]["albums"][0]["file"]) == [
        [anna.id, 202611, one.id],
        [anna.id, 202611, two.id],
    ]
    seen = {album["title"]: script(bed.hot, album["file"]) for album in people["Ben"]["albums"]}
    assert [item[2] for item in seen["Holidays"]] == [one.id, two.id, bens.id]
    assert people["Cara"]["albums"] == []


def test_a_smart_album_is_what_its_owner_s_search_finds_now(bed: Bed, photos: Photos, anna: User) -> None:
    ben = photos.person("Ben")
    beach = photos.add(anna, "1.jpg", title="At the beach", shared=True)
    hidden = photos.add(anna, "2.jpg", title="Beach, too")
    photos.add(anna, "3.jpg")
    album = photos.album(anna, "Beaches", [], members=(ben,))
    with bed.db.writing() as session:
        session.get_one(Album, album.id).filter = {"words": "beach"}
    make(bed, DriveRole.HOT)
    people = {person["name"]: person for person in script(bed.hot, "index.js")["people"]}
    seen = {name: script(bed.hot, one["albums"][0]["file"]) for name, one in people.items()}
    assert [item[2] for item in seen["Anna"]] == [beach.id, hidden.id]
    assert [item[2] for item in seen["Ben"]] == [beach.id]


def test_what_belongs_to_a_photo_is_shown_with_it(bed: Bed, photos: Photos, anna: User) -> None:
    top = photos.add(anna, "IMG_1.heic", place="Lisbon", country="Portugal", shared=True)
    photos.add(anna, "IMG_1.mov", stack_id=top.id, shared=True)
    alone = photos.add(anna, "IMG_2.mov", month=202610, stack_id=top.id)  # the one that it belongs to is elsewhere
    copy(bed)
    make(bed, DriveRole.COLD)
    (october, november) = script(bed.cold, "index.js")["people"][0]["months"]
    assert (october["count"], november["count"], november["shared"]) == (1, 1, 1)
    data = script(bed.cold, november["file"])
    assert data["also"] == [[top.id, 0, "IMG_1.mov"]]
    assert [line[0] for line in data["items"]] == [top.id] and data["items"][0][-1] == {"p": "Lisbon, Portugal"}
    assert [line[0] for line in script(bed.cold, october["file"])["items"]] == [alone.id]
    assert len(script(bed.cold, november["packs"][0])) == 1


def test_the_day_is_the_family_s(bed: Bed, photos: Photos, anna: User) -> None:
    from zoneinfo import ZoneInfo

    media = photos.add(anna, "1.jpg")
    with bed.db.engine.connect() as connection, connection.begin():
        ((_, _, (photo,)),) = (
            (*key, list(items)) for *key, items in build.rows.months(connection, bed.hot.drive_id, DriveRole.HOT)
        )
    line = months.item(photo, 0, "1.jpg", DriveRole.HOT, ZoneInfo("Asia/Shanghai"))
    assert line[2] == int(media.taken.timestamp()) + 8 * 3600


def test_the_sheet_and_the_page_are_nobody_s_files(bed: Bed) -> None:
    texts.leave(bed.hot, DriveRole.HOT)
    assert {layout.PAGE, layout.READ_ME} <= {path.name for path in bed.hot.path.iterdir()}
    assert list(listing_of(bed.hot.path, b"").files) == []
    sheet = (bed.hot.path / layout.READ_ME).read_bytes()
    assert sheet.startswith(b"\xef\xbb\xbfThis drive belongs") and b"HOT-1" in sheet and "家庭站".encode() in sheet
    assert b"{{" not in sheet and sheet.count(b"\n") == sheet.count(b"\r\n")
    before = {path.name: path.stat().st_mtime_ns for path in bed.hot.path.iterdir()}
    texts.leave(bed.hot, DriveRole.HOT)
    assert {path.name: path.stat().st_mtime_ns for path in bed.hot.path.iterdir()} == before


@pytest.mark.parametrize("role", [DriveRole.HOT, DriveRole.COLD])
def test_somebody_s_own_file_of_that_name_steps_aside(bed: Bed, role: DriveRole) -> None:
    drive = bed.hot if role is DriveRole.HOT else bed.cold
    (drive.path / layout.READ_ME).write_bytes(b"the manual of my camera")
    (drive.path / "READ ME FIRST (2).txt").write_bytes(b"another")
    (drive.path / layout.PAGE).mkdir()
    texts.leave(drive, role)
    texts.leave(drive, role)
    assert (drive.path / "READ ME FIRST (3).txt").read_bytes() == b"the manual of my camera"
    assert (drive.path / "READ ME FIRST (2).txt").read_bytes() == b"another"
    assert (drive.path / "Browse our photos (2).html").is_dir()
    assert (drive.path / layout.PAGE).read_bytes() == texts.page()


def test_both_languages_have_every_word_and_no_word_is_idle() -> None:
    scripts = {name: (texts.HERE / name).read_text("utf-8") for name in texts.SCRIPTS}
    sentences, _, rest = scripts.pop("words.js").partition("\n};\n")
    english, chinese = (dict(re.findall(r'[{,\n] *(\w+): "([^"]*)"', part)) for part in sentences.split("zh: {"))
    assert english.keys() == chinese.keys() and len(english) > 40
    fields = [
        {word: sorted(re.findall(r"{\w+}", text)) for word, text in words.items()} for words in (english, chinese)
    ]
    assert fields[0] == fields[1]
    used = "".join(scripts.values()) + rest + (texts.HERE / "page.html").read_text("utf-8")
    idle = [word for word in english if not re.search(rf"\W{word.removesuffix('One')}\W", used)]
    assert idle == []


def test_the_page_makes_no_markup_of_words() -> None:
    page = texts.page().decode()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http:", "https:"):
        assert way not in page, way
    assert page.count("</script>") == 1


def test_the_list_of_a_hot_drive_names_what_is_as_it_was_read(bed: Bed, photos: Photos, anna: User) -> None:
    good, changed, gone, odd, damaged = (
        photos.add(anna, name) for name in ("good.jpg", "changed.jpg", "gone.jpg", b"\xff.jpg", "damaged.jpg")
    )
    folder = bed.hot.path / "Anna/Photos/2026/2026-11"
    (folder / "changed.jpg").write_bytes(b"by somebody's computer")
    (folder / "gone.jpg").unlink()
    with bed.db.writing() as session:
        session.execute(update(StoredFile).where(StoredFile.id == damaged.file_id).values(damaged=True))
    assert hashes.write(bed.db, bed.hot) == 1
    text = (bed.hot.path / layout.MANIFEST).read_bytes()
    assert text == digest_of(bed.db, good).hex().encode() + b"  Anna/Photos/2026/2026-11/good.jpg\n"
    assert {changed.id, gone.id, odd.id}.isdisjoint({good.id})
