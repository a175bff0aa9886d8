"""Renaming and moving: nothing is replaced, nobody leaves their folders, and a photo stays the photo it was."""

import os
from pathlib import Path

import pytest
from sqlalchemy import select

from appliance.db import Database
from appliance.drives.mounts import DriveGone, Mount
from appliance.errors import ApplianceError, Invalid, NotFound
from appliance.library import folders, index, moving
from appliance.library.arrivals import Arrival, Stored
from appliance.library.folders import Place
from appliance.library.ingest import Ingest
from appliance.library.models import Folder, Media, StoredFile
from appliance.people.models import Role, User
from appliance.places import Places
from tests.hot_drive import hand_over, person
from tests.unit.test_library_ingest import photo, spooled


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    return hand_over(db, places, tmp_path / "hot")


@pytest.fixture
def anna(db: Database) -> User:
    return person(db, role=Role.ADMIN)


@pytest.fixture
def stored(db: Database, places: Places, hot: Mount, anna: User) -> Stored:
    """A photo of Anna, with a word beside it."""
    stored = Ingest(db, places).take(hot, spooled(hot, photo()), Arrival(anna.id, anna.folder, "IMG_1.jpg"))
    (hot.path / (os.fsdecode(stored.path) + ".xmp")).write_text("<x/>")
    return stored


def where(db: Database) -> list[tuple[int, bytes, int]]:
    """(media, path, whose) of every photo."""
    with db.reading() as session:
        rows = session.execute(
            select(Media.id, Folder.path, StoredFile.name, Media.user_id)
            .join(StoredFile, StoredFile.id == Media.file_id)
            .join(Folder, Folder.id == StoredFile.folder_id)
        )
        return [(media_id, path + b"/" + name, user_id) for media_id, path, name, user_id in rows]


def in_step(db: Database, hot: Mount, path: bytes) -> None:
    """A walk finds nothing to do: the rows are as the drive is."""
    before = where(db)
    index.look_at(db, hot, path)
    assert where(db) == before


def test_a_renamed_photo_is_the_same_photo_and_its_notes_go_along(
    db: Database, hot: Mount, anna: User, stored: Stored
) -> None:
    renamed = moving.rename(db, anna, Place(hot, stored.path), "Beach.jpg")
    assert where(db) == [(stored.media_id, renamed.path, anna.id)]
    folder = (hot.path / os.fsdecode(stored.path)).parent
    assert sorted(path.name for path in folder.iterdir()) == ["Beach.jpg", "Beach.jpg.xmp"]
    in_step(db, hot, renamed.path.rpartition(b"/")[0])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Enter a name."),
        ("  ", "Enter a name."),
        ("a/b", "This name has a character that Windows drives do not allow."),
        ("a:b", "This name has a character that Windows drives do not allow."),
        ("con.txt", "This name is kept by Windows for itself."),
        ("x.", "This name ends with a dot or a space."),
        (".hidden", "A name that begins with a dot is hidden on many computers. Choose another one."),
        ("..", "A name that begins with a dot is hidden on many computers. Choose another one."),
        ("gpj.\u202eexe", "This name has spaces or signs that some computers do not show. Try “gpj.exe”."),
        ("é" * 200, "This name has spaces or signs that some computers do not show."),
        ("TAKEN.jpg", "There is already something called “TAKEN.jpg” here."),
    ],
)
def test_a_name_that_some_drive_cannot_hold_is_refused_beside_its_field(
    db: Database, hot: Mount, anna: User, stored: Stored, name: str, said: str
) -> None:
    (hot.path / os.fsdecode(stored.path)).with_name("taken.JPG").write_text("x")
    with pytest.raises(Invalid) as refused:
        moving.rename(db, anna, Place(hot, stored.path), name)
    assert str(refused.value.problems["name"]).startswith(said)
    assert (hot.path / os.fsdecode(stored.path)).exists()


def test_only_capitals_may_change(db: Database, hot: Mount, anna: User, stored: Stored) -> None:
    assert moving.rename(db, anna, Place(hot, stored.path), "img_1.JPG").path.endswith(b"/img_1.JPG")


def test_a_moved_folder_takes_its_photos_along_and_keeps_the_folders_that_copies_refer_to(
    db: Database, hot: Mount, anna: User, stored: Stored
) -> None:
    folder = stored.path.rpartition(b"/")[0]
    target = moving.new_folder(Place(hot, b"Family"), "Holiday")
    (moved,) = moving.move(db, anna, [Place(hot, folder)], target)
    new = moved.path + b"/IMG_1.jpg"
    assert moved.path == b"Family/Holiday/" + folder.rpartition(b"/")[2]
    assert where(db) == [(stored.media_id, new, anna.id)]
    assert (hot.path / os.fsdecode(new)).read_bytes() == photo()
    with db.reading() as session:
        assert folder in session.scalars(select(Folder.path)).all()
    in_step(db, hot, moved.path)


def test_a_name_that_is_taken_gets_a_number_and_nothing_is_replaced(
    db: Database, hot: Mount, anna: User, stored: Stored
) -> None:
    (hot.path / "Anna/Files").mkdir()
    (hot.path / "Anna/Files/IMG_1.jpg").write_text("other")
    (moved,) = moving.move(db, anna, [Place(hot, stored.path)], Place(hot, b"Anna/Files"))
    assert moved.path == b"Anna/Files/IMG_1 (2).jpg"
    assert (hot.path / "Anna/Files/IMG_1.jpg").read_text() == "other"
    assert (hot.path / "Anna/Files/IMG_1 (2).jpg.xmp").exists()
    assert where(db) == [(stored.media_id, moved.path, anna.id)]


