"""Placeholder until its author replaces this file."""

from flask import Blueprint

from console.access import signed_in

blueprint = Blueprint("drives", __name__, template_folder="templates", url_prefix="/drives")


@blueprint.get("/")
@signed_in
def page() -> str:
    """Nothing yet."""
    return ""
