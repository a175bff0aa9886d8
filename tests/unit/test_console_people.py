"""The people pages: what an admin sees and does there, without JavaScript."""

from collections.abc import Callable

import pytest
from flask import Flask

from appliance import events
from appliance.db import Database
from appliance.jobs.models import Job
from appliance.people import service, sign_ins
from appliance.people.audit import By
from appliance.people.models import ApiToken, Role, User, UserState
from tests.browsers import Browser
from tests.callers import PASSWORD

OTHER = "seven green wooden boats"


@pytest.fixture
def person(app: Flask, db: Database) -> Callable[..., User]:
    """``person("Ben")`` joins the family."""

    def make(name: str, role: Role = Role.MEMBER) -> User:
        with db.writing() as session:
            return service.add(session, By(), name=name, password=PASSWORD, role=role)

    return make


@pytest.fixture
def anna(app: Flask, person: Callable[..., User]) -> Browser:
    """The browser of the admin, Anna (1); Ben (2) is a member."""
    person("Anna", Role.ADMIN)
    person("Ben")
    return Browser(app, "Anna")


def now(db: Database, user_id: int) -> User:
    with db.reading() as session:
        return service.get(session, user_id)


def test_the_family_is_shown_as_faces(anna: Browser) -> None:
    page = anna.get("/people/").text
    assert "Anna" in page and "Ben" in page and "not signed in anywhere" in page


def test_somebody_is_added_with_name_password_picture_and_role(anna: Browser, app: Flask, db: Database) -> None:
    answer = anna.post("/people/add", name="Zoë", password=OTHER, role="member", colour="rose", emoji="🦊")
    assert "Zoë can sign in now." in anna.follow(answer)
    with db.reading() as session:
        zoe = sign_ins.find(session, "Zoë")
        assert zoe is not None
        assert (zoe.role, zoe.colour, zoe.emoji, zoe.folder) == (Role.MEMBER, "rose", "🦊", "Zoë")
    assert Browser(app, "Zoë", OTHER).get("/account").status_code == 200


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"name": ""}, "name", "Enter a name."),
        ({"name": "ben"}, "name", "There is already somebody with this name."),
        ({"name": "x" * 41}, "name", "at most 40 characters"),
        ({"password": "short"}, "password", "at least 8 characters"),
        ({"password": "password1"}, "password", "first passwords that anybody would try"),
        ({"role": "owner"}, "role", "Choose one of the listed values."),
        ({"colour": "plaid"}, "colour", "Choose one of the listed colours."),
        ({"emoji": "<b>"}, "emoji", "Choose one emoji."),
    ],
)
def test_bad_input_is_told_beside_its_field_and_kept(
    anna: Browser, db: Database, typed: dict[str, str], field: str, sentence: str
) -> None:
    good = {"name": "Cleo", "password": OTHER, "role": "member", "colour": "blue", "emoji": ""}
    answer = anna.post("/people/add", **(good | typed))
    assert answer.status_code == 422
    assert sentence in answer.text and f'href="#{field}"' in answer.text and 'role="alert"' in answer.text
    assert OTHER not in answer.text  # a password is never sent back
    if "name" not in typed:
        assert 'value="Cleo"' in answer.text
    with db.reading() as session:
        assert sign_ins.find(session, "Cleo") is None  # the picture was wrong: nobody was added, either


def test_a_name_cannot_smuggle_markup_into_the_page(anna: Browser, person: Callable[..., User]) -> None:
    person("<script>x</script>")
    assert "<script>x" not in anna.get("/people/").text and "&lt;script&gt;x" in anna.get("/people/").text


def test_making_somebody_an_admin_asks_for_ones_own_password(anna: Browser, db: Database) -> None:
    wish = {"name": "Ben", "role": "admin", "colour": "green", "emoji": ""}
    assert "This is not your password." in anna.post("/people/2", **wish).text
    assert now(db, 2).role is Role.MEMBER
    assert anna.post("/people/2", **wish, own_password=PASSWORD).status_code == 303
    assert now(db, 2).role is Role.ADMIN
    added = anna.post("/people/add", name="Eve", password=OTHER, role="admin", colour="blue", emoji="")
    assert added.status_code == 422 and "This is not your password." in added.text


def test_name_and_picture_are_changed_and_the_folder_stays(anna: Browser, db: Database) -> None:
    anna.post("/people/2", name="Benjamin", role="member", colour="violet", emoji="🐻")
    ben = now(db, 2)
    assert (ben.name, ben.folder, ben.colour, ben.emoji) == ("Benjamin", "Ben", "violet", "🐻")


def test_the_only_admin_stays_one(anna: Browser, db: Database) -> None:
    for answer in (
        anna.post("/people/1", name="Anna", role="member", colour="blue", emoji=""),
        anna.post("/people/1/remove", fate="keep", own_password=PASSWORD),
        anna.post("/people/1/disable"),
    ):
        assert answer.status_code == 409
        assert "Anna is the only admin." in answer.text and "Make somebody else an admin first." in answer.text
    assert now(db, 1).role is Role.ADMIN and now(db, 1).state is UserState.ACTIVE