def test_what_is_taken_out_of_the_familys_folder_is_whose_folder_it_goes_to(
    db: Database, hot: Mount, anna: User, stored: Stored
) -> None:
    ben = person(db, "Ben")
    (shared,) = moving.move(db, anna, [Place(hot, stored.path)], Place(hot, b"Family"))
    assert where(db)[0][2] == anna.id
    (hot.path / "Ben").mkdir()
    moving.move(db, ben, [shared], Place(hot, b"Ben"))
    assert where(db) == [(stored.media_id, b"Ben/IMG_1.jpg", ben.id)]


def test_a_folder_is_not_moved_into_itself_and_top_folders_stay(db: Database, hot: Mount, anna: User) -> None:
    (hot.path / "Anna/a/b").mkdir(parents=True)
    with pytest.raises(moving.IntoItself):
        moving.move(db, anna, [Place(hot, b"Anna/a")], Place(hot, b"Anna/a/b"))
    for top in (b"Anna", b"Family"):
        with pytest.raises(NotFound):
            moving.move(db, anna, [Place(hot, top)], Place(hot, b"Anna/a"))
        with pytest.raises(NotFound):
            moving.rename(db, anna, Place(hot, top), "x")


def test_nobody_reaches_another_person_s_folder_or_leaves_their_own(
    db: Database, hot: Mount, anna: User, tmp_path: Path
) -> None:
    person(db, "Ben")
    (hot.path / "Ben/secret").mkdir(parents=True)
    (hot.path / "Anna").mkdir()
    for path in (
        b"Ben",
        b"Ben/secret",
        b"",
        b"/",
        b"Anna/../Ben",
        b"Anna//x",
        b"anna",
        b".everpx",
        b"Anna/\0",
        b"Anna/.",
    ):
        with pytest.raises(NotFound):
            folders.reached(anna, [hot], hot.tag, path)
    (hot.path / "Anna/link").symlink_to(hot.path / "Ben")
    (hot.path / "Anna/x").write_text("x")
    for place in (Place(hot, b"Anna/link"), Place(hot, b"Anna/link/secret")):
        with pytest.raises(NotFound):
            folders.listing(place)
        with pytest.raises(ApplianceError):
            moving.move(db, anna, [Place(hot, b"Anna/x")], place)
        with pytest.raises(NotFound):
            moving.rename(db, anna, place, "y")
    assert [entry.name for entry in folders.listing(Place(hot, b"Anna"))] == [b"x"]
    assert [path.name for path in (hot.path / "Ben").iterdir()] == ["secret"]


def test_of_many_those_before_a_missing_one_have_moved_with_their_rows(
    db: Database, hot: Mount, anna: User, stored: Stored
) -> None:
    things = [Place(hot, stored.path), Place(hot, b"Anna/none"), Place(hot, b"Anna/none either")]
    (hot.path / "Anna/Files").mkdir()
    with pytest.raises(NotFound):
        moving.move(db, anna, things, Place(hot, b"Anna/Files"))
    assert where(db) == [(stored.media_id, b"Anna/Files/IMG_1.jpg", anna.id)]


class Cut(BaseException):
    """The plug was pulled here."""


@pytest.mark.parametrize("step", ["_rename", "_flush", "_follow"])
def test_a_cut_at_any_step_is_brought_in_step_by_a_walk(
    db: Database, hot: Mount, anna: User, stored: Stored, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def cut(*_: object) -> None:
        raise Cut

    (hot.path / "Anna/Files").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(moving, step, cut)
        with pytest.raises(Cut):
            moving.move(db, anna, [Place(hot, stored.path)], Place(hot, b"Anna/Files"))
    assert where(db)[0][1] == stored.path, "no row says what was not committed"
    for folder in (b"Anna/Files", stored.path.rpartition(b"/")[0]):
        index.look_at(db, hot, folder)
    there = stored.path if step == "_rename" else b"Anna/Files/IMG_1.jpg"
    assert [path for _, path, _ in where(db)] == [there]
    assert (hot.path / os.fsdecode(there)).read_bytes() == photo()


def test_a_pulled_drive_is_told_and_no_row_changes(db: Database, hot: Mount, anna: User, stored: Stored) -> None:
    hot.path.rename(hot.path.with_name("pulled"))
    hot.path.mkdir()
    with pytest.raises(ApplianceError) as told:
        moving.move(db, anna, [Place(hot, stored.path)], Place(hot, b"Anna/Files"))
    assert isinstance(told.value, DriveGone | NotFound)
    assert where(db) == [(stored.media_id, stored.path, anna.id)]


def test_names_are_sorted_as_people_count() -> None:
    names = [b"b10.jpg", b"2.jpg", b"a.jpg", b"B.jpg", b"10.jpg", b"b2.jpg", b"1.jpg"]
    counted = [b"1.jpg", b"2.jpg", b"10.jpg", b"a.jpg", b"B.jpg", b"b2.jpg", b"b10.jpg"]
    assert sorted(names, key=folders.natural) == counted
