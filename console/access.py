"""Who may see what: sign-in by flask-login, one decorator per view, and nothing without one.

A view without ``@public``, ``@signed_in`` or ``@admin_only`` is refused to everybody (``guard``), so a forgotten
decorator locks a page instead of opening it.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from flask import Flask, current_app, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from appliance.db import is_the_disk
from appliance.errors import Forbidden, OwnDiskTrouble
from appliance.people import sign_ins
from appliance.people.audit import By
from appliance.people.models import Role, SignIn, User
from console.station import station

View = TypeVar("View", bound=Callable[..., Any])
Found = TypeVar("Found")
PUBLIC, SIGNED_IN, ADMIN = "public", "signed in", "admin"
csrf = CSRFProtect()


class Person(UserMixin):  # type: ignore[misc]
    """The signed-in person; flask-login keeps ``get_id()`` (the sign-in's token) in the signed cookie."""

    def __init__(self, user: User, sign_in: SignIn, token: str) -> None:
        self.user, self.sign_in, self._token = user, sign_in, token

    def get_id(self) -> str:
        """The token of this sign-in, so that revoking the row ends the cookie."""
        return self._token

    @property
    def is_admin(self) -> bool:
        """Whether this person may manage the station."""
        return self.user.role is Role.ADMIN


class _Marked(Protocol):
    everpx_access: str


def _mark(level: str) -> Callable[[View], View]:
    def mark(view: View) -> View:
        cast(_Marked, view).everpx_access = level
        return view

    return mark


public = _mark(PUBLIC)
signed_in = _mark(SIGNED_IN)
admin_only = _mark(ADMIN)


def person() -> Person:
    """The signed-in person; only in views that are not public."""
    return cast(Person, current_user._get_current_object())


def me() -> User:
    """The signed-in user's row (detached)."""
    return person().user


def by() -> By:
    """Who acts and from where, as the people room's audit wants it."""
    return By(me().id, address())


def access_of(app: Flask, endpoint: str) -> str | None:
    """The level a view is marked with, None when it is not."""
    return getattr(app.view_functions.get(endpoint), "everpx_access", None)


class Sessions(SecureCookieSessionInterface):
    """By https the cookie is one that browsers send by https alone, and take from nobody else (``__Host-``)."""

    def get_cookie_name(self, app: Flask) -> str:
        """Two names, so that neither line ends the sign-in of the other."""
        return "__Host-everpx" if request.is_secure else "everpx"

    def get_cookie_secure(self, app: Flask) -> bool:
        """As this request came."""
        return request.is_secure


def install(app: Flask) -> None:
    """Make the application ask, before each view, whether this person may."""
    manager = LoginManager()
    manager.session_protection = None  # phones change address; the token's row is what counts
    manager.init_app(app)
    manager.user_loader(_load)
    csrf.init_app(app)
    app.before_request(guard)


def looked_up(find: Callable[[Session], Found | None]) -> Found | None:
    """Who asks; nobody where the station's own disk cannot be read, which :func:`guard` then says."""
    try:
        with station().db.reading() as db_session:
            return find(db_session)
    except DBAPIError as error:
        if not is_the_disk(error):
            raise
        g.own_disk_trouble = True
        return None


def _load(token: str) -> Person | None:
    found = looked_up(lambda db_session: sign_ins.who(db_session, token))
    if found is None:
        return None
    if sign_ins.is_stale(found[1]):
        with station().db.noting() as db_session:
            sign_ins.touch(db_session, found[1].id, address())
    return Person(*found, token)


def address() -> str:
    """Where the request came from, for the audit log and the throttle."""
    return request.remote_addr or ""


def start(user: User, sign_in_token: str, *, stays: bool = True) -> None:
    """Begin a browser's sign-in; call after ``sign_ins.sign_in``.  ``stays``: also when the browser is closed."""
    session.clear()
    session.permanent = stays
    with station().db.reading() as db_session:
        found = sign_ins.who(db_session, sign_in_token)
    assert found is not None and found[0].id == user.id
    login_user(Person(*found, sign_in_token))


def end() -> None:
    """Forget this browser's sign-in; the row is ended by ``sign_ins.sign_out``."""
    logout_user()
    session.clear()


def guard() -> ResponseReturnValue | None:
    """Refuse what the view's mark does not allow."""
    endpoint = request.endpoint
    if endpoint is None:
        return None  # 404 or 405: nothing to guard
    level = PUBLIC if endpoint == "static" or endpoint.endswith(".static") else access_of(current_app, endpoint)
    if level == PUBLIC:
        return None
    if not current_user.is_authenticated:
        if g.get("own_disk_trouble"):
            raise OwnDiskTrouble()
        return _ask_to_sign_in()
    if level == SIGNED_IN or (level == ADMIN and person().is_admin):
        return None
    raise Forbidden()


def _ask_to_sign_in() -> ResponseReturnValue:
    """A program gets a plain 401; a page goes to the sign-in form and comes back; a form that was sent does not."""
    if request.path.startswith(("/api/", "/internal/", "/live", "/metrics")):
        return {"error": "not_signed_in", "message": "Please sign in first.", "hint": ""}, 401
    if request.headers.get("HX-Request"):
        return "", 401, {"HX-Redirect": url_for("session.sign_in_page")}
    if request.method not in ("GET", "HEAD"):
        return redirect(url_for("session.sign_in_page"), 303)
    return redirect(url_for("session.sign_in_page", next=request.full_path.rstrip("?")))
