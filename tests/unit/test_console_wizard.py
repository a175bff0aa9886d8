"""The wizard without JavaScript: the claim and its refusals, and that it goes on where somebody left it."""

import pytest
from flask import Flask
from sqlalchemy import select

from appliance import identity
from appliance.db import Database
from appliance.drives import inventory
from appliance.drives.inventory import Inventory
from appliance.drives.models import Drive, DriveRole
from appliance.jobs.models import Schedule
from appliance.people.models import Role, User
from appliance.places import Places
from tests.browsers import TOKEN, Browser

PASSWORD = "seven green wooden boats"


@pytest.fixture
def visitor(app: Flask) -> Browser:
    """Somebody in front of a box that nobody has claimed."""
    browser = Browser(app)
    found = TOKEN.search(browser.get("/wizard").text)
    assert found
    browser.csrf = found[1]
    return browser


def typed(code: str, **more: str) -> dict[str, str]:
    """The claim form, filled in well."""
    form = {"code": code, "name": "Anna", "password": PASSWORD, "again": PASSWORD, "colour": "rose", "emoji": "🦊"}
    return form | more


def hand_over(db: Database, role: DriveRole) -> None:
    """As if a drive had been handed over."""
    with db.writing() as session:
        unique = {"marker_id": role.value, "filesystem_uuid": role.value, "name": f"The {role.value} drive"}
        session.add(Drive(role=role, number=1, colour="blue", filesystem="ext4", size=10**9, **unique))


def test_every_page_leads_to_the_claim_until_somebody_made_it(visitor: Browser) -> None:
    for page in ("/", "/drives/", "/sign-in"):
        assert visitor.get(page).location == "/wizard"
    assert visitor.get("/wizard/hot").status_code in (302, 401)


def test_the_label_fills_in_the_code(visitor: Browser) -> None:
    assert 'value="ABCDE-FGHJK"' in visitor.get("/wizard?code=ABCDE-FGHJK").text
    assert '"><script>' not in visitor.get('/wizard?code="><script>').text


def test_the_claim_makes_an_admin_and_signs_the_browser_in(visitor: Browser, db: Database, claim_code: str) -> None:
    answer = visitor.post("/wizard", **typed(claim_code.lower().replace("-", " ")))
    assert answer.status_code == 303 and answer.location == "/wizard/next"
    assert visitor.get("/wizard/next").location == "/wizard/hot"
    with db.reading() as session:
        anna = session.scalars(select(User)).one()
    assert (anna.name, anna.role, anna.colour, anna.emoji) == ("Anna", Role.ADMIN, "rose", "🦊")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"code": "AAAAA-AAAAA-AAAAA-AAAAA"}, "This is not the code on this station"),
        ({"code": ""}, "This is not the code on this station"),
        ({"name": " "}, "Enter a name."),
        ({"password": "short", "again": "short"}, "at least 8 characters"),
        ({"again": "something else"}, "The two passwords are not the same."),
        ({"colour": "plaid"}, "Choose one of the listed colours."),
        ({"emoji": "<b>"}, "Choose one emoji."),
    ],
)
def test_a_wrong_claim_is_told_kept_and_changes_nothing(
    visitor: Browser, db: Database, claim_code: str, wrong: dict[str, str], sentence: str
) -> None:
    answer = visitor.post("/wizard", **(typed(claim_code) | wrong))
    assert answer.status_code == 422 and sentence in answer.text and 'role="alert"' in answer.text
    assert PASSWORD not in answer.text
    if "name" not in wrong:
        assert 'value="Anna"' in answer.text
    with db.reading() as session:
        assert session.scalars(select(User)).first() is None


def test_a_form_with_fields_missing_is_an_answer_not_a_bug(visitor: Browser) -> None:
    assert visitor.post("/wizard").status_code == 422
    assert visitor.post("/wizard", code="x").status_code == 422


def test_the_code_is_good_for_one_claim(app: Flask, visitor: Browser, db: Database, claim_code: str) -> None:
    visitor.post("/wizard", **typed(claim_code))
    second = Browser(app)
    second.csrf = TOKEN.search(second.get("/sign-in").text)[1]  # type: ignore[index]
    answer = second.post("/wizard", **typed(claim_code, name="Eve"))
    assert answer.status_code == 303
    with db.reading() as session:
        assert [user.name for user in session.scalars(select(User))] == ["Anna"]
    assert "/sign-in" in second.get("/wizard/next").location


def test_guessing_the_code_is_slowed_down(visitor: Browser) -> None:
    answers = [visitor.post("/wizard", **typed(f"{n:05}-AAAAA-AAAAA-AAAAA")).status_code for n in range(8)]
    assert answers[0] == 422 and answers[-1] == 429


def test_the_wizard_goes_on_where_it_was_left(visitor: Browser, db: Database, places: Places, claim_code: str) -> None:
    inventory.save(places, Inventory((), 0.0, {}))
    visitor.post("/wizard", **typed(claim_code))
    assert "Plug in a drive" in visitor.get("/wizard/hot").text
    hand_over(db, DriveRole.HOT)
    assert visitor.get("/wizard/next").location == "/wizard/cold"
    assert "Go on without a copy" in visitor.get("/wizard/cold").text
    assert visitor.get("/wizard/schedule").location == "/wizard/cold"
    hand_over(db, DriveRole.COLD)
    assert visitor.get("/wizard/next").location == "/wizard/schedule"
    page = visitor.get("/wizard/schedule").text
    assert 'value="daily" id="rhythm" checked' in page and 'value="03:00"' in page
    found = TOKEN.search(page)
    assert found
    visitor.csrf = found[1]
    assert visitor.post("/wizard/schedule", rhythm="daily", time="3 o'clock").status_code == 422
    assert visitor.post("/wizard/schedule", rhythm="daily", time="03:00").location == "/wizard/first"
    with db.reading() as session:
        assert session.scalars(select(Schedule)).one().cron == "0 3 * * *"
    assert visitor.get("/wizard/next").location == "/wizard/first"
    assert "Ready, Anna" in visitor.get("/wizard/first").text


def test_an_identity_without_its_code_still_shows_the_form(visitor: Browser, places: Places) -> None:
    assert identity.create(places) is None
    assert "Claim code" in visitor.get("/wizard").text
