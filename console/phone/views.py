"""The page "Phone": choose photos, send only what is new, and see that it is all there."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.access import csrf, public, signed_in
from console.shell import show

blueprint = Blueprint("phone", __name__, template_folder="templates", url_prefix="/phone")


@blueprint.get("/")
@signed_in
def page() -> ResponseReturnValue:
    """Everything a phone needs on one page."""
    return show("phone/page.html", missed="missed" in request.args, problems={})


@blueprint.post("/share")
@public
def shared() -> ResponseReturnValue:
    """Photos shared from the gallery before the app's own script was there to take them: nothing is kept, and told so.

    Usually the service worker takes them and this is never asked.  Nothing changes here, so no token is needed.
    """
    return redirect(url_for(".page", missed=1), 303)


csrf.exempt(shared)
