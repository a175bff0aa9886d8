"""The page "Phone": choose photos, send only what is new, and see that it is all there."""

import secrets
from typing import Any

from flask import Blueprint, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from appliance.errors import ApplianceError
from appliance.phones import kept, ledger
from appliance.phones.audit import Report, State
from appliance.phones.models import Phone
from console.access import csrf, me, public, signed_in
from console.shell import done, not_done, show
from console.station import station

blueprint = Blueprint("phone", __name__, template_folder="templates", url_prefix="/phone")
COOKIE = "phone"  # which phone this browser is; it says nothing of anybody
YEARS = 10 * 31_536_000  # seconds
ROUNDS = 10  # shown


@blueprint.get("/")
@signed_in
def page() -> ResponseReturnValue:
    """Everything a phone needs on one page; what is safe comes a moment later, since a long list takes one."""
    key = _this_key() or secrets.token_hex(16)
    response = make_response(show("phone/page.html", missed="missed" in request.args, problems={}, key=key))
    secure = request.is_secure
    response.set_cookie(COOKIE, key, max_age=YEARS, samesite="Strict", httponly=True, secure=secure)
    return response


def _this_key() -> str:
    """What this browser calls itself, "" when it has no name yet."""
    key = request.cookies.get(COOKIE, "")
    return key if ledger.KEY.fullmatch(key) else ""


@blueprint.get("/ledger")
@signed_in
def safe() -> ResponseReturnValue:
    """What of a phone is safe, what is not, what may leave it, and its last rounds."""
    key = request.args.get("phone", "") or _this_key()
    with station().db.reading() as session:
        phones = ledger.listing(session, me().id)
        phone = next((one for one in phones if one.key == key), None)
        stale = phone is not None and kept.wanted(session, phone)
    if phone and stale:
        with station().db.writing() as session:
            kept.start(session, phone)
    with station().db.reading() as session:
        context = _of(session, phone) if phone else {"report": None, "rounds": []}
    others = [one for one in phones if one.key != key]
    return show("phone/ledger.html", "ledger", phone=phone, others=others, this=key == _this_key(), **context)


def _of(session: Session, phone: Phone) -> dict[str, Any]:
    made, when, again = kept.latest(session, station().places, me(), phone)
    unsafe = [(name, why(state)) for name, state in made.unsafe]
    rounds = ledger.rounds(session, phone.id, ROUNDS)
    asked = {"made": when, "again": again, "long": ledger.count(session, phone.id) > kept.AT_ONCE}
    facts = {"report": made, "unsafe": unsafe, "sentence": sentence(made), "more": more(made), "rounds": rounds}
    return facts | asked


def sentence(report: Report) -> str:
    """``12,481 of 12,481 are safe``."""
    words = gettext("%(safe)s of %(total)s are safe")
    return words % {"safe": f"{report.safe:,}", "total": f"{report.total:,}"}


def more(report: Report) -> list[str]:
    """``12,470 in 3 copies``, and what was deleted here."""
    said = [
        gettext("%(number)s in %(copies)s copies", number=f"{number:,}", copies=copies)
        for copies, number in sorted(report.in_copies.items(), reverse=True)
    ]
    if report.left:
        count = f"{report.left:,}"
        words = ngettext("%(number)s has left the phone", "%(number)s have left the phone", report.left, number=count)
        said.append(words)
    if deleted := report.states[State.DELETED]:
        said.append(
            ngettext(
                "%(number)s more was deleted here and is not sent again",
                "%(number)s more were deleted here and are not sent again",
                deleted,
                number=f"{deleted:,}",
            )
        )
    return said


def why(state: State) -> str:
    """Why something is not safe, in a person's words."""
    return {
        State.ONE_COPY: gettext("in one copy only; the next backup makes the second"),
        State.DAMAGED: gettext("damaged on the drive; choose it again, or let the copy repair it"),
        State.AWAY: gettext("on a drive that is not connected"),
        State.MISSING: gettext("never arrived; choose it again"),
    }.get(state, "")


@blueprint.post("/<key>/name")
@signed_in
def rename(key: str) -> ResponseReturnValue:
    """Call a phone as its owner does."""
    try:
        with station().db.writing() as session:
            ledger.rename(ledger.get(session, me().id, key), request.form.get("name", ""))
    except ApplianceError as error:
        return not_done(error, ".safe", phone=key)
    return done(gettext("Saved."), ".safe", phone=key)


@blueprint.post("/<key>/forget")
@signed_in
def forget(key: str) -> ResponseReturnValue:
    """A phone that is no longer there; no photo is touched."""
    with station().db.writing() as session:
        ledger.remove(session, ledger.get(session, me().id, key))
    return done(gettext("The phone is forgotten. All its photos are still here."), ".page")


@blueprint.post("/share")
@public
def shared() -> ResponseReturnValue:
    """Photos shared from the gallery before the app's own script was there to take them: nothing is kept, and told so.

    Usually the service worker takes them and this is never asked.  Nothing changes here, so no token is needed.
    """
    return redirect(url_for(".page", missed=1), 303)


csrf.exempt(shared)