def test_somebody_is_kept_out_and_let_in_again(anna: Browser, app: Flask, db: Database) -> None:
    ben = Browser(app, "Ben")
    assert anna.post("/people/2/disable").status_code == 303
    assert ben.get("/account").headers["Location"].startswith("/sign-in")
    assert "kept out" in anna.get("/people/").text
    assert anna.post("/people/2/enable").status_code == 303
    assert Browser(app, "Ben").get("/account").status_code == 200


def test_a_new_password_ends_every_sign_in_and_key(anna: Browser, app: Flask, db: Database) -> None:
    ben = Browser(app, "Ben")
    with db.writing() as session:
        session.add(ApiToken(token_hash="x", user_id=2, name="x"))
    assert anna.post("/people/2/password", new_password=OTHER, own_password="wrong").status_code == 422
    assert anna.post("/people/2/password", new_password="short", own_password=PASSWORD).status_code == 422
    assert ben.get("/account").status_code == 200
    assert anna.post("/people/2/password", new_password=OTHER, own_password=PASSWORD).status_code == 303
    assert ben.get("/account").status_code == 302
    with db.reading() as session:
        assert session.query(ApiToken).count() == 0
    assert Browser(app, "Ben", OTHER).get("/account").status_code == 200


def test_guesses_at_ones_own_password_are_slowed_down(anna: Browser) -> None:
    statuses = [
        anna.post("/people/2/password", new_password=OTHER, own_password=f"guess {n}").status_code for n in range(6)
    ]
    assert statuses == [422] * 5 + [429]


@pytest.mark.parametrize(
    ("fate", "state"), [("keep", UserState.REMOVED), ("archive", UserState.ARCHIVED), ("hand_over", UserState.DISABLED)]
)
def test_somebody_is_removed_and_their_files_meet_the_fate_that_was_chosen(
    anna: Browser, app: Flask, db: Database, person: Callable[..., User], fate: str, state: UserState
) -> None:
    cleo, ben = person("Cleo"), Browser(app, "Ben")
    page = anna.get("/people/2/remove").text
    assert "no file is deleted" in page and page.count('name="fate"') == 3
    assert anna.post("/people/2/remove", fate=fate, heir=str(cleo.id)).status_code == 422  # no password of one's own
    answer = anna.post("/people/2/remove", fate=fate, heir=str(cleo.id), own_password=PASSWORD)
    assert "Ben was removed." in anna.follow(answer)
    assert now(db, 2).state is state
    assert ben.get("/account").status_code == 302
    with db.reading() as session:
        jobs = session.query(Job).all()
        assert [job.arguments for job in jobs] == ([{"user_id": 2, "heir_id": cleo.id}] if fate == "hand_over" else [])


@pytest.mark.parametrize("heir", ["", "2", "99", "x", "9" * 30, "²"])
def test_nobody_is_removed_while_the_heir_is_unclear(anna: Browser, db: Database, heir: str) -> None:
    answer = anna.post("/people/2/remove", fate="hand_over", heir=heir, own_password=PASSWORD)
    assert answer.status_code == 422 and "Choose who gets the files." in answer.text
    assert now(db, 2).state is UserState.ACTIVE


def test_one_browser_is_signed_out_or_all(anna: Browser, app: Flask, db: Database) -> None:
    first, second, third = (Browser(app, "Ben") for _ in range(3))
    with db.reading() as session:
        rows = sign_ins.listing(session, 2)
    assert anna.post(f"/people/2/sign-ins/{rows[-1].id}/end").status_code == 303
    assert [b.get("/account").status_code for b in (first, second, third)] == [302, 200, 200]
    assert anna.post("/people/2/sign-ins/end").status_code == 303
    assert [b.get("/account").status_code for b in (first, second, third)] == [302, 302, 302]
    assert anna.post("/people/1/sign-ins/end").status_code == 303
    assert anna.get("/people/1").status_code == 200  # but not the browser that asked


def test_a_sign_in_of_somebody_else_is_not_found_under_this_person(anna: Browser, db: Database) -> None:
    with db.reading() as session:
        own = sign_ins.listing(session, 1)[0]
    assert anna.post(f"/people/2/sign-ins/{own.id}/end").status_code == 404
    assert anna.get("/people/1").status_code == 200


@pytest.mark.parametrize("user_id", ["99", "0", "9" * 25])
def test_nobody_of_this_number_is_told_as_such(anna: Browser, user_id: str) -> None:
    assert anna.get(f"/people/{user_id}").status_code == 404
    assert anna.post(f"/people/{user_id}/remove", fate="keep", own_password=PASSWORD).status_code in (404, 405)


def test_what_was_done_is_in_the_history_without_any_password(anna: Browser, db: Database) -> None:
    anna.post("/people/add", name="Zoë", password=OTHER, role="member", colour="rose", emoji="")
    anna.post("/people/2/password", new_password=OTHER, own_password=PASSWORD)
    with db.reading() as session:
        told = [(event.kind, str(event.message), event.actor_id) for event in events.listing(session, room="people")]
    assert ("people.added", "Zoë was added.", 1) in told
    assert ("people.password_reset", "Ben got a new password.", 1) in told
    assert OTHER not in repr(told) and PASSWORD not in repr(told)
