"""The application factory: one Flask application for one station."""

import hashlib
import ipaddress
import os
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, current_app, redirect, request, url_for
from sqlalchemy import func, select
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter, Map

from appliance import identity, plugin
from appliance.broker.client import Broker, SocketBroker
from appliance.db import Database
from appliance.people.models import User
from appliance.places import Places, places
from appliance.upgrade import trial
from appliance.web.options import HOST_NAMES
from console import access, live, shell, translate
from console.addresses import LateRule
from console.kept_pages import KeptPages
from console.safe_line import way
from console.station import Station, station

BEFORE_THE_OWNER = ("/wizard", "/static", "/safe/", "/api/v1/claim", "/api/v1/certificate")
BLOCK = 1 << 20
READING = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "SEARCH"})
FORM_LIMIT = 64 * 1024 * 1024  # bytes; larger files come by the resumable upload, which does not pass here


class RowNumber(IntegerConverter):
    """A number in an address; what no row can have is simply not found."""

    def __init__(self, map: Map, max: int = 2**63 - 1) -> None:
        super().__init__(map, max=max)


def create_app(here: Places | None = None, broker: Broker | None = None) -> Flask:
    """Build the console of the station at ``here`` (default: from the environment)."""
    here = here or places()
    app = Flask("console", static_folder="static", template_folder="templates")
    app.jinja_options = {"bytecode_cache": KeptPages(here.compiled_pages)}
    app.url_rule_class = LateRule
    app.url_map.converters["int"] = RowNumber
    app.config.update(
        SECRET_KEY=identity.secret_key(here),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        PERMANENT_SESSION_LIFETIME=timedelta(days=180),
        SESSION_REFRESH_EACH_REQUEST=False,  # a live fragment's answer must not put an older cookie over a newer one
        MAX_CONTENT_LENGTH=FORM_LIMIT,
        WTF_CSRF_TIME_LIMIT=None,
        TEMPLATES_AUTO_RELOAD=False,
        BEHIND_NGINX=os.environ.get("EVERPX_FRONT") == "nginx",
    )
    if app.config["BEHIND_NGINX"]:  # its socket is nginx's alone, so what nginx says of the client is true
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    db = Database(here.database)
    app.extensions["everpx"] = Station(db, broker or SocketBroker(here.broker_socket), here, identity.load(here))
    app.extensions["everpx.watcher"] = live.Watcher(db, here.inventory)
    app.session_interface = access.Sessions()
    app.before_request(_known_host)
    app.before_request(_unchanged_on_trial)
    way.install(app)
    app.before_request(_claimed)
    app.after_request(_hear_out)
    access.install(app)
    translate.install(app)
    shell.install(app)
    for blueprint in rooms():
        app.register_blueprint(blueprint)
    plugin.load(db)
    for name, blueprint in plugin.call_named("console_blueprint"):
        app.register_blueprint(blueprint, url_prefix=f"/plugins/{name}")
    for blueprint in plugin.call("protocol_blueprint"):
        app.register_blueprint(blueprint)
    _add_api_rooms(app)
    app.jinja_env.globals["static_version"] = _static_version(app)
    return app


def _add_api_rooms(app: Flask) -> None:
    """The core's endpoints are there already; a plugin's come under ``/api/v1/plugins/<name>/``."""
    from console.api.routes import Room, core

    rooms = app.extensions["everpx.api"] = [core]
    for name, room in plugin.call_named("api_room"):
        if not isinstance(room, Room) or room.plugin != name:
            plugin.failed(name, "api_room: no room of its own")
            continue
        app.register_blueprint(room.blueprint)
        rooms.append(room)


def rooms() -> list[Any]:
    """Every room of the console.  Loading them is most of a start, and needs no database."""
    from console.activity.views import blueprint as activity
    from console.albums.guest_uploads import blueprint as guests
    from console.albums.views import blueprint as albums
    from console.api.metrics import blueprint as metrics
    from console.api.views import blueprint as api
    from console.backup.views import blueprint as backup
    from console.drives.views import blueprint as drives
    from console.files import blueprint as files
    from console.home.views import blueprint as home
    from console.library.tus import blueprint as tus
    from console.library.views import blueprint as library
    from console.people.views import blueprint as people
    from console.phone.app_files import blueprint as app_files
    from console.phone.views import blueprint as phone
    from console.safe_line.views import blueprint as safe_line
    from console.session.views import blueprint as session
    from console.system.views import blueprint as system
    from console.wizard.views import blueprint as wizard

    return [
        home,
        session,
        safe_line,
        wizard,
        drives,
        backup,
        people,
        system,
        activity,
        library,
        files,
        phone,
        app_files,
        tus,
        albums,
        guests,
        api,
        metrics,
        live.blueprint,
    ]


def _known_host() -> None:
    """Refuse names that are not ours: a hostile page that points its own name at this address (DNS rebinding)."""
    name = way.name()
    if _is_address(name) or name == "localhost" or name.endswith(".local"):
        return
    with station().db.reading() as session:
        if name not in HOST_NAMES.get(session).lower().replace(",", " ").split():
            abort(421)


@lru_cache(maxsize=64)
def _is_address(name: str) -> bool:
    """Whether a host is named by its number: no foreign page can point a name of its own there."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _unchanged_on_trial() -> None:
    """While a new version is on trial, nothing is accepted that coming back to the old one would lose."""
    if request.method in READING or not trial.is_on(station().places):
        return
    if not trial.is_probe(station().places, request.headers.get(trial.HEADER, "")):
        raise trial.OnTrial


def _claimed() -> Any:
    """Until somebody has claimed the station, every page leads to the wizard's first step."""
    if request.endpoint in (None, "static") or request.path.startswith(BEFORE_THE_OWNER):
        return None
    if station_is_claimed():
        return None
    if request.path.startswith(("/api/", "/internal/", "/live", "/metrics")):
        return {"error": "not_claimed", "message": "This station has no owner yet.", "hint": ""}, 403
    return redirect(url_for("wizard.claim_page"))


def _hear_out(response: Response) -> Response:
    """Read what is left of a body that nobody wanted.

    Closing the connection on it would make nginx lose the answer while it still sends, and kept open, the rest would be
    taken for the next request.
    """
    if request.content_length or "Transfer-Encoding" in request.headers:
        request.max_content_length = None
        left = FORM_LIMIT
        with suppress(HTTPException, OSError):  # the sender is gone
            while left > 0 and (block := request.stream.read(min(BLOCK, left))):
                left -= len(block)
    return response


def station_is_claimed() -> bool:
    """Whether there is a person; once true it stays true, so it is asked of the database only until then."""
    if not current_app.extensions.get("everpx.claimed"):
        with station().db.reading() as session:
            current_app.extensions["everpx.claimed"] = bool(session.scalar(select(func.count()).select_from(User)))
    return bool(current_app.extensions["everpx.claimed"])


def _static_version(app: Flask) -> str:
    """A value that changes whenever a static file does, for ``?v=``: browsers may then keep files for a year."""
    folder = Path(app.static_folder or "")
    stamps = sorted((str(p.relative_to(folder)), p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*"))
    return hashlib.sha256(repr(stamps).encode()).hexdigest()[:8]
