"""What surrounds every page: marks, hosts, cookies, errors, the way to the sign-in page and back, guesses."""

from pathlib import Path

import pytest
from flask import Flask

from appliance import identity
from appliance.db import Database
from appliance.people import service
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from appliance.settings import SettingRow
from console.access import ADMIN, PUBLIC, SIGNED_IN, access_of
from console.app import create_app
from tests.browsers import Browser
from tests.callers import PASSWORD


@pytest.fixture
def family(app: Flask, db: Database) -> Flask:
    """The console of a station with Anna, its admin, and Ben."""
    with db.writing() as session:
        service.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
        service.add(session, By(), name="Ben", password=PASSWORD)
    return app


# ---- marks


def test_every_view_says_who_may_see_it(app: Flask) -> None:
    unmarked = [e for e in app.view_functions if access_of(app, e) not in (PUBLIC, SIGNED_IN, ADMIN)]
    assert unmarked
    assert {endpoint.rpartition(".")[2] for endpoint in unmarked} == {"static"}


def test_a_view_that_somebody_forgot_to_mark_is_shut_for_everybody(family: Flask) -> None:
    family.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    for name in ("", "Ben", "Anna"):
        answer = Browser(family, name).get("/forgotten")
        assert answer.status_code in (302, 403) and "secret" not in answer.text


# ---- before anybody has claimed the station


@pytest.mark.parametrize("path", ["/", "/people/", "/sign-in", "/system/settings", "/photos/"])
def test_until_the_station_is_claimed_every_page_leads_to_the_wizard(app: Flask, path: str) -> None:
    answer = app.test_client().get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/wizard")


# ---- hosts


@pytest.mark.parametrize(
    ("host", "welcome"),
    [
        ("localhost", True),
        ("localhost:8080", True),
        ("everpx.local", True),
        ("192.168.1.20:8080", True),
        ("[fe80::1]:8080", True),
        ("evil.example", False),
        ("evil.example:8080", False),
        ("192.168.1.20.evil.example", False),
        ("everpx.local.evil.example", False),
        ("localhost.evil.example", False),
        ("nas.our-family.example", False),
        ("", False),
    ],
)
def test_only_names_of_this_station_are_answered(family: Flask, host: str, welcome: bool) -> None:
    answer = family.test_client().get("/sign-in", headers={"Host": host})
    assert answer.status_code == (200 if welcome else 421) or (not welcome and answer.status_code == 400)
    assert ("Anna" in answer.text) == welcome


def test_an_admin_may_allow_a_name_of_ones_own(family: Flask, db: Database) -> None:
    with db.writing() as session:
        session.add(SettingRow(key="console.host_names", value="NAS.our-family.example, other.example"))
    client = family.test_client()
    assert client.get("/sign-in", headers={"Host": "nas.our-family.example"}).status_code == 200
    assert client.get("/sign-in", headers={"Host": "evil.example"}).status_code == 421


def test_a_stranger_cannot_choose_the_address_that_pages_link_to(family: Flask) -> None:
    answer = family.test_client().get("/account", headers={"Host": "localhost", "X-Forwarded-Host": "evil.example"})
    assert "evil.example" not in answer.headers["Location"]


# ---- the way to the sign-in page and back


def test_after_signing_in_one_is_where_one_wanted_to_go(family: Flask) -> None:
    browser = Browser(family)
    asked = browser.get("/people/?a=1")
    assert asked.headers["Location"] == "/sign-in?next=/people/?a%3D1"
    page = browser.get(asked.headers["Location"]).text
    assert 'name="next" value="/people/?a=1"' in page
    answer = browser.post("/sign-in", name="Anna", password=PASSWORD, next="/people/?a=1")
    assert answer.headers["Location"] == "/people/?a=1"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "///evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "evil.example",
        "http:evil.example",
    ],
)
def test_nobody_is_sent_to_another_host_after_signing_in(family: Flask, elsewhere: str) -> None:
    answer = Browser(family).post("/sign-in", name="Anna", password=PASSWORD, next=elsewhere)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_a_form_that_is_sent_after_the_sign_in_has_ended_leads_to_the_sign_in_page(family: Flask, db: Database) -> None:
    first, second = Browser(family, "Ben"), Browser(family, "Ben")
    first.post("/account/sign-ins/end-others")
    answer = second.post("/account/language", language="zh")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")


