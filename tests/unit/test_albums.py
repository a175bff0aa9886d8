"""Albums: made, filled, ordered, shared and put away; on the drive as files; and their pages without JavaScript."""

import re
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update

from appliance.db import Database
from appliance.errors import Invalid, NotFound
from appliance.library import visible
from appliance.library.albums import album_files, service
from appliance.library.albums.models import Album, AlbumItem
from appliance.library.models import Media, PreviewState
from appliance.library.notes import Change, Notes
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import User
from appliance.places import Places
from tests.browsers import Browser
from tests.callers import PASSWORD
from tests.hot_drive import person
from tests.unit.test_library_notes import Home


@pytest.fixture
def home(db: Database, places: Places, tmp_path: Path) -> Home:
    return Home(db, places, tmp_path / "hot")


def make(home: Home, title: str, ids: list[int]) -> int:
    with home.db.writing() as session:
        album = service.create(session, home.anna, title, "Where we were")
        service.add(session, home.anna, album.id, ids)
    return album.id


def shown(home: Home, album_id: int, viewer: User) -> list[int]:
    with home.db.reading() as session:
        album = service.get(session, viewer, album_id)
        return [item.id for item in service.page(session, album, visible.by_person(viewer))[0]]


def files(home: Home) -> list[str]:
    folder = home.hot.path / "Anna/Albums"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_an_album_is_filled_ordered_and_emptied_and_its_photos_stay(home: Home) -> None:
    ids = [home.send(number) for number in range(4)]
    album_id = make(home, "Holiday", [*reversed(ids), ids[0]])
    assert shown(home, album_id, home.anna) == ids  # as they were taken
    with home.db.writing() as session:
        assert service.add(session, home.anna, album_id, ids) == 0
        service.move(session, home.anna, album_id, [ids[3], ids[2]], first=True)
    assert shown(home, album_id, home.anna) == [ids[2], ids[3], ids[0], ids[1]]
    with home.db.writing() as session:
        service.move(session, home.anna, album_id, [ids[2]], first=False)
    late = home.send(9)
    with home.db.writing() as session:
        service.add(session, home.anna, album_id, [late])
    assert shown(home, album_id, home.anna) == [ids[3], ids[0], ids[1], ids[2], late]
    with home.db.writing() as session:
        service.arrange(session, home.anna, album_id, [ids[1], late])
    assert shown(home, album_id, home.anna) == [ids[1], late, ids[3], ids[0], ids[2]]
    with home.db.writing() as session:
        assert service.remove(session, home.anna, album_id, [ids[1]]) == 1
        service.arrange(session, home.anna, album_id, [])
    assert shown(home, album_id, home.anna) == [ids[0], ids[2], ids[3], late]
    assert len(home.said()) == 5


def test_pages_and_neighbours_follow_the_albums_order(home: Home) -> None:
    ids = [home.send(number) for number in range(7)]
    album_id = make(home, "Holiday", ids)
    seen = visible.by_person(home.anna)
    with home.db.reading() as session:
        album = service.get(session, home.anna, album_id)
        found, after = service.page(session, album, seen, most=3)
        while after:
            more, after = service.page(session, album, seen, after, most=3)
            found += more
        assert [item.id for item in found] == ids
        assert service.neighbours(session, album, seen, ids[0]) == (None, ids[1])
        assert service.neighbours(session, album, seen, ids[3]) == (ids[2], ids[4])
        with pytest.raises(NotFound):
            service.neighbours(session, album, seen, 999)


def test_who_may_what_in_somebody_elses_album(home: Home) -> None:
    ids = [home.send(number) for number in range(2)]
    album_id = make(home, "Holiday", ids)
    ben, cleo = person(home.db, "Ben"), person(home.db, "Cleo")
    with home.db.writing() as session:
        service.share(session, home.anna, album_id, {ben.id: True, cleo.id: False})
    assert shown(home, album_id, ben) == shown(home, album_id, cleo) == ids
    for act in (
        lambda session: service.own(session, ben, album_id),
        lambda session: service.share(session, ben, album_id, {}),
        lambda session: service.put_away(session, ben, album_id),
        lambda session: service.move(session, ben, album_id, ids, first=True),
        lambda session: service.set_cover(session, ben, album_id, ids[0]),
        lambda session: service.add(session, cleo, album_id, ids),
    ):
        with home.db.writing() as session, pytest.raises(NotFound):
            act(session)
    with home.db.writing() as session:
        assert service.remove(session, ben, album_id, ids) == 0  # Anna put them in
        mine = service.create(session, ben, "Taken from Anna").id
        service.add(session, ben, mine, ids)  # he may see them
        service.share(session, ben, mine, {cleo.id: False})
        service.share(session, home.anna, album_id, {})
    assert shown(home, mine, cleo) == []  # and cannot pass them on
    with home.db.reading() as session, pytest.raises(NotFound):
        service.get(session, ben, album_id)
    with home.db.writing() as session, pytest.raises(Invalid):
        service.share(session, home.anna, album_id, {999: True})


