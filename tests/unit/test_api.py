"""The REST API as a whole: who gets in, what bad requests are told, and that its description is true."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html import unescape

from flask import Flask
from flask.testing import FlaskClient

from appliance.people.models import Role
from console.api.routes import Endpoint
from tests.callers import PASSWORD, Caller


def sign_in(client: FlaskClient, name: str = "Anna") -> str:
    answer = client.post("/api/v1/session", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 201, answer.json
    return str(answer.json["csrf_token"])


def endpoints(app: Flask) -> list[Endpoint]:
    return [endpoint for room in app.extensions["everpx.api"] for endpoint in room.endpoints]


def address_of(path: str) -> str:
    return "/api/v1" + re.sub(r"<(?:int:)?\w+>", "1", path)


def test_until_the_station_is_claimed_only_claiming_works(app: Flask, claim_code: str) -> None:
    client = app.test_client()
    assert client.get("/api/v1/people").json["error"] == "not_claimed"
    wrong = client.post("/api/v1/claim", json={"code": "AAAAA", "name": "Anna", "password": PASSWORD})
    assert (wrong.status_code, set(wrong.json["problems"])) == (422, {"code"})
    done = client.post("/api/v1/claim", json={"code": claim_code, "name": "Anna", "password": PASSWORD})
    assert (done.status_code, done.json["role"]) == (201, "admin")
    again = client.post("/api/v1/claim", json={"code": claim_code, "name": "Eve", "password": PASSWORD})
    assert (again.status_code, again.json["error"]) == (409, "already_claimed")


def test_every_endpoint_asks_who_calls(app: Flask) -> None:
    app.extensions["everpx.claimed"] = True
    client = app.test_client()
    for endpoint in endpoints(app):
        answer = client.open(address_of(endpoint.path), method=endpoint.method)
        if endpoint.access == "public":
            assert answer.status_code not in (401, 403), endpoint
        else:
            assert (answer.status_code, answer.json["error"]) == (401, "not_signed_in"), endpoint


def test_a_member_is_refused_what_is_an_admins(app: Flask, member: Caller) -> None:
    for endpoint in endpoints(app):
        if (endpoint.method, endpoint.path) == ("DELETE", "/session"):
            continue  # would end the member's token
        answer = member(endpoint.method, address_of(endpoint.path).removeprefix("/api/v1"), {})
        assert (answer.status_code == 403) == (endpoint.access == "admin" or endpoint.path == "/people/<int:user_id>")


def test_a_browser_needs_its_csrf_token_for_every_change(app: Flask, admin: Caller) -> None:
    client = app.test_client()
    csrf = sign_in(client)
    app.config["WTF_CSRF_ENABLED"] = True
    body = {"name": "Cleo", "password": PASSWORD}
    refused = client.post("/api/v1/people", json=body)
    assert refused.status_code == 400 and set(refused.json) == {"error", "message", "hint"}
    assert client.post("/api/v1/people", json=body, headers={"X-CSRFToken": "wrong"}).status_code == 400
    assert client.post("/api/v1/people", json=body, headers={"X-CSRFToken": csrf}).status_code == 201
    assert client.delete("/api/v1/session").status_code == 400
    assert client.delete("/api/v1/session", headers={"X-CSRFToken": csrf}).status_code == 204
    assert client.get("/api/v1/session").status_code == 401


def test_an_unattended_browser_is_not_enough_for_what_is_grave(app: Flask, admin: Caller, member: Caller) -> None:
    client = app.test_client()
    headers = {"X-CSRFToken": sign_in(client)}
    person = f"/api/v1/people/{member.user.id}"
    for method, path, body in (
        ("POST", "/api/v1/people", {"name": "Eve", "password": PASSWORD, "role": "admin"}),
        ("PATCH", person, {"role": "admin", "name": "Benjamin"}),
        ("PUT", f"{person}/password", {"new_password": "three blue boats"}),
        ("POST", f"{person}/removal", {"fate": "keep"}),
        ("POST", "/api/v1/tokens", {"name": "eve"}),
    ):
        answer = client.open(path, method=method, json=body, headers=headers)
        assert (answer.status_code, set(answer.json["problems"])) == (422, {"own_password"}), path
        good = client.open(path, method=method, json=body | {"own_password": PASSWORD}, headers=headers)
        assert good.status_code in (200, 201, 204), (path, good.json)
        client.patch(person, json={"role": "member"}, headers=headers)


def test_a_form_of_a_foreign_page_cannot_sign_anybody_in(app: Flask, admin: Caller) -> None:
    client = app.test_client()
    answer = client.post("/api/v1/session", data={"name": "Anna", "password": PASSWORD})
    assert (answer.status_code, answer.json["error"]) == (415, "not_json")
    plain = client.post("/api/v1/session", data=json.dumps({"name": "Anna"}), content_type="text/plain")
    assert plain.status_code == 415


def test_a_token_opens_the_api_and_nothing_else(app: Flask, member: Caller) -> None:
    headers = {"Authorization": f"Bearer {member.token}"}
    assert member("GET", "/session").json["by_token"] is True
    assert app.test_client().get("/account", headers=headers).status_code == 302
    for bad in ("Bearer", "Bearer x", f"Basic {member.token}", f"Bearer {member.token}x", "Bearer \udcff"):
        answer = app.test_client().get("/api/v1/session", headers={"Authorization": bad})
        assert answer.status_code == 401


BAD_BODIES: list[tuple[bytes, int, str]] = [
    (b"", 422, "invalid_input"),
    (b"{", 400, "bad_json"),
    (b"\xff\xfe", 400, "bad_json"),
    (b"[" * 100_000, 400, "bad_json"),
    (b"9" * 5000, 400, "bad_json"),
    (b"[]", 422, "invalid_input"),
    (b"null", 422, "invalid_input"),
    (b'{"name": "' + b"x" * 2_000_000 + b'"}', 413, "too_large"),
    (b'{"name": "\\ud800", "password": "four quiet red bicycles"}', 422, "invalid_input"),
    (b'{"name": 7, "password": null, "role": "king", "more": 1}', 422, "invalid_input"),
]


def test_a_bad_body_is_told_what_is_wrong_with_it(admin: Caller) -> None:
    for body, status, error in BAD_BODIES:
        answer = admin("POST", "/people", data=body, content_type="application/json")
        assert (answer.status_code, answer.json["error"]) == (status, error), body[:40]
        assert answer.json["message"] and "hint" in answer.json


def test_every_bad_field_is_named_at_once(admin: Caller) -> None:
    answer = admin("POST", "/people", {"name": 7, "role": "king", "more": 1})
    assert set(answer.json["problems"]) == {"name", "password", "role", "more"}
    assert "admin, member" in answer.json["problems"]["role"]


def test_a_number_no_database_can_hold_is_no_mistake_of_ours(admin: Caller) -> None:
    assert admin("GET", f"/people/{2**63}").status_code == 404
    assert admin("GET", f"/events?before={2**63}").status_code == 422
    assert admin("GET", "/events?before=NaN&limit=-4").json["problems"].keys() == {"before"}


def test_what_is_not_there_is_told_in_the_same_shape(admin: Caller) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("POST", "/events", 405), ("GET", "/people/77", 404)):
        answer = admin(method, path)
        assert answer.status_code == status and {"error", "message", "hint"} <= set(answer.json)


def test_the_description_is_valid_openapi_and_names_every_route(app: Flask, admin: Caller) -> None:
    from openapi_spec_validator import validate

    document = admin("GET", "/openapi.json").json
    validate(document)
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations.keys() - {"head", "options"}
    }
    real = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix("/api/v1")))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert described == real - {("GET", "/"), ("GET", "/openapi.json")}
    names = [o["operationId"] for operations in document["paths"].values() for o in operations.values()]
    assert len(names) == len(set(names))


def test_people_can_read_what_there_is(app: Flask, admin: Caller) -> None:
    client = app.test_client()
    sign_in(client)
    page = client.get("/api/v1/")
    assert page.status_code == 200
    assert all(f"{endpoint.summary}" in unescape(page.text) for endpoint in endpoints(app))
    assert "/<wbr>people/<wbr>&lt;int:user_id&gt;" in page.text


def test_nothing_is_changed_by_get(app: Flask) -> None:
    assert not [e for e in endpoints(app) if e.method == "GET" and e.status != 200]


def test_pydantic_is_loaded_only_for_the_description() -> None:
    code = "import sys, console.api.views; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_errors_are_in_the_readers_language_where_there_is_one(admin: Caller, caller: Callable[..., Caller]) -> None:
    assert admin("PUT", "/session/language", {"language": "zh"}).json["language"] == "zh"
    assert admin("PUT", "/session/language", {"language": "klingon"}).json["language"] == ""
    assert caller("Cleo", Role.ADMIN)("GET", "/people").status_code == 200
