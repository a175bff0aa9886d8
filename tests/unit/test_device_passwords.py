"""Device passwords: made once, let in, throttled, shut out; and never a way into the console."""

from base64 import b64encode

import pytest
from flask import Flask
from sqlalchemy import select

from appliance.db import Database
from appliance.errors import Invalid, NotFound
from appliance.people import device_passwords, service
from appliance.people.audit import By
from appliance.people.models import DevicePassword, User, UserState
from appliance.people.throttle import TooManyGuesses
from console import devices
from tests.browsers import Browser
from tests.callers import PASSWORD


@pytest.fixture(autouse=True)
def _afresh() -> None:
    devices.forget()


@pytest.fixture
def anna(db: Database, quick_passwords: None) -> User:
    with db.writing() as session:
        return service.add(session, By(), name="Anna", password=PASSWORD)


def make(db: Database, user: User, name: str = "Anna’s phone") -> str:
    with db.writing() as session:
        return device_passwords.create(session, By(), user, name)[1]


def basic(name: str, text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{text}".encode()).decode()}


def test_a_new_one_lets_its_person_in_however_it_is_typed(db: Database, anna: User) -> None:
    text = make(db, anna)
    assert len(text.replace("-", "")) == 30
    with db.reading() as session:
        for typed in (text, text.upper(), text.replace("-", " "), text.replace("-", "")):
            found = device_passwords.who(session, "anna", typed)
            assert found is not None and found[0].id == anna.id
        assert device_passwords.who(session, "Ben", text) is None
        assert device_passwords.who(session, "Anna", text[:-1]) is None
        assert device_passwords.who(session, "Anna", PASSWORD) is None
        assert text not in session.scalars(select(DevicePassword.secret_hash)).one()


def test_who_may_not_sign_in_has_no_devices_either(db: Database, anna: User) -> None:
    text = make(db, anna)
    with db.writing() as session:
        session.get_one(User, anna.id).state = UserState.DISABLED
    with db.reading() as session:
        assert device_passwords.who(session, "Anna", text) is None


def test_a_nameless_device_and_too_many_devices_are_refused(db: Database, anna: User) -> None:
    with pytest.raises(Invalid):
        make(db, anna, "  ")
    for number in range(device_passwords.MOST):
        make(db, anna, f"Phone {number}")
    with pytest.raises(Invalid):
        make(db, anna)


def test_only_its_person_can_shut_a_device_out(db: Database, anna: User) -> None:
    text = make(db, anna)
    with db.writing() as session:
        ben = service.add(session, By(), name="Ben", password=PASSWORD)
        row = device_passwords.listing(session, anna.id)[0]
        with pytest.raises(NotFound):
            device_passwords.revoke(session, By(), ben, row.id)
        device_passwords.revoke(session, By(), anna, row.id)
        assert device_passwords.who(session, "Anna", text) is None


def test_its_last_use_is_written_every_five_minutes_at_most(db: Database, anna: User) -> None:
    text = make(db, anna)
    with db.writing() as session:
        row = device_passwords.listing(session, anna.id)[0]
        assert device_passwords.is_stale(row)
        device_passwords.touch(session, row.id)
        assert not device_passwords.is_stale(row)
        row.last_used = row.last_used and row.last_used - device_passwords.TOUCH_EVERY
        found = device_passwords.who(session, "Anna", text)
        assert found is not None and device_passwords.is_stale(found[1])


def test_guessing_is_slowed_down_and_keeps_no_phone_out(app: Flask, db: Database, anna: User) -> None:
    text, client = make(db, anna), app.test_client()
    path = {"X-Everpx-Path": "/dav/a.jpg"}
    wrong = [client.get("/internal/upload-allowed", headers=basic("Anna", f"wrong {n}") | path) for n in range(12)]
    assert {answer.status_code for answer in wrong[:9]} == {401}
    assert wrong[0].headers["WWW-Authenticate"].startswith("Basic")
    assert wrong[-1].status_code == 429
    right = client.get("/internal/upload-allowed", headers=basic("Anna", text) | path)
    assert right.get_json()["error"] == "drive_missing"  # let in, and there is no drive here
    with db.reading() as session, pytest.raises(TooManyGuesses):
        device_passwords.check_guesses(session, "Anna", "127.0.0.1")


def test_it_opens_nothing_of_the_console(app: Flask, db: Database, anna: User) -> None:
    client, headers = app.test_client(), basic("Anna", make(db, anna))
    for path in ("/", "/account", "/photos/", "/api/v1/timeline", "/metrics"):
        assert client.get(path, headers=headers).status_code in (302, 401), path
    allowed = client.get("/internal/upload-allowed", headers=headers | {"X-Everpx-Path": "/api/v1/files/a.jpg"})
    assert allowed.status_code == 401


def test_a_browser_that_is_signed_in_is_no_device(app: Flask, db: Database, anna: User) -> None:
    browser = Browser(app, "Anna")
    answer = browser.client.get("/internal/upload-allowed", headers={"X-Everpx-Path": "/dav/a.jpg"})
    assert answer.status_code == 401


def test_a_person_makes_sees_and_shuts_out_devices_on_the_account_page(app: Flask, db: Database, anna: User) -> None:
    browser = Browser(app, "Anna")
    made = browser.post("/account/devices", device="My phone")
    text = made.text.partition('<code class="secret">')[2].partition("<")[0]
    with db.reading() as session:
        assert device_passwords.who(session, "Anna", text) is not None
    page = browser.get("/account").text
    assert "My phone" in page and text not in page
    assert browser.post("/account/devices", device="").status_code == 422
    with db.reading() as session:
        number = device_passwords.listing(session, anna.id)[0].id
    assert "shut out" in browser.follow(browser.post(f"/account/devices/{number}/end"))
    with db.reading() as session:
        assert device_passwords.who(session, "Anna", text) is None
