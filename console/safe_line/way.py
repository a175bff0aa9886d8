"""Which requests by http are led to https, and which are refused.

A browser that has shown that it reaches https without a warning carries a mark, and is led there from then on; nobody
else is, because a browser's warning frightens people away from their own photos.  With the owner's choice of "only the
safe line" everybody is led there, programs are refused, and browsers are told to remember it for a day: not longer,
because a device that has lost the station's certificate could not get back in.
"""

import time

from flask import Flask, Response, current_app, redirect, request
from flask.typing import ResponseReturnValue
from htmx_flask import request as htmx_request

from appliance import clock
from appliance.errors import ApplianceError
from appliance.upgrade import trial
from appliance.web import certificate, listening, options
from appliance.words import N_
from console.station import station

MARK = "everpx-safe"
MARKED_FOR_S = 180 * 24 * 3600
REMEMBERED_FOR_S = 24 * 3600  # by browsers, and only where the owner chose it (HSTS)
CHOICE_HOLDS_S = 5.0
OPEN = ("/static/", "/safe/", "/internal/")  # also by http: what a new device needs; what nginx asks


class OnlySafe(ApplianceError):
    """The owner has chosen that nothing is answered by http."""

    code, status = "only_https", 403
    template = N_("This station answers by its safe line only: {address}")
    hint = N_("Open the page “A safe line” of the station to let this device trust it.")


def install(app: Flask) -> None:
    """Lead whoever is to be led, ahead of everything that shows or takes something."""
    app.before_request(lead)
    app.after_request(_remember)


def name() -> str:
    """The name or number under which this request came, without its port."""
    shown = request.host.lower()
    return shown[1 : shown.index("]")] if shown.startswith("[") and "]" in shown else shown.rpartition(":")[0] or shown


def address(path: str = "/") -> str | None:
    """The https address of a path under the name of this request; None where it would be answered with a warning."""
    here, host = station().places, name()
    found, begin = certificate.load(here), listening.https(host)
    if found is None or begin is None or not found.speaks_for(host) or not found.is_good(clock.read(here)):
        return None
    return begin + path


def is_only() -> bool:
    """Whether the owner chose https alone; asked of the database every few seconds at most."""
    moment, (asked, answer) = time.monotonic(), current_app.extensions.get("everpx.only_https", (0.0, None))
    if answer is None or moment - asked > CHOICE_HOLDS_S:
        with station().db.reading() as session:
            answer = options.ONLY.get(session)
        current_app.extensions["everpx.only_https"] = moment, answer
    return bool(answer)


def refuse() -> None:
    """Raises OnlySafe for a request by http that is not answered; the probe of a trial comes from the box itself."""
    if request.is_secure or not is_only() or (there := address()) is None:
        return
    if not trial.is_probe(station().places, request.headers.get(trial.HEADER, "")):
        raise OnlySafe(address=there)


def lead() -> ResponseReturnValue | None:
    """To https with it, refused, or answered as it is."""
    if request.is_secure or request.endpoint is None or request.path.startswith(OPEN):
        return None
    if not is_only() and MARK not in request.cookies:
        return None
    page = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", "")
    if page and not htmx_request.htmx and (there := address(request.full_path.rstrip("?"))):
        return redirect(there)
    refuse()
    return None


def _remember(response: Response) -> Response:
    if request.is_secure and is_only():
        response.headers["Strict-Transport-Security"] = f"max-age={REMEMBERED_FOR_S}"
    return response
