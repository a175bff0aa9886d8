"""What people say of photos: kept in rows, written beside the photos, and found again without the database."""

import os
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select, update

from appliance.backup import policy
from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.errors import Invalid, NotFound
from appliance.jobs.models import Job
from appliance.jobs.progress import Progress
from appliance.library import groupings, index, note_files, notes, sidecars, stacks
from appliance.library.albums.models import Album, AlbumItem
from appliance.library.ingest import Ingest
from appliance.library.models import Folder, Keepsake, Media, StoredFile
from appliance.library.notes import Change, Notes
from appliance.people.models import User
from appliance.places import Places
from appliance.words import Message
from tests.backup_bed import Bed
from tests.hot_drive import hand_over, person
from tests.unit.test_library_ingest import arrival, photo, spooled

FOREIGN = b"""<?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure2012="+0.50"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="3" xmlns:dc="http://purl.org/dc/elements/1.1/">
   <dc:subject><rdf:Bag><rdf:li>Sea</rdf:li><rdf:li>summer</rdf:li></rdf:Bag></dc:subject>
   <dc:title><rdf:Alt><rdf:li xml:lang="de">Meer</rdf:li>
    <rdf:li xml:lang="x-default">The sea</rdf:li></rdf:Alt></dc:title>
   <crs:ToneCurve><rdf:Seq><rdf:li>0, 0</rdf:li><rdf:li>255, 255</rdf:li></rdf:Seq></crs:ToneCurve>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end='w'?>"""
ALL = Change("Tïtle & <co>", "Two\nlines “of it” 👩‍👩‍👧", True, 4, True, ("Sea", "été", "家"), grouping="")


def shot(number: int) -> bytes:
    """A photo of a day of July 2023, each of its own size."""
    return photo(f"2023:07:{number + 1:02} 10:11:12") + b"." * number


class Home:
    """A HOT drive, somebody, and what is done with both."""

    def __init__(self, db: Database, places: Places, top: Path) -> None:
        self.db, self.places = db, places
        self.hot: Mount = hand_over(db, places, top)
        self.anna: User = person(db)
        self.door = Ingest(db, places)

    def progress(self) -> Progress:
        with self.db.writing() as session:
            job = Job(kind="library.index", title=Message("Looking"), lock=os.urandom(4).hex())
            session.add(job)
        return Progress(self.db, lambda verb, request: {}, self.places, job)

    def send(self, number: int, name: str = "") -> int:
        """An upload; its number in the timeline."""
        spool = spooled(self.hot, shot(number))
        media_id = self.door.take(self.hot, spool, arrival(self.anna, name or f"IMG_{number}.jpg")).media_id
        assert media_id is not None
        return media_id

    def say(self, media_id: int, change: Change) -> None:
        with self.db.writing() as session:
            notes.edit(session, self.anna, [media_id], change)

    def write(self) -> None:
        note_files.write_all(self.progress(), [self.hot])

    def look(self) -> None:
        index.run(self.progress())

    def said(self) -> dict[str, Notes]:
        """Path of each photo -> what is said of it."""
        with self.db.reading() as session:
            rows = session.execute(
                select(Media.id, Folder.path, StoredFile.name)
                .join(StoredFile, StoredFile.id == Media.file_id)
                .join(Folder, Folder.id == StoredFile.folder_id)
            ).all()
            every = notes.of(session, [row.id for row in rows])
        return {os.fsdecode(row.path + b"/" + row.name): every[row.id] for row in rows}

    def one(self) -> Notes:
        (only,) = self.said().values()
        return only

    def path(self, media_id: int) -> Path:
        with self.db.reading() as session:
            media = session.get_one(Media, media_id)
            file = session.get_one(StoredFile, media.file_id)
            folder = session.get_one(Folder, file.folder_id)
        return self.hot.path / os.fsdecode(folder.path) / os.fsdecode(file.name)

    def lose_the_rows(self) -> None:
        """Everything that a walk can find again, and what was said besides."""
        with self.db.writing() as session:
            for table in (AlbumItem, Album, StoredFile, Folder, Keepsake):
                session.execute(delete(table))
            session.execute(delete(Keepsake))

    def is_behind(self) -> bool:
        with self.db.reading() as session:
            return notes.is_behind(session)


@pytest.fixture
def home(db: Database, places: Places, tmp_path: Path) -> Home:
    return Home(db, places, tmp_path / "hot")


def beside(path: Path) -> Path:
    return path.with_name(path.name + ".xmp")


EXPECTED = Notes("Tïtle & <co>", "Two\nlines “of it” 👩‍👩‍👧", True, 4, True, ("Sea", "été", "家"))


