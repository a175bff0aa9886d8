"""The whole console on a real database, without nginx and without a server."""

from collections.abc import Callable

import pytest
from flask import Flask

from appliance import identity
from appliance.db import Database
from appliance.people import service, tokens
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from tests.callers import PASSWORD, Caller


@pytest.fixture
def claim_code(places: Places) -> str:
    """What is on this station's label."""
    code = identity.create(places)
    assert code
    return code


@pytest.fixture
def app(places: Places, db: Database, claim_code: str, quick_passwords: None) -> Flask:
    """The console of a station that nobody has claimed; root is not there to ask."""
    from console.app import create_app

    built = create_app(places)
    built.testing = True
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
