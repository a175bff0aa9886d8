"""Words, albums and links by the API."""

from pathlib import Path

import pytest

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.library.ingest import Ingest
from appliance.places import Places
from tests.callers import Caller
from tests.hot_drive import hand_over
from tests.unit.test_library_ingest import arrival, spooled
from tests.unit.test_library_notes import shot


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    return hand_over(db, places, tmp_path / "hot")


@pytest.fixture
def ids(db: Database, places: Places, hot: Mount, member: Caller) -> list[int]:
    door = Ingest(db, places)
    sent = [door.take(hot, spooled(hot, shot(n)), arrival(member.user, f"{n}.jpg")).media_id for n in range(3)]
    return [media_id for media_id in sent if media_id]


def test_words_of_one_and_of_many(member: Caller, admin: Caller, ids: list[int]) -> None:
    path = f"/media/{ids[0]}/notes"
    said = member("PATCH", path, {"title": "A day", "tags": ["Sea", "sun"], "rating": 5}).json
    assert said == member("GET", path).json
    assert said == {
        "title": "A day", "description": "", "favourite": False, "rating": 5, "shared": False, "tags": ["Sea", "sun"],
    }  # fmt: skip
    assert member("PATCH", path, {"rating": 6}).status_code == 422
    assert admin("GET", path).status_code == admin("PATCH", path, {"title": "x"}).status_code == 404
    many = member("POST", "/media/notes", {"ids": [*ids, 999], "shared": True, "add_tags": ["ours"]}).json
    assert (many["yours"], many["changed"]) == (3, 3)
    assert [item["id"] for item in admin("GET", "/family").json["items"]] == ids[::-1]
    assert admin("GET", path).json["tags"] == ["ours", "Sea", "sun"]
    assert admin("POST", "/media/notes", {"ids": ids, "shared": False}).status_code == 404
    first = admin("GET", "/family?limit=2").json
    assert [i["id"] for i in admin("GET", f"/family?limit=2&after={first['after']}").json["items"]] == ids[:1]
    assert admin("GET", "/family?after=x").status_code == 422


def test_an_album_from_beginning_to_end(member: Caller, admin: Caller, ids: list[int]) -> None:
    album = member("POST", "/albums", {"title": "Sea"}).json
    path = f"/albums/{album['id']}"
    assert album["yours"] and member("GET", "/albums").json == [album] and admin("GET", "/albums").json == []
    assert member("POST", f"{path}/items", {"ids": ids}).json == {"count": 3}
    member("PUT", f"{path}/order", {"ids": ids[::-1]})
    first = member("GET", f"{path}/items?limit=2").json
    rest = member("GET", f"{path}/items?limit=2&after={first['after']}").json
    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1] and rest["after"] is None
    assert member("GET", f"{path}/items?after=x").status_code == 422
    assert member("PATCH", path, {"title": "Seaside", "cover": ids[1]}).json["cover"] == ids[1]
    assert admin("GET", path).status_code == 404
    wish = {"members": [{"id": admin.user.id, "may_add": False}]}
    assert member("PUT", f"{path}/members", wish).json == [{"id": admin.user.id, "name": "Anna", "may_add": False}]
    assert not admin("GET", path).json["yours"] and admin("GET", f"/media/{ids[0]}").status_code == 200
    assert admin("POST", f"{path}/items", {"ids": ids}).status_code == 404
    assert admin("PATCH", path, {"title": "x"}).status_code == admin("GET", f"{path}/links").status_code == 404
    assert member("POST", f"{path}/items/removal", {"ids": ids[:1]}).json == {"count": 1}
    assert member("DELETE", path).status_code == 204 and member("GET", path).status_code == 404
    assert member("POST", f"{path}/bring-back").json["title"] == "Seaside"


def test_a_link_is_told_once_and_ended(member: Caller, ids: list[int]) -> None:
    path = f"/albums/{member('POST', '/albums', {'title': 'Sea'}).json['id']}/links"
    made = member("POST", path, {"days": 7, "password": "cake"}).json
    (listed,) = member("GET", path).json
    assert listed == made["link"] and listed["password"] is True
    address = made["address"].removeprefix("http://localhost")
    assert member.client.get(address).status_code == 401
    assert member("DELETE", f"{path}/{listed['id']}").status_code == 204
    assert member.client.get(address).status_code == 404