def test_albums_lie_on_the_drive_follow_a_new_title_and_survive_the_database(home: Home) -> None:
    ids = [home.send(number) for number in range(3)]
    album_id = make(home, "Sea/side: 2026?", ids)
    ben = person(home.db, "Ben")
    with home.db.writing() as session:
        service.share(session, home.anna, album_id, {ben.id: True})
        service.move(session, home.anna, album_id, [ids[2]], first=True)
        service.set_cover(session, home.anna, album_id, ids[1])
    make(home, "sea/side: 2026?", [])
    home.say(ids[0], Change(title="One"))
    home.write()
    assert len(files(home)) == 2
    with home.db.writing() as session:
        service.change(session, service.own(session, home.anna, album_id), title="Holiday")
    home.write()
    assert "Holiday.json" in files(home) and len(files(home)) == 2
    before = facts(home)
    home.lose_the_rows()
    home.look()
    assert facts(home) == before
    home.look()
    assert facts(home) == before and not home.is_behind()


def facts(home: Home) -> object:
    """Everything of the albums that does not depend on numbers."""
    with home.db.reading() as session:
        albums = session.scalars(select(Album).order_by(Album.uuid)).all()
        return [
            (
                album.uuid, album.title, album.description, album.created, album.user_id,
                home.path(album.cover_id) if album.cover_id else None,
                [(member.user.name, member.may_add) for member in service.shared_with(session, album)],
                [
                    (home.path(row.media_id), row.digest, row.position, row.added, row.added_by)
                    for row in session.scalars(
                        select(AlbumItem).where(AlbumItem.album_id == album.id).order_by(AlbumItem.digest)
                    )
                    if row.media_id
                ],
            )
            for album in albums
        ]  # fmt: skip


def test_a_deleted_album_can_be_had_back_for_a_while_and_then_its_file_goes_first(home: Home) -> None:
    album_id = make(home, "Holiday", [home.send(1)])
    home.write()
    with home.db.writing() as session:
        service.put_away(session, home.anna, album_id)
    with home.db.reading() as session, pytest.raises(NotFound):
        service.get(session, home.anna, album_id)
    home.write()
    assert files(home) == ["Holiday.json"]
    with home.db.writing() as session:
        service.bring_back(session, home.anna, album_id)
    assert len(shown(home, album_id, home.anna)) == 1
    with home.db.writing() as session:
        service.put_away(session, home.anna, album_id)
        row = session.get_one(Album, album_id)
        assert row.deleted is not None
        row.deleted -= album_files.UNDO_FOR + timedelta(seconds=1)
    home.write()
    assert files(home) == [] and not home.is_behind()
    home.look()
    with home.db.reading() as session:
        assert session.scalars(select(Album)).all() == []
    assert len(home.said()) == 1


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{}", b"[1]", b"\xff\xfe", b'{"what": 1}', b"[" * 100_000,
        b'{"what": "An album of an Everpx station. Its photos are named by BLAKE3 hash and by path.", "format": 1,'
        b' "uuid": "x", "title": "t", "photos": [], "members": []}',
    ],
    ids=range(7),
)  # fmt: skip
def test_a_file_that_is_no_album_is_left_alone(home: Home, text: bytes) -> None:
    folder = home.hot.path / "Anna/Albums"
    folder.mkdir(parents=True)
    (folder / "Holiday.json").write_bytes(text)
    make(home, "Holiday", [home.send(1)])
    home.write()
    home.look()
    assert (folder / "Holiday.json").read_bytes() == text and files(home) == ["Holiday (2).json", "Holiday.json"]


# ---- pages