def test_a_part_of_a_page_leads_the_whole_page_to_the_sign_in(family: Flask) -> None:
    answer = family.test_client().get("/activity/drawer", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/sign-in")


# ---- cookies


def test_the_cookie_is_only_for_this_host_and_no_script(family: Flask) -> None:
    (cookie,) = family.test_client().get("/sign-in").headers.getlist("Set-Cookie")
    parts = {part.strip() for part in cookie.split(";")}
    assert cookie.startswith("everpx=") and {"HttpOnly", "SameSite=Strict", "Path=/"} <= parts
    assert not any(part.startswith("Domain") for part in parts)


def test_behind_https_the_cookie_is_tied_to_it(family: Flask) -> None:
    (cookie,) = family.test_client().get("/sign-in", base_url="https://localhost").headers.getlist("Set-Cookie")
    parts = {part.strip() for part in cookie.split(";")}
    assert cookie.startswith("__Host-everpx=") and {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= parts


def test_signing_in_changes_the_cookie_and_signing_out_ends_it_at_the_station(family: Flask) -> None:
    browser = Browser(family)
    before = browser.client.get_cookie("everpx")
    browser.post("/sign-in", name="Ben", password=PASSWORD)
    after = browser.client.get_cookie("everpx")
    assert before is not None and after is not None and before.value != after.value
    signed_in = Browser(family, "Ben")
    stolen = signed_in.client.get_cookie("everpx")
    assert stolen is not None
    signed_in.post("/sign-out")
    thief = family.test_client()
    thief.set_cookie("everpx", stolen.value)
    assert thief.get("/account").status_code == 302


def test_a_cookie_of_another_station_is_worth_nothing(family: Flask, places: Places) -> None:
    cookie = Browser(family, "Anna").client.get_cookie("everpx")
    assert cookie is not None
    places.secret_key.unlink()
    identity.secret_key(places)
    other = create_app(places)
    client = other.test_client()
    client.set_cookie("everpx", cookie.value)
    assert client.get("/account").status_code == 302
    other.extensions["everpx"].db.close()


# ---- guesses


def test_guesses_are_slowed_down_even_across_a_restart_and_others_sign_in_meanwhile(
    family: Flask, places: Places
) -> None:
    guesser = Browser(family)
    statuses = [guesser.post("/sign-in", name="Anna", password=f"guess {n}").status_code for n in range(6)]
    assert statuses == [401] * 5 + [429]
    restarted = create_app(places)
    again = Browser(restarted).post("/sign-in", name="Anna", password=PASSWORD)
    assert again.status_code == 429 and "Please wait" in again.text
    assert Browser(restarted, "Ben").get("/account").status_code == 200
    restarted.extensions["everpx"].db.close()


# ---- errors


def test_what_is_not_there_or_not_taken_is_said_in_words(family: Flask) -> None:
    anna = Browser(family, "Anna")
    missing = anna.get("/nowhere")
    assert missing.status_code == 404 and "There is nothing at this address." in missing.text
    refused = anna.client.delete("/people/")
    assert refused.status_code == 405 and "This address does not take that." in refused.text
    assert "Traceback" not in missing.text + refused.text


def test_a_bug_is_a_sentence_for_people_and_a_line_for_the_log(family: Flask, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> str:
        raise RuntimeError("inner secret")

    family.testing = False
    family.config["PROPAGATE_EXCEPTIONS"] = False
    broken.everpx_access = PUBLIC  # type: ignore[attr-defined]
    family.add_url_rule("/broken", "broken", broken)
    answer = family.test_client().get("/broken")
    assert answer.status_code == 500 and "your files are not affected" in answer.text
    assert "inner secret" not in answer.text and "inner secret" in caplog.text


def test_a_form_of_a_foreign_page_is_told_to_reload(family: Flask) -> None:
    anna = Browser(family, "Anna")
    answer = anna.client.post("/system/health/look")
    assert answer.status_code == 400 and "reload the page" in answer.text


def test_a_form_larger_than_any_form_is_refused(family: Flask) -> None:
    anna = Browser(family, "Anna")
    family.config["MAX_CONTENT_LENGTH"] = 1000
    assert anna.post("/people/add", name="x" * 2000).status_code == 413


# ---- the two looks of a page: whole, and a part for htmx


def test_htmx_gets_the_part_and_everybody_else_the_page(family: Flask) -> None:
    anna = Browser(family, "Anna")
    whole, part = anna.get("/people/").text, anna.get("/people/", headers={"HX-Request": "true"}).text
    assert "<!doctype html>" in whole and 'id="people"' in whole
    assert "<html" not in part and part.strip().startswith('<ul class="people"')


def test_no_template_has_inline_script_or_style() -> None:
    for template in Path(create_app.__code__.co_filename).parent.rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert "style=" not in text and "<style" not in text and " onclick=" not in text, template
        assert text.count("<script") == text.count("<script src="), template
        assert "|safe" not in text, template
