"""Signing in and out by the API, and what a person may change about themselves."""

from dataclasses import dataclass, field
from datetime import datetime

from flask import request
from flask_wtf.csrf import generate_csrf

from appliance.people import service, sign_ins, tokens
from appliance.people.models import User
from console import access
from console.access import by, me, public
from console.api import auth
from console.api.people import PersonView, person_view
from console.api.routes import route
from console.locale_data import LANGUAGES
from console.station import station


@dataclass(frozen=True)
class SignInForm:
    """Who, and the proof."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class SessionView:
    """The person of this session; a browser sends ``csrf_token`` back as X-CSRFToken with every change."""

    person: PersonView
    csrf_token: str | None
    by_token: bool


@dataclass(frozen=True)
class NewPassword:
    """The old one proves that it is you."""

    old_password: str = field(repr=False)
    new_password: str = field(repr=False)


@dataclass(frozen=True)
class Picture:
    """What stands for a person on the sign-in page."""

    colour: str
    emoji: str = ""


@dataclass(frozen=True)
class Language:
    """``en``, ``zh``, or "" for what the browser asks for."""

    language: str


@dataclass(frozen=True)
class SignInView:
    """A browser that is signed in."""

    id: int
    created: datetime
    last_seen: datetime
    address: str
    browser: str
    here: bool


@route("POST", "/session", summary="Sign in; sets the session cookie", access=public, status=201)
def sign_in(body: SignInForm) -> SessionView:
    """Throttled per account and per source."""
    with station().db.writing() as session:
        browser = request.user_agent.string
        user, token = sign_ins.sign_in(session, body.name, body.password, access.address(), browser)
    access.start(user, token)
    return SessionView(person_view(user), generate_csrf(), False)


@route("GET", "/session", summary="Who is signed in")
def who() -> SessionView:
    """The person, and the CSRF token a browser needs."""
    return SessionView(person_view(me()), None if auth.by_token() else generate_csrf(), auth.by_token())


@route("DELETE", "/session", summary="Sign out; with an API token, revoke that token")
def sign_out() -> None:
    """The cookie or token is worth nothing from then on."""
    with station().db.writing() as session:
        if auth.by_token():
            tokens.revoke(session, by(), me(), auth.token_of_request().id)
            return
        sign_ins.sign_out(session, access.person().get_id())
    access.end()


@route("PUT", "/session/password", summary="Change your password; ends your other sign-ins")
def change_password(body: NewPassword) -> None:
    """The old password is asked for, also with an API token."""
    with station().db.writing() as session:
        user, keep = session.get_one(User, me().id), auth.sign_in_id()
        service.change_password(session, by(), user, body.old_password, body.new_password, keep=keep)


@route("PUT", "/session/picture", summary="Change your picture")
def change_picture(body: Picture) -> PersonView:
    """A colour and, if you like, one emoji."""
    with station().db.writing() as session:
        user = session.get_one(User, me().id)
        service.change_picture(user, body.colour, body.emoji)
        return person_view(user)


@route("PUT", "/session/language", summary="Choose your language")
def change_language(body: Language) -> PersonView:
    """An unknown language follows the browser."""
    with station().db.writing() as session:
        user = session.get_one(User, me().id)
        user.language = body.language if body.language in LANGUAGES else ""
        return person_view(user)


@route("GET", "/session/sign-ins", summary="Where you are signed in")
def listing() -> list[SignInView]:
    """The last used first."""
    with station().db.reading() as session:
        rows = sign_ins.listing(session, me().id)
    here = auth.sign_in_id()
    return [SignInView(r.id, r.created, r.last_seen, r.address, r.browser, r.id == here) for r in rows]


@route("DELETE", "/session/sign-ins/<int:sign_in_id>", summary="Sign one browser out")
def revoke(sign_in_id: int) -> None:
    """Only your own."""
    with station().db.writing() as session:
        sign_ins.revoke(session, by(), me(), sign_in_id)


@route("DELETE", "/session/sign-ins", summary="Sign out everywhere but here")
def revoke_others() -> None:
    """With an API token: everywhere."""
    with station().db.writing() as session:
        sign_ins.revoke_others(session, by(), me(), keep=auth.sign_in_id())