@pytest.fixture
def anna(app: Flask, home: Home, quick_passwords: None) -> Browser:
    """Anna's browser."""
    from appliance.people import passwords

    with home.db.writing() as session:
        session.execute(update(User).where(User.id == home.anna.id).values(password_hash=passwords.make_hash(PASSWORD)))
        people.add(session, By(), name="Ben", password=PASSWORD)
    return Browser(app, "Anna")


def ready(home: Home) -> None:
    with home.db.writing() as session:
        session.execute(update(Media).values(preview=PreviewState.READY, placeholder="#776655"))


def test_an_album_from_beginning_to_end_without_javascript(home: Home, anna: Browser, app: Flask) -> None:
    ids = [home.send(number) for number in range(3)]
    ready(home)
    assert anna.post("/albums/", title=" ").status_code == 422
    page = anna.get("/photos/?choose=1").text
    assert page.count('name="ids"') == 3 + 1
    answer = anna.post(
        "/photos/chosen", ids=[str(i) for i in ids], action="add", new_album="Sea", back="/photos/?choose=1"
    )
    assert answer.headers["Location"] == "/photos/?choose=1"
    assert "3 photos are in “Sea” now." in anna.get("/photos/").text
    assert "3 photos" in anna.get("/albums/").text
    album = anna.get("/albums/1").text
    assert album.count('class="cell') == 3 and f'href="/photos/{ids[0]}?album=1"' in album
    inside = anna.get(f"/photos/{ids[1]}?album=1").text
    assert f"/photos/{ids[0]}?album=1" in inside and f"/photos/{ids[2]}?album=1" in inside
    anna.post("/albums/1/edit", title="Seaside", description="Two weeks", by_date="1")
    anna.post("/photos/chosen", ids=str(ids[2]), action="first", album="1", back="/albums/1")
    anna.post("/photos/chosen", ids=str(ids[2]), action="cover", album="1", back="/albums/1")
    assert "Seaside" in anna.get("/albums/1").text and f"/photos/{ids[2]}/preview/320" in anna.get("/albums/").text
    ben = Browser(app, "Ben")
    assert ben.get("/albums/1").status_code == 404 and ben.get(f"/photos/{ids[0]}").status_code == 404
    anna.post("/albums/1/members", **{"member-2": "see"})
    assert "from Anna" in ben.get("/albums/").text and ben.get("/albums/1").text.count('class="cell') == 3
    seen = ben.get(f"/photos/{ids[0]}?album=1").text
    assert "A photo of Anna" in seen and "/say" not in seen
    anna.post("/photos/chosen", ids=str(ids[0]), action="remove", album="1", back="/albums/1")
    assert ben.get(f"/photos/{ids[0]}").status_code == 404
    assert anna.post("/albums/1/delete").headers["Location"] == "/albums/?undo=1"
    assert ben.get("/albums/1").status_code == 404
    anna.post("/albums/1/bring-back")
    assert anna.get("/albums/1").status_code == 200 and len(home.said()) == 3


def test_words_of_a_photo_are_changed_without_javascript_and_with_htmx(home: Home, anna: Browser) -> None:
    media_id = home.send(1)
    answer = anna.post(f"/photos/{media_id}/say", title="A day", description="x", tags="Sea, sun")
    assert answer.status_code == 303
    page = anna.get(f"/photos/{media_id}").text
    assert "<h1>A day</h1>" in page and "<li>Sea</li>" in page
    anna.post(f"/photos/{media_id}/say", favourite="1")
    anna.post(f"/photos/{media_id}/say", rating="4")
    part = anna.client.post(
        f"/photos/{media_id}/say", data={"csrf_token": anna.csrf, "shared": "1"}, headers={"HX-Request": "true"}
    ).text
    assert part.lstrip().startswith('<div id="said"') and part.count(' lit"') == 4
    assert home.one() == Notes("A day", "x", True, 4, True, ("Sea", "sun"))
    for bad in ({"title": "x" * 201}, {"rating": "9"}, {"rating": "x"}, {"tags": "y" * 61}):
        assert anna.post(f"/photos/{media_id}/say", **bad).status_code == 422
    assert home.one().title == "A day"


