"""Who calls the API: a signed-in browser (then every change needs its ``X-CSRFToken``), or an API token.

``Authorization: Bearer everpx_…`` works under ``/api/`` and for ``/metrics`` only; no other site can make a browser
send it, so it needs no CSRF token.  Blueprints with views under ``/api/`` call :func:`protect` once.

Who a token belongs to is remembered for two seconds, because a phone sends it with every photo.  Whatever request of
this process might end a token or a person forgets them all at once; what another process ends takes the two seconds.
"""

import time
from typing import cast

from flask import Blueprint, Request, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from flask_login import current_user
from sqlalchemy.orm import Session

from appliance.people import service, tokens
from appliance.people.models import ApiToken, User
from console.access import Person, by, csrf, looked_up, me, person
from console.station import station

PATHS = ("/api/", "/internal/", "/metrics")
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
UPLOADS = "tus"  # the blueprint whose requests bring files, and end nobody
REMEMBERED_S, MOST_REMEMBERED = 2.0, 100


class TokenPerson(Person):
    """Somebody who came with an API token: there is no sign-in, only the token."""

    def __init__(self, user: User, token: ApiToken) -> None:
        self.user, self.token = user, token

    def get_id(self) -> str:
        """Never asked for: a token is not kept in a cookie."""
        raise LookupError("an API token is no sign-in")


def protect(blueprint: Blueprint) -> None:
    """Let a blueprint take API tokens, and ask its browsers for their CSRF token."""
    csrf.exempt(blueprint)  # the general check knows only forms; _guard asks instead
    blueprint.before_request(_guard)
    blueprint.record_once(_install)


def by_token() -> bool:
    """Whether this request came with a good API token."""
    return isinstance(current_user._get_current_object(), TokenPerson)


def sign_in_id() -> int | None:
    """The browser sign-in of this request, None for an API token."""
    return None if by_token() else person().sign_in.id


def confirm(session: Session, own_password: str) -> None:
    """Before something grave: an unattended browser is not enough, it takes the caller's own password.

    A token is a program's, which nobody leaves lying open.  Call it before anything is changed.  Raises WrongPassword
    for the field ``own_password``, or TooManyGuesses.
    """
    if not by_token():
        service.confirm(session, by(), session.get_one(User, me().id), own_password, "own_password")


def _guard() -> None:
    if request.method not in SAFE and current_user.is_authenticated and not by_token():
        csrf.protect()


class Remembered:
    """Tokens that were found good a moment ago, in one process."""

    def __init__(self) -> None:
        self._people: dict[str, tuple[float, TokenPerson]] = {}

    def get(self, text: str) -> TokenPerson | None:
        """Who came with this token less than two seconds ago."""
        until, known = self._people.get(text, (0.0, None))
        return known if until > time.monotonic() else None

    def keep(self, text: str, known: TokenPerson) -> None:
        """From now on, for two seconds."""
        if len(self._people) >= MOST_REMEMBERED:
            self._people.clear()
        self._people[text] = (time.monotonic() + REMEMBERED_S, known)

    def after(self, response: Response) -> Response:
        """Forget everybody when a request may have ended a token or a person."""
        if request.method not in SAFE and request.blueprint != UPLOADS:
            self._people.clear()
        return response


def _install(state: BlueprintSetupState) -> None:
    app = state.app
    if "everpx.remembered" not in app.extensions:
        app.extensions["everpx.remembered"] = Remembered()
        app.after_request(app.extensions["everpx.remembered"].after)
    app.login_manager.request_loader(_load)  # type: ignore[attr-defined]


def _load(asked: Request) -> TokenPerson | None:
    scheme, _, text = asked.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not asked.path.startswith(PATHS):
        return None
    remembered: Remembered = current_app.extensions["everpx.remembered"]
    if (known := remembered.get(text)) is None and (known := _look_up(text)) is not None:
        remembered.keep(text, known)
    return known


def _look_up(text: str) -> TokenPerson | None:
    found = looked_up(lambda session: tokens.who(session, text.strip()))
    if found is None:
        return None
    if tokens.is_stale(found[1]):
        with station().db.noting() as session:
            tokens.touch(session, found[1].id)
    return TokenPerson(*found)


def token_of_request() -> ApiToken:
    """The API token of this request; only where :func:`by_token`."""
    return cast(TokenPerson, person()).token
