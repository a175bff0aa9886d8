"""The whole console on a real database, without nginx and without a server."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule

from appliance import identity
from appliance.db import Database
from appliance.people import service, tokens
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from tests.callers import PASSWORD, Caller


class Templates(BytecodeCache):
    """Templates that one application has compiled, for the next: as long as the source is the same, so is the code."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what is there; Jinja compares the checksum of the source."""
        if code := self._code.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it."""
        self._code[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session")
def templates() -> Templates:
    """Compiled once for all tests: that alone took a fifth of the floor's time."""
    return Templates()


@pytest.fixture(scope="session", autouse=True)
def addresses() -> Iterator[None]:
    """What Werkzeug compiles for each rule, kept for the next application: its text is the same for the same rule."""
    made: dict[Any, Any] = {}
    compile_one = Rule._compile_builder

    def once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in made:
            made[key] = compile_one(rule, append_unknown)
        return made[key]  # takes the rule itself, and through it its converters, as an argument

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", once)
        yield


@pytest.fixture
def claim_code(places: Places) -> str:
    """What is on this station's label."""
    code = identity.create(places)
    assert code
    return code


@pytest.fixture
def app(places: Places, db: Database, claim_code: str, quick_passwords: None, templates: Templates) -> Flask:
    """The console of a station that nobody has claimed; root is not there to ask."""
    from console.app import create_app

    built = create_app(places)
    built.testing = True
    built.jinja_env.bytecode_cache = templates
    return built


@pytest.fixture
def caller(app: Flask, db: Database) -> Callable[..., Caller]:
    """``caller("Ben", Role.MEMBER)`` adds a person who calls the API."""

    def make(name: str, role: Role = Role.MEMBER) -> Caller:
        with db.writing() as session:
            user = service.add(session, By(), name=name, password=PASSWORD, role=role)
            token = tokens.create(session, By(), user, "test")[1]
        return Caller(app.test_client(use_cookies=False), user, token)

    return make


@pytest.fixture
def admin(caller: Callable[..., Caller]) -> Caller:
    """An admin with an API token."""
    return caller("Anna", Role.ADMIN)


@pytest.fixture
def member(admin: Caller, caller: Callable[..., Caller]) -> Caller:
    """A member with an API token."""
    return caller("Ben")