def test_what_is_ours_is_seen_by_the_family_and_changed_by_its_owner(home: Home, anna: Browser, app: Flask) -> None:
    ids = [home.send(number) for number in range(3)]
    ben = Browser(app, "Ben")
    assert ben.get("/photos/ours").text.count('class="cell') == 0
    anna.post("/photos/chosen", ids=f"{ids[0]},{ids[2]}", action="ours", back="/photos/")
    page = ben.get("/photos/ours").text
    assert re.findall(r'href="/photos/(\d+)\?in=ours"', page) == [str(ids[2]), str(ids[0])]
    seen = ben.get(f"/photos/{ids[2]}?in=ours").text
    assert f"/photos/{ids[0]}?in=ours" in seen and f"/photos/{ids[1]}" not in seen
    with closing(ben.get(f"/photos/{ids[0]}/original")) as answer:
        assert answer.status_code == 200
    assert ben.get(f"/photos/{ids[1]}/original").status_code == 404
    assert ben.post(f"/photos/{ids[0]}/say", title="mine").status_code == 404
    assert "There is no such photo" in ben.follow(ben.post("/photos/chosen", ids=str(ids[0]), action="mine"))


def test_many_photos_are_changed_at_once_and_that_is_undone(home: Home, anna: Browser) -> None:
    ids = [home.send(number) for number in range(3)]
    home.say(ids[0], Change(favourite=True, tags=("Sea",)))
    page = anna.follow(anna.post("/photos/chosen", ids=[str(i) for i in ids], action="favourite"))
    assert "2 photos are favourites now." in page
    undo = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.partition('class="undo"')[2]))
    assert "2 photos are as they were." in anna.follow(anna.post("/photos/chosen/undo", **undo))
    assert [said.favourite for said in home.said().values()] == [True, False, False]
    page = anna.follow(anna.post("/photos/chosen", ids=[str(i) for i in ids], action="tag", tags="Sea, sun"))
    assert "3 photos have new tags." in page
    for form in (
        {"ids": ""},
        {"ids": "x"},
        {"ids": "1", "action": "tag"},
        {"ids": "1", "action": "no"},
        {"ids": "1", "action": "add"},
    ):
        assert 'class="notice danger"' in anna.follow(anna.post("/photos/chosen", **form))
    for back in ("//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:x"):
        assert (
            anna.post("/photos/chosen", ids=str(ids[0]), action="favourite", back=back).headers["Location"]
            == "/photos/"
        )


def test_chosen_photos_go_to_the_bin_with_their_words_and_come_back_with_them(home: Home, anna: Browser) -> None:
    ids = [home.send(number) for number in range(3)]
    home.say(ids[0], Change(title="Kept", tags=("Sea",)))
    home.write()
    album_id = make(home, "Holiday", ids)
    page = anna.follow(anna.post("/photos/chosen", ids=f"{ids[0]},{ids[1]},999", action="delete"))
    assert "2 photos are in the bin." in page and len(home.said()) == 1
    assert len(shown(home, album_id, home.anna)) == 1
    for binned in (1, 2):
        anna.post("/files/bin/bring-back", ids=str(binned))
    assert sorted(said.title for said in home.said().values()) == ["", "", "Kept"]
    assert len(shown(home, album_id, home.anna)) == 3
    home.lose_the_rows()
    home.look()
    assert sorted(said.title for said in home.said().values()) == ["", "", "Kept"]


def test_a_kept_search_is_an_album_that_fills_itself(anna: Browser, home: Home) -> None:
    ids = [home.send(number) for number in range(3)]
    ready(home)
    home.say(ids[0], Change(title="The lake"))
    made = anna.post("/photos/search/keep", words="lake", name="Water", **{"as": "album"})
    assert made.status_code == 303
    with home.db.reading() as session:
        album = session.scalars(select(Album)).one()
    assert album.filter == {"words": "lake"}

    def inside() -> set[int]:
        page = anna.get(f"/albums/{album.id}").get_data(as_text=True)
        return {number for number in ids if f"/photos/{number}/preview/" in page}

    assert inside() == {ids[0]}
    (opened,) = re.findall(rf'href="(/photos/{ids[0]}[^"/]*)"', anna.get(f"/albums/{album.id}").text)
    assert anna.get(opened).status_code == 200
    home.say(ids[2], Change(title="Another lake"))
    assert inside() == {ids[0], ids[2]}
    assert "what matches now" in anna.get("/albums/").get_data(as_text=True)
    assert "Nothing matches now" not in anna.get(f"/albums/{album.id}").get_data(as_text=True)
    refused = anna.post(f"/albums/{album.id}/links", days="7")
    assert refused.status_code == 422 and "fills itself" in refused.get_data(as_text=True)
    with home.db.reading() as session:
        assert list(service.fillable(session, home.anna)) == []