def test_what_is_said_is_kept_written_beside_the_photo_and_read_back(home: Home) -> None:
    media_id = home.send(1)
    home.say(media_id, ALL)
    assert home.one() == EXPECTED and home.is_behind()
    home.write()
    assert not home.is_behind()
    read = sidecars.read(beside(home.path(media_id)).read_bytes())
    assert read.change == ALL and read.digest is not None
    assert list((home.hot.path / ".everpx/incoming").iterdir()) == []


def test_everything_said_survives_the_database(home: Home) -> None:
    for number in range(4):
        home.say(home.send(number), Change(title=f"Photo {number}", rating=number, tags=(f"tag {number}",)))
    home.send(5)
    home.write()
    before = home.said()
    home.lose_the_rows()
    home.look()
    assert home.said() == before
    home.look()
    assert home.said() == before and not home.is_behind()


def test_without_anything_said_there_is_no_file_and_what_was_taken_back_stays_taken_back(home: Home) -> None:
    media_id = home.send(1)
    home.say(media_id, Change(title=" "))
    home.write()
    assert not beside(home.path(media_id)).exists()
    home.say(media_id, ALL)
    home.write()
    home.say(media_id, Change("", "", False, 0, False, ()))
    home.write()
    home.lose_the_rows()
    home.look()
    assert home.one() == Notes()


