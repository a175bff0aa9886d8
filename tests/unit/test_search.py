"""Finding photos: every kind of word and fact, kept right whoever writes the rows, and only what one may see."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.models import Drive, DriveRole
from appliance.library import choices, facets, search
from appliance.library.albums.models import Album, AlbumItem, AlbumMember
from appliance.library.filters import Filter, condition
from appliance.library.models import Folder, Media, MediaKind, StoredFile, Tag, media_tag
from appliance.people.models import Role, User, UserState

PHOTO_FACTS = (
    "title",
    "description",
    "camera",
    "place",
    "country",
    "favourite",
    "rating",
    "shared",
    "stack",
    "stack_id",
)


@pytest.fixture
def session(db: Database) -> Session:
    """Anna (an admin), Ben and Cleo, a drive, and a folder."""
    with db.writing() as session:
        for name, role, state in (
            ("anna", Role.ADMIN, UserState.ACTIVE),
            ("ben", Role.MEMBER, UserState.ACTIVE),
            ("cleo", Role.MEMBER, UserState.ACTIVE),
            ("old", Role.MEMBER, UserState.ARCHIVED),
        ):
            session.add(User(name=name, folder=name, password_hash="", role=role, state=state))
        session.add(
            Drive(
                marker_id="m",
                role=DriveRole.HOT,
                number=1,
                name="Blue",
                colour="blue",
                filesystem="ext4",
                filesystem_uuid="u",
                size=1,
            )
        )
        session.flush()
        session.add(Folder(id=1, drive_id=1, path=b"ben/Photos/trip"))
    return Session(db.engine)


def person(session: Session, name: str) -> User:
    return session.scalars(select(User).where(User.name == name)).one()


def add(session: Session, name: str, *, owner: str = "ben", tags: str = "", **facts: Any) -> int:
    """A photo of this file name; its id."""
    taken = facts.pop("taken", datetime(2021, 6, 5, 12, tzinfo=UTC))
    copied = facts.pop("copied", False)
    file = StoredFile(folder_id=1, name=name.encode("utf-8", "surrogateescape"), size=1, modified_ns=1, copied=copied)
    session.add(file)
    session.flush()
    row = {"kind": MediaKind.PHOTO, "taken_from": "exif"} | facts
    media = Media(
        file_id=file.id, user_id=person(session, owner).id, taken=taken, month=taken.year * 100 + taken.month, **row
    )
    session.add(media)
    session.flush()
    for word in tags.split():
        tag = session.scalars(select(Tag).where(Tag.name == word)).first() or Tag(name=word)
        session.add(tag)
        session.flush()
        session.execute(media_tag.insert().values(media_id=media.id, tag_id=tag.id))
    return media.id


def found(session: Session, words: str = "", who: str = "ben", **facts: Any) -> list[int]:
    """The ids, in the order of the page."""
    chosen = Filter(words=words, **facts)
    viewer = person(session, who)
    page = search.page(session, viewer, chosen)
    among = set(session.scalars(select(Media.id).where(condition(session, chosen, viewer))))
    assert {item.id for item in page.items} <= among  # both ways of asking agree
    return [item.id for item in page.items]


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        ("harbour", {"title": "Morning in the harbour"}),
        ("HARB", {"title": "Morning in the harbour"}),
        ("harbour morning", {"title": "Morning in the harbour"}),
        ("grand-mère", {"description": "With Grand-Mere, 1999"}),
        ("cafe", {"description": "Café Müller"}),
        ("müller", {"description": "Café Muller"}),
        ("R5", {"camera": "Canon EOS R5"}),
        ("strasse", {"title": "Straße"}),
        ("北京", {"title": "我们在北京大学"}),
        ("京大学", {"title": "我们在北京大学"}),
        ("猫", {"description": "一只猫"}),
        ("ラーメン", {"title": "夜のラーメン屋"}),
        ("서울", {"title": "서울에서"}),
        ("москв", {"place": "Москва"}),
        ("iceland", {"country": "Iceland"}),
        ("01234", {"file": "DSC01234.JPG"}),
        ("dsc01234.jpg", {"file": "DSC01234.JPG"}),
        ("2021", {}),
        ("beach", {"tags": "beach summer"}),
        ("summ", {"tags": "beach summer"}),
    ],
)
def test_words_are_found_wherever_they_stand(session: Session, words: str, facts: dict[str, Any]) -> None:
    add(session, "other.png", title="Nothing of it", taken=datetime(1999, 1, 1, tzinfo=UTC))
    wanted = add(session, facts.pop("file", "IMG_1.jpg"), **facts)
    assert found(session, words) == [wanted]


@pytest.mark.parametrize(
    "words",
    ['"', "'; drop table media", "AND", "a OR b", "NEAR(", "*", "-x", "title:x", "^", "(", "\\", "\0", "x" * 200],
)
def test_no_sign_is_ever_syntax(session: Session, words: str) -> None:
    add(session, "IMG_1.jpg")
    assert found(session, words) == []


def test_a_fact_cannot_be_typed(session: Session) -> None:
    add(session, "secret.jpg", owner="cleo")
    assert found(session, f"{facets.OWNER}3") == [] and found(session, facets.TOP + "1") == []


def test_the_last_word_may_be_unfinished_unless_a_space_follows(session: Session) -> None:
    wanted = add(session, "a.jpg", title="photograph")
    for beginning in ("ph", "pho", "phot", "photog", "photograph"):
        assert found(session, beginning) == [wanted]
    assert found(session, "photog ") == [] and found(session, "photog 2021") == []


def test_a_beginning_of_more_words_than_are_walked_is_found_still(session: Session) -> None:
    ids = [add(session, f"{number}.jpg", title=f"number{number}") for number in range(60)]
    assert sorted(found(session, "numb")) == sorted(ids)


@pytest.mark.parametrize("words", ["sun", "sun jpg"])  # several are asked for from both ends
def test_the_newest_come_first_and_pages_miss_and_repeat_nothing(session: Session, words: str) -> None:
    moments = [datetime(1960 + number % 7 * 10, 1, 1, 12, tzinfo=UTC) for number in range(50)]  # many at one moment
    ids = {add(session, f"{n}.jpg", title="sun", taken=moment): moment for n, moment in enumerate(moments)}
    viewer, after, seen = person(session, "ben"), None, []
    while True:
        page = search.page(session, viewer, Filter(words=words), after, most=7)
        seen += [item.id for item in page.items]
        if (after := page.next) is None:
            break
    assert len(seen) == len(set(seen)) == 50
    assert seen == sorted(ids, key=lambda media_id: (ids[media_id], media_id), reverse=True)


def test_what_is_written_later_is_found_and_what_was_is_not(session: Session) -> None:
    photo = add(session, "IMG_1.jpg", title="before", tags="old")
    session.execute(
        update(Media).where(Media.id == photo).values(title="after", taken=datetime(2001, 1, 1, tzinfo=UTC))
    )
    session.execute(update(Tag).values(name="renamed"))
    session.execute(update(StoredFile).values(name=b"holiday.jpg"))
    session.execute(update(Folder).values(path=b"ben/Files/attic"))
    for word in ("after", "renamed", "holiday", "attic"):
        assert found(session, word) == [photo], word
    for word in ("before", "old", "img", "photos"):
        assert found(session, word) == [], word
    assert found(session, until=date(2001, 1, 2)) == [photo]
    session.execute(delete(media_tag))
    assert found(session, "renamed") == []
    session.execute(delete(Folder))
    assert found(session) == [] and session.scalar(select(Media.id)) is None
    sound(session)


def sound(session: Session) -> None:
    """The index says what the rows say."""
    session.connection().exec_driver_sql("INSERT INTO media_search (media_search, rank) VALUES ('integrity-check', 1)")
    differs = (
        "SELECT key, words FROM media_document EXCEPT SELECT key, words FROM media_words",
        "SELECT key, words FROM media_words EXCEPT SELECT key, words FROM media_document",
    )
    for query in differs:
        assert session.connection().exec_driver_sql(query).all() == []


FACTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"camera": "Canon EOS R5"}, {"camera": "Canon EOS R5"}),
    ({"place": "São Paulo"}, {"place": "São Paulo"}),
    ({"country": "Brazil"}, {"country": "Brazil"}),
    ({"kind": "video"}, {"kind": MediaKind.VIDEO}),
    ({"kind": "raw"}, {"file": "IMG_1.CR2"}),
    ({"kind": "raw"}, {"file": "a.b.dng"}),
    ({"kind": "screenshot"}, {"file": "Screenshot_2021.png"}),
    ({"kind": "live"}, {"stack": "live"}),
    ({"favourite": True}, {"favourite": True}),
    ({"rating": 3}, {"rating": 4}),
    ({"without_date": True}, {"taken_from": "file"}),
    ({"located": True}, {"latitude": 1.0, "longitude": 2.0}),
    ({"since": date(2022, 1, 1), "until": date(2022, 1, 1)}, {"taken": datetime(2022, 1, 1, 23, tzinfo=UTC)}),
    ({"only_one_copy": True}, {"copied": False}),
]


@pytest.mark.parametrize(("asked", "facts"), FACTS)
def test_each_fact_finds_its_photo_and_no_other(session: Session, asked: dict[str, Any], facts: dict[str, Any]) -> None:
    add(session, "other.jpg", rating=1, copied=True, title="word")
    wanted = add(session, facts.pop("file", "IMG_1.jpg"), title="word", **{"copied": True} | facts)
    assert found(session, **asked) == [wanted]
    assert found(session, "word", **asked) == [wanted] and found(session, "another", **asked) == []


def test_albums_and_tags_are_facts_as_well(session: Session) -> None:
    tagged, inside, neither = add(session, "1.jpg", tags="sea"), add(session, "2.jpg"), add(session, "3.jpg")
    album = _album(session, "ben", "Sommer am See", [inside])
    assert found(session, album_id=album) == [inside] and found(session, "see") == [inside]
    assert set(found(session, not_in_album=True)) == {tagged, neither}
    assert found(session, tag_id=session.scalar(select(Tag.id))) == [tagged]
    assert found(session, album_id=album, who="cleo") == [] and found(session, album_id=99) == []
    session.execute(update(Album).values(deleted=datetime(2026, 1, 1, tzinfo=UTC)))
    assert inside in found(session, not_in_album=True) and found(session, album_id=album) == []
    session.execute(update(Album).values(deleted=None))
    assert found(session, album_id=album) == [inside]
    session.execute(delete(AlbumItem))
    assert inside in found(session, not_in_album=True)
    sound(session)


def _album(session: Session, owner: str, title: str, photos: list[int]) -> int:
    album = Album(uuid=title, user_id=person(session, owner).id, title=title)
    session.add(album)
    session.flush()
    for photo in photos:
        row = session.get_one(Media, photo)
        session.add(AlbumItem(album_id=album.id, media_id=photo, digest=bytes([photo]), added_by=row.user_id))
    session.flush()
    return album.id


def test_everybody_finds_what_they_may_see_and_nothing_else(session: Session) -> None:
    private, ours = add(session, "1.jpg", title="sun"), add(session, "2.jpg", title="sun", shared=True)
    lent = add(session, "3.jpg", title="sun")
    archived = add(session, "4.jpg", title="sun", owner="old")
    album = _album(session, "ben", "Lent", [lent])
    session.add(AlbumMember(album_id=album, user_id=person(session, "cleo").id))
    session.flush()
    for who, seen in (("ben", {private, ours, lent}), ("cleo", {ours, lent}), ("anna", {ours, archived})):
        assert set(found(session, "sun", who)) == seen, who
        assert set(found(session, who=who)) == seen, who
    assert found(session, "lent", "anna") == []  # an album's title tells nothing to whom it is not shown
    session.execute(update(Media).where(Media.id == ours).values(shared=False))
    session.execute(delete(AlbumMember))
    assert found(session, "sun", "cleo") == []


def test_choices_come_from_photos_that_one_may_see(session: Session) -> None:
    add(session, "1.jpg", camera="Nikon Z6", place="Oslo", country="Norway", tags="snow")
    add(session, "2.jpg", owner="cleo", camera="Secret cam", place="Nowhere", tags="hidden")
    viewer = person(session, "ben")
    assert choices.cameras(session, viewer) == ["Nikon Z6"] and choices.places(session, viewer) == ["Oslo"]
    assert choices.countries(session, viewer) == ["Norway"]
    assert [name for _, name in choices.tags(session, viewer)] == ["snow"]


def test_a_stack_is_found_by_its_top_and_by_kind(session: Session) -> None:
    top = add(session, "1.heic", title="wave", stack="live")
    under = add(session, "1.mov", title="wave", kind=MediaKind.VIDEO, stack_id=top)
    assert found(session, "wave") == [top] and found(session, kind="video") == [under]
    session.execute(delete(StoredFile).where(StoredFile.name == b"1.heic"))
    assert found(session, "wave") == [under]
    sound(session)


def test_names_that_are_no_text_are_indexed_all_the_same(session: Session) -> None:
    photo = add(session, "f\udcfcr\udcff oma.jpg")
    assert found(session, "oma") == [photo]


def test_few_and_many_on_one_drive_only(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [add(session, f"{n}.jpg", copied=n % 3 == 0) for n in range(30)]
    alone = {media_id for n, media_id in enumerate(ids) if n % 3}
    assert set(found(session, only_one_copy=True)) == alone
    monkeypatch.setattr(search, "FEW_ALONE", 3)
    monkeypatch.setattr(search, "STRIDE", 4)
    viewer, after, seen = person(session, "ben"), None, []
    while True:
        page = search.page(session, viewer, Filter(only_one_copy=True), after, most=3)
        seen += [item.id for item in page.items]
        if (after := page.next) is None:
            break
    assert len(seen) == len(set(seen)) and set(seen) == alone


def test_a_filter_comes_back_from_json_and_nonsense_asks_for_nothing() -> None:
    chosen = Filter(
        "sun", date(2021, 1, 1), date(2021, 2, 3), "Oslo", "Norway", "Z6", "raw", True, 4, 5, 6, *[True] * 4
    )
    assert Filter.from_json(chosen.as_json()) == chosen
    assert Filter.from_json({"since": "x", "rating": "9", "tag_id": "a", "kind": "y", "zzz": 1}) == Filter(rating=5)
    assert Filter().as_json() == {} and Filter().is_empty and not replace(Filter(), located=True).is_empty


def test_rows_from_before_are_indexed_by_the_revision(tmp_path: Any, make: Callable[..., None]) -> None:
    make(tmp_path / "old.db")
    with sqlite3.connect(tmp_path / "old.db") as rows:
        assert rows.execute(
            "select rowid & 268435455 from media_search where media_search match '\"img\"'"
        ).fetchall() == [(7,)]
    rows.close()


@pytest.fixture
def make() -> Callable[..., None]:
    """A database of a revision before, with one photo, brought to the newest."""
    from alembic import command
    from alembic.config import Config

    from appliance import db

    def made(path: Any) -> None:
        config = Config()
        config.set_main_option("script_location", str(db.__file__).replace("db.py", "migrations"))
        config.attributes["path"] = path
        command.upgrade(config, "0003")
        moment = "'2021-06-05 12:00:00.000000'"
        with sqlite3.connect(path) as rows:
            rows.execute("insert into folder (id, drive_id, path) values (1, 1, x'61')")
            rows.execute(
                "insert into stored_file (id, folder_id, name, size, modified_ns, damaged, added) "
                f"values (5, 1, x'494d475f312e6a7067', 1, 1, 0, {moment})"
            )
            rows.execute(
                "insert into media (id, file_id, user_id, kind, taken, taken_from, month, camera, preview, "
                f"placeholder) values (7, 5, 1, 'PHOTO', {moment}, 'exif', 202106, '', 'WAITING', '')"
            )
        rows.close()
        db.migrate(path)

    return made
