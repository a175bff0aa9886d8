"""How a page is made: one template, one named block for htmx, errors in words, and the shell around it."""

from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user
from htmx_flask import Htmx
from htmx_flask import request as htmx_request
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from appliance.db import is_the_disk
from appliance.errors import ApplianceError, Invalid, OwnDiskTrouble
from appliance.health.models import Issue, Severity
from appliance.jobs.models import ACTIVE, Job
from appliance.words import Message
from console.station import station
from console.translate import say

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)


@dataclass(frozen=True)
class Tab:
    """One entry of the navigation."""

    endpoint: str
    icon: str
    title: str
    admin: bool = False
    on_phone: bool = True  # in the bottom bar; the rest is under "More"


def tabs() -> list[Tab]:
    """What this person can go to, in order."""
    every = [
        Tab("home.page", "house", gettext("Home")),
        Tab("library.photos", "images", gettext("Photos")),
        Tab("albums.page", "book-image", gettext("Albums")),
        Tab("files.page", "folder", gettext("Files"), on_phone=not current_user.is_admin),
        Tab("phone.page", "smartphone", gettext("Phone")),
        Tab("library.upload", "upload", gettext("Upload"), on_phone=False),
        Tab("drives.page", "hard-drive", gettext("Drives"), admin=True),
        Tab("backup.page", "shield-check", gettext("Backup"), admin=True, on_phone=False),
        Tab("people.page", "users", gettext("People"), admin=True, on_phone=False),
        Tab("system.page", "settings", gettext("System"), admin=True, on_phone=False),
    ]
    return [tab for tab in every if current_user.is_admin or not tab.admin]


MORE = "home.more"


def here(every: list[Tab]) -> str:
    """The endpoint of the tab whose page this is or lies below; that of "More" for what has no tab."""
    if request.endpoint in {tab.endpoint for tab in every} | {MORE}:
        return request.endpoint or ""
    room = (request.endpoint or "").partition(".")[0]
    room = {"restore": "backup"}.get(room, room)
    below = [tab.endpoint for tab in every if tab.endpoint.partition(".")[0] == room]
    return below[0] if below else MORE


def show(template: str, block: str = "", status: int = 200, **context: Any) -> ResponseReturnValue:
    """Render the whole page, or only ``block`` when htmx asked for a part of it."""
    partial = bool(block) and bool(htmx_request.htmx) and not htmx_request.htmx.boosted
    html = _block(template, block, context) if partial else render_template(template, **context)
    return html, status


def _block(template: str, block: str, context: dict[str, Any]) -> str:
    """One block by itself, with the macros that its template imports at the top."""
    g.partial = True
    current_app.update_template_context(context)
    page = current_app.jinja_env.get_template(template)
    around = page.new_context(context)
    next(iter(page.root_render_func(around)), "")  # runs the imports, and stops at the first word of the page
    return "".join(page.blocks[block](around))


def done(message: str, endpoint: str, **values: Any) -> ResponseReturnValue:
    """A form succeeded: say so once on the next page, and go there (a reload repeats nothing)."""
    flash(message, "done")
    target = url_for(endpoint, **values)
    if htmx_request.htmx and not htmx_request.htmx.boosted:
        return "", 204, {"HX-Redirect": target}
    return redirect(target, 303)


def not_done(error: ApplianceError, endpoint: str, **values: Any) -> ResponseReturnValue:
    """A button could not do its work: say why on the page it was pressed on."""
    flash(" ".join(problems_of(error).values()), "problem")
    return redirect(url_for(endpoint, **values), 303)


def problems_of(error: ApplianceError) -> dict[str, str]:
    """Field name -> sentence, for a form to show beside its fields; ``""`` is about the whole form."""
    if isinstance(error, Invalid):
        return {name: say(problem) for name, problem in error.problems.items()}
    return {"": f"{say(error.message)} {_hint_of(error)}".strip()}


def _hint_of(error: ApplianceError) -> str:
    return say(Message(error.hint, error.fields)) if error.hint else ""


def install(app: Flask) -> None:
    """Give every page its shell and every error its page."""
    Htmx(app)
    app.context_processor(_around)
    app.register_error_handler(ApplianceError, _expected)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(500, _bug)
    app.after_request(_headers)


def _around() -> dict[str, Any]:
    """What base.html shows on every page; read once per request."""
    if g.get("partial") or not getattr(current_user, "is_authenticated", False):  # a block has nothing around it
        return {"tabs": [], "tab_here": "", "running": 0, "open_issues": 0}
    if "around" not in g:
        with station().db.reading() as session:
            running = session.scalar(select(func.count()).select_from(Job).where(Job.state.in_(ACTIVE)))
            serious = (Issue.quiet_until.is_(None), Issue.severity != Severity.NOTICE)
            issues = session.scalar(select(func.count()).select_from(Issue).where(*serious))
        every = tabs()
        g.around = {"tabs": every, "tab_here": here(every), "running": running or 0, "open_issues": issues or 0}
    around: dict[str, Any] = g.around
    return around


def _wants_json() -> bool:
    return request.path.startswith(("/api/", "/internal/", "/metrics"))


def _expected(error: ApplianceError) -> ResponseReturnValue:
    if _wants_json():
        return error.as_json(), error.status
    problems = problems_of(error)
    words = problems.get("") or " ".join(problems.values())
    if htmx_request.htmx and not htmx_request.htmx.boosted:
        return (
            render_template("_notice.html", words=words),
            error.status,
            {"HX-Retarget": "#notices", "HX-Reswap": "innerHTML"},
        )
    heading = words if isinstance(error, Invalid) else say(error.message)
    return render_template("error.html", code=error.status, words=heading, hint=_hint_of(error)), error.status


def _http(error: HTTPException) -> ResponseReturnValue:
    if isinstance(error, HTTPException) and error.code in (None, 301, 302, 303, 307, 308):
        return error.get_response()
    words = {
        400: gettext("The form was open for too long. Please go back, reload the page and try again."),
        404: gettext("There is nothing at this address."),
        405: gettext("This address does not take that."),
        413: gettext("That is too large to be sent in one piece. Use the upload page."),
    }.get(error.code or 500, gettext("Something went wrong."))
    if _wants_json():
        return {"error": error.name.lower().replace(" ", "_"), "message": error.description or words, "hint": ""}, (
            error.code or 500
        )
    return render_template("error.html", code=error.code, words=words), error.code or 500


def _database(error: DBAPIError) -> ResponseReturnValue:
    """A disk that is full or fails is nobody's mistake."""
    if not is_the_disk(error):
        raise error
    current_app.logger.warning("the station's own disk: %s", error.orig)
    return _expected(OwnDiskTrouble())


def _bug(error: Exception) -> ResponseReturnValue:
    words = gettext("The station made a mistake. It is in its log; your files are not affected.")
    if _wants_json():
        return {"error": "bug", "message": words, "hint": ""}, 500
    if htmx_request.htmx and not htmx_request.htmx.boosted:
        return render_template("_notice.html", words=words), 500, {"HX-Retarget": "#notices", "HX-Reswap": "innerHTML"}
    return render_template("error.html", code=500, words=words), 500


def _headers(response: Any) -> Any:
    """The same strict rules for every answer; a view may only narrow them or name one more source."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    response.headers.setdefault("Permissions-Policy", "geolocation=(), camera=(), microphone=()")
    response.headers.setdefault("Cache-Control", "no-store")
    response.vary.add("HX-Request")
    return response
