"""What makes the console an app that a phone installs: manifest, service worker, the page without a connection.

The service worker keeps the few files of that page and nothing else: no page of anybody, no photo.  It is served from
the top, because it answers for every address below the place it comes from.
"""

import json
from pathlib import Path

from flask import Blueprint, Response, current_app, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale

from console.access import public
from console.locale_data import LANGUAGES

blueprint = Blueprint("app_files", __name__, template_folder="templates")
HASHING = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; frame-ancestors 'none'"
GROUND, DARK_GROUND = "#faf8f5", "#1b1917"
SHARED_FIELD = "files"
#: What the page without a connection looks like is made of; kept by the service worker.
KEPT = ("vendor/pico.min.css", "everpx.css", "mark.svg")


@blueprint.get("/manifest.webmanifest")
@public
def manifest() -> ResponseReturnValue:
    """What a phone is told: name, pictures, where to begin, and that photos can be shared to it."""
    pictures = [("icon-192.png", "192x192", "any"), ("icon-512.png", "512x512", "any")]
    pictures.append(("icon-maskable-512.png", "512x512", "maskable"))
    facts = {
        "id": "/phone/",
        "name": "Everpx",
        "short_name": "Everpx",
        "start_url": url_for("phone.page"),
        "scope": "/",
        "display": "standalone",
        "background_color": GROUND,
        "theme_color": GROUND,
        "icons": [
            {"src": _static(f"icons/{name}"), "sizes": sizes, "type": "image/png", "purpose": purpose}
            for name, sizes, purpose in pictures
        ],
        "share_target": {
            "action": url_for("phone.shared"),
            "method": "POST",
            "enctype": "multipart/form-data",
            "params": {"files": [{"name": SHARED_FIELD, "accept": ["image/*", "video/*"]}]},
        },
    }
    return Response(json.dumps(facts), mimetype="application/manifest+json")


@blueprint.get("/service-worker.js")
@public
def service_worker() -> ResponseReturnValue:
    """The script that answers without a connection; a new version of any file makes a new one of it."""
    offline = {language: url_for(".offline", language=language) for language in LANGUAGES}
    facts = {
        "version": current_app.jinja_env.globals["static_version"],
        "offline": offline,
        "files": [_static(name) for name in KEPT],
        "store": _static("phone-store.js"),
        "share": url_for("phone.shared"),
        "page": url_for("phone.page"),
        "field": SHARED_FIELD,
    }
    script = f"const FACTS = {json.dumps(facts)};\n" + _text("service-worker.js")
    return Response(script, mimetype="text/javascript", headers={"Service-Worker-Allowed": "/"})


@blueprint.get("/hash-worker.js")
@public
def hash_worker() -> ResponseReturnValue:
    """The script that hashes photos beside the page; only it may use WebAssembly, and it reaches nothing else."""
    library = json.dumps(_static("vendor/blake3.umd.min.js"))
    script = f"importScripts({library});\n" + _text("hash-worker.js")
    return Response(script, mimetype="text/javascript", headers={"Content-Security-Policy": HASHING})


@blueprint.get("/offline/<language>")
@public
def offline(language: str) -> ResponseReturnValue:
    """What is shown when the station is not within reach."""
    with force_locale(language if language in LANGUAGES else "en"):
        return render_template("phone/offline.html", language_shown=language)


def _static(name: str) -> str:
    return url_for("static", filename=name, v=current_app.jinja_env.globals["static_version"])


def _text(name: str) -> str:
    return (Path(current_app.static_folder or "") / name).read_text(encoding="utf-8")
