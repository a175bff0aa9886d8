"""Placeholder until its author replaces this file."""

from flask import Blueprint

from console.access import signed_in

blueprint = Blueprint("system", __name__, template_folder="templates", url_prefix="/system")


@blueprint.get("/")
@signed_in
def page() -> str:
    """Nothing yet."""
    return ""
