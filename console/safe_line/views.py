"""A safe line to this station: what each kind of device needs to trust it, and whether it does."""

import uuid

from flask import Blueprint, Response, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import clock
from appliance.errors import NotFound
from appliance.web import certificate, listening
from appliance.web.certificate import Certificate
from console.access import public
from console.qr import drawn
from console.safe_line import way
from console.shell import POLICY, show
from console.station import station

blueprint = Blueprint("safe_line", __name__, template_folder="templates", url_prefix="/safe")
DEVICES = ("apple", "android", "windows", "mac", "linux", "firefox")
#: what a browser says of itself -> the device whose steps come first
MARKS = (("iPhone", "apple"), ("iPad", "apple"), ("Android", "android"), ("Firefox", "firefox"),
         ("Windows", "windows"), ("Macintosh", "mac"), ("Linux", "linux"))  # fmt: skip


@blueprint.get("/")
@public
def page() -> ResponseReturnValue:
    """Open to everybody, by http as well: a device that knows nothing yet must be able to read it."""
    here = station()
    found, there = certificate.load(here.places), way.address(url_for(".arrived"))
    agent = request.headers.get("User-Agent", "")
    mine = next((device for mark, device in MARKS if mark in agent), "windows")
    response = make_response(
        show(
            "safe_line/page.html",
            found=found,
            there=there,
            proof=way.address(url_for(".proof")),
            mine=mine,
            devices=sorted(DEVICES, key=lambda device: device != mine),
            marked=way.MARK in request.cookies,
            code=drawn(_plain()),
            plain=_plain(),
            only=way.is_only(),
            good=found is not None and found.is_good(clock.read(here.places)),
            offered=bool(listening.encrypted()),
        )
    )
    if there and not request.is_secure:  # the page may ask the same station by https whether this browser trusts it
        begin = there.removesuffix(url_for(".arrived"))
        policy = POLICY.replace("connect-src 'self'", f"connect-src 'self' {begin}")
        response.headers["Content-Security-Policy"] = policy
    return response


def _plain() -> str:
    """This page by http, for another device."""
    if not request.is_secure:
        return url_for(".page", _external=True)
    host, port = way.name(), listening.port(listening.plain())
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}" + ("" if port in (None, 80) else f":{port}") + url_for(".page")


@blueprint.get("/proof")
@public
def proof() -> ResponseReturnValue:
    """Nothing at all, by https; who gets it trusts this station.  Any page may ask: there is nothing to learn."""
    return "", 204, {"Cross-Origin-Resource-Policy": "cross-origin"}


@blueprint.get("/arrived")
@public
def arrived() -> ResponseReturnValue:
    """A browser that came by https from the page above: it is led there by itself from now on."""
    response = redirect(url_for(".page"))
    if request.is_secure:
        response.set_cookie(way.MARK, "1", max_age=way.MARKED_FOR_S, samesite="Lax", httponly=True)
    return response


@blueprint.post("/stay")
@public
def stay() -> ResponseReturnValue:
    """This browser is no longer led there by itself."""
    response = redirect(url_for(".page"), 303)
    response.delete_cookie(way.MARK, samesite="Lax", httponly=True)
    return response


def _found() -> Certificate:
    found = certificate.load(station().places)
    if found is None:
        raise NotFound(what="certificate")
    return found


@blueprint.get("/everpx.crt")
@public
def authority() -> ResponseReturnValue:
    """The authority's certificate, as Android, Windows, macOS, Linux and Firefox take it."""
    headers = {"Content-Disposition": 'attachment; filename="everpx.crt"'}
    return Response(_found().der, headers=headers, mimetype="application/x-x509-ca-cert")


@blueprint.get("/everpx.mobileconfig")
@public
def profile() -> ResponseReturnValue:
    """The same as a profile of iPhones and iPads."""
    import plistlib

    found, mark = _found(), station().identity.station_id
    inner, outer = (str(uuid.uuid5(uuid.NAMESPACE_URL, f"{found.fingerprint}/{part}")).upper() for part in "12")
    name = f"Everpx at home {mark}"
    payload = {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"com.everpx.station.{mark}.authority",
        "PayloadUUID": inner,
        "PayloadDisplayName": name,
        "PayloadContent": found.der,
    }
    whole = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"com.everpx.station.{mark}",
        "PayloadUUID": outer,
        "PayloadDisplayName": name,
        "PayloadOrganization": "Everpx",
        "PayloadContent": [payload],
    }
    headers = {"Content-Disposition": 'attachment; filename="everpx.mobileconfig"'}
    return Response(plistlib.dumps(whole), headers=headers, mimetype="application/x-apple-aspen-config")