def test_an_edit_while_the_file_is_written_is_not_lost(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    media_id = home.send(1)
    home.say(media_id, Change(title="First"))
    put = note_files._put

    def slow(*given: object) -> object:
        home.say(media_id, Change(title="Second"))
        monkeypatch.setattr(note_files, "_put", put)
        return put(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(note_files, "_put", slow)
    home.write()
    assert home.is_behind()
    home.write()
    assert sidecars.read(beside(home.path(media_id)).read_bytes()).change.title == "Second"


def test_another_programs_sidecar_is_read_and_its_own_content_stays(home: Home) -> None:
    media_id = home.send(1)
    beside(home.path(media_id)).write_bytes(FOREIGN)
    home.look()
    assert home.one() == Notes("The sea", "", False, 3, False, ("Sea", "summer")) and not home.is_behind()
    assert beside(home.path(media_id)).read_bytes() == FOREIGN
    home.say(media_id, Change(favourite=True, more=("Île",)))
    home.write()
    text = beside(home.path(media_id)).read_text()
    assert 'crs:Exposure2012="+0.50"' in text and "<rdf:li>255, 255</rdf:li>" in text
    assert 'x:xmptk="Adobe XMP Core"' in text and '<rdf:li xml:lang="de">Meer</rdf:li>' in text
    home.lose_the_rows()
    home.look()
    assert home.one() == Notes("The sea", "", True, 3, False, ("Sea", "summer", "Île"))


def test_another_program_edits_ours(home: Home) -> None:
    media_id = home.send(1)
    home.say(media_id, ALL)
    home.write()
    home.look()
    path = beside(home.path(media_id))
    path.write_bytes(path.read_bytes().replace(b"<xmp:Rating>4<", b"<xmp:Rating>2<"))
    home.look()
    assert home.one().rating == 2 and home.one().title == EXPECTED.title


HOSTILE = {
    "entities": b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    + FOREIGN.partition(b"?>")[2].replace(b"The sea", b"&b;"),
    "a file of the station": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + FOREIGN.partition(b"?>")[2],
    "deep": FOREIGN.replace(b"<dc:subject>", b"<dc:subject>" + b"<crs:a>" * 5000 + b"</crs:a>" * 5000),
    "large": FOREIGN + b" " * (2 << 20) + b"<!-- -->",
    "cut off": FOREIGN[:-200],
    "no XML": b"\x00\x01\x02",
    "a web page": b"<html><body>dc:title</body></html>",
    "a long title": FOREIGN.replace(b"The sea", b"x" * 5000),
    "nothing": b"",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_sidecar_says_nothing_and_takes_nothing_down(home: Home, text: bytes) -> None:
    media_id = home.send(1)
    beside(home.path(media_id)).write_bytes(text)
    home.look()
    assert home.one() == Notes()
    home.say(media_id, ALL)
    home.write()
    assert sidecars.read(beside(home.path(media_id)).read_bytes()).change == ALL


def test_a_link_in_the_sidecars_place_is_never_followed(home: Home, tmp_path: Path) -> None:
    media_id = home.send(1)
    secret = tmp_path / "secret"
    secret.write_bytes(FOREIGN)
    beside(home.path(media_id)).symlink_to(secret)
    home.look()
    home.say(media_id, ALL)
    home.write()
    assert secret.read_bytes() == FOREIGN and not beside(home.path(media_id)).is_symlink()


def test_a_sidecar_of_other_bytes_says_nothing_of_those_that_took_the_name(home: Home) -> None:
    path = home.path(home.send(1))
    home.say(1, ALL)
    home.write()
    path.write_bytes(shot(2))
    home.lose_the_rows()
    home.look()
    assert home.one() == Notes()


def test_a_rename_on_a_computer_keeps_what_was_said_and_albums(home: Home) -> None:
    media_id = home.send(1)
    home.say(media_id, ALL)
    home.write()
    put_into_an_album(home, media_id)
    path = home.path(media_id)
    path.rename(path.with_name("renamed.jpg"))  # without the file beside it
    home.look()
    assert home.one() == EXPECTED and home.is_behind()
    assert album_shows(home) == [path.with_name("renamed.jpg")]
    home.write()
    assert beside(path.with_name("renamed.jpg")).exists()


def test_two_photos_that_swap_names_keep_their_own_words(home: Home) -> None:
    first, second = home.send(1), home.send(2)
    home.say(first, Change(title="One"))
    home.say(second, Change(title="Two"))
    home.write()
    put_into_an_album(home, first)
    one, two = home.path(first), home.path(second)
    one.rename(one.with_name("x"))
    two.rename(one)
    one.with_name("x").rename(two)
    home.look()
    titles = {Path(path).name: said.title for path, said in home.said().items()}
    assert titles == {one.name: "Two", two.name: "One"}
    assert album_shows(home) == [two]


def test_a_photo_that_was_edited_on_a_computer_keeps_its_words_and_its_albums(home: Home) -> None:
    media_id = home.send(1)
    home.say(media_id, ALL)
    home.write()
    put_into_an_album(home, media_id)
    home.path(media_id).write_bytes(shot(9))
    home.look()
    assert home.one() == EXPECTED and album_shows(home) == [home.path(media_id)]
    home.write()  # beside it now stands the new hash
    home.lose_the_rows()
    home.look()
    assert home.one() == EXPECTED


def test_deleted_and_sent_again_a_photo_has_its_words_again(home: Home) -> None:
    media_id = home.send(1)
    home.say(media_id, ALL)
    put_into_an_album(home, media_id)
    home.path(media_id).unlink()
    home.look()
    assert home.said() == {}
    again = home.send(1, "again.jpg")
    assert home.one() == EXPECTED and album_shows(home) == [home.path(again)]
    home.say(again, Change(title="Newer"))
    home.path(again).touch()  # read once more
    home.look()
    assert home.one().title == "Newer"


def test_an_album_finds_the_second_of_two_equal_photos(home: Home) -> None:
    first = home.send(1)
    put_into_an_album(home, first)
    path = home.path(first)
    copy = path.with_name("copy.jpg")
    copy.write_bytes(path.read_bytes())
    home.look()
    path.unlink()
    home.look()
    assert album_shows(home) == [copy]


def put_into_an_album(home: Home, media_id: int) -> None:
    with home.db.writing() as session:
        file = session.get_one(StoredFile, session.get_one(Media, media_id).file_id)
        album = Album(uuid=os.urandom(4).hex(), user_id=home.anna.id, title="Holiday", written=True)
        session.add(album)
        session.flush()
        session.add(AlbumItem(album_id=album.id, digest=file.digest, media_id=media_id, added_by=home.anna.id))


def album_shows(home: Home) -> list[Path]:
    with home.db.reading() as session:
        ids = session.scalars(select(AlbumItem.media_id).where(AlbumItem.media_id.is_not(None))).all()
    return [home.path(media_id) for media_id in ids if media_id]


def test_only_the_owner_says_anything_and_nonsense_is_refused_whole(home: Home) -> None:
    media_id = home.send(1)
    ben = person(home.db, "Ben")
    with home.db.writing() as session:
        session.execute(update(Media).values(shared=True))
        with pytest.raises(NotFound):
            notes.edit(session, ben, [media_id], Change(title="mine"))
    with home.db.writing() as session, pytest.raises(Invalid) as caught:
        notes.edit(session, home.anna, [media_id], Change(title="x" * 500, rating=9, tags=("y" * 100,)))
    assert set(caught.value.problems) == {"title", "rating", "tags"}
    home.say(media_id, Change(title="a\x00b\x1f c", tags=("Sea", "sea", " ", "SEA ")))
    assert home.one().title == "ab c" and home.one().tags == ("Sea",)


def test_many_at_once_get_and_lose_tags(home: Home) -> None:
    ids = [home.send(number) for number in range(5)]
    with home.db.writing() as session:
        assert notes.edit(session, home.anna, [*ids, 999], Change(more=("Sea", "2026"), favourite=True)).mine == ids
        notes.edit(session, home.anna, ids[:2], Change(fewer=("sea",)))
    assert sorted(said.tags for said in home.said().values()) == [("2026",)] * 2 + [("2026", "Sea")] * 3
    with home.db.reading() as session:
        assert list(notes.known_tags(session, home.anna)) == ["2026", "Sea"]
        assert len(session.scalars(select(Job).where(Job.kind == notes.JOB)).all()) == 1


def test_a_name_without_room_for_a_suffix_has_a_sidecar_too(home: Home) -> None:
    media_id = home.send(1, "é" * 120 + ".jpg")
    home.say(media_id, ALL)
    path = home.path(media_id)
    long = path.with_name("x" * 251 + ".jpg")
    path.rename(long)
    home.look()
    home.write()
    home.lose_the_rows()
    home.look()
    assert home.one() == EXPECTED


def test_what_was_said_is_written_before_a_copy(db: Database, places: Places, tmp_path: Path) -> None:
    bed = Bed(db, places, tmp_path / "hot", tmp_path / "cold")
    anna = person(db)
    bed.write("Anna/Photos/1.jpg", shot(1))
    with db.reading() as session:
        owners = index.Owners(session)
    index.walk(bed.progress(), bed.hot, owners, ZoneInfo("UTC"))
    with db.writing() as session:
        notes.edit(session, anna, session.scalars(select(Media.id)).all(), ALL)
    bed.run()
    copied = bed.cold.path / "HOT-1/Anna/Photos/1.jpg.xmp"
    assert sidecars.read(copied.read_bytes()).change == replace(ALL, grouping=None)  # written before it was read


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["photo first", "sidecar first"])
def test_a_program_sends_a_photo_and_the_file_beside_it(home: Home, order: tuple[int, int]) -> None:
    files = [("IMG_1.jpg", shot(1)), ("IMG_1.jpg.xmp", FOREIGN)]
    for name, content in (files[number] for number in order):
        home.door.take(home.hot, spooled(home.hot, content), arrival(home.anna, name, folder="From my camera"))
    assert home.one() == Notes("The sea", "", False, 3, False, ("Sea", "summer"))
    home.look()
    assert home.one().title == "The sea" and not home.is_behind()


def test_a_new_tag_for_all_photos_does_not_stop_the_copy(db: Database, places: Places, tmp_path: Path) -> None:
    bed = Bed(db, places, tmp_path / "hot", tmp_path / "cold")
    anna = person(db)
    for number in range(120):
        bed.write(f"Anna/Photos/{number}.jpg", shot(1) + str(number).encode())
    with db.reading() as session:
        owners = index.Owners(session)
    index.walk(bed.progress(), bed.hot, owners, ZoneInfo("UTC"))
    with db.writing() as session:
        policy.BRAKE_FILES.set(session, 50)
    for tag in ("Sea", "sun"):
        with db.writing() as session:
            notes.edit(session, anna, session.scalars(select(Media.id)).all(), Change(more=(tag,)))
        assert "braked" not in bed.run()
    copied = bed.cold.path / "HOT-1/Anna/Photos/7.jpg.xmp"
    assert sidecars.read(copied.read_bytes()).change.tags == ("Sea", "sun")


def test_what_somebody_grouped_outlives_the_database_and_a_rename(home: Home) -> None:
    ids = [home.send(number) for number in (1, 2, 3)]
    with home.db.writing() as session:
        groupings.put_together(session, home.anna, ids[:2])
        groupings.put_together(session, home.anna, [ids[2], ids[0]])
        groupings.take_out(session, home.anna, ids[1])
    before = {path: said.grouping for path, said in home.said().items()}
    assert sorted(map(len, before.values())) == [5, 16, 16]
    home.write()
    home.path(ids[1]).rename(home.path(ids[1]).with_name("renamed.jpg"))  # on a computer, without its sidecar
    home.look()
    assert sorted(said.grouping for said in home.said().values()) == sorted(before.values())
    home.write()
    home.lose_the_rows()
    home.look()
    assert sorted(said.grouping for said in home.said().values()) == sorted(before.values())
    with home.db.writing() as session:
        for media_id in session.scalars(select(Media.id)).all():  # as when their previews are made again
            stacks.join(session, media_id)
        assert sorted(session.scalars(select(Media.stack))) == ["", "", "said"]
