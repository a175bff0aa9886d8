"""Placeholder until its author replaces this file."""

from flask import Blueprint

from console.access import signed_in

blueprint = Blueprint("library", __name__, template_folder="templates", url_prefix="/photos")


@blueprint.get("/")
@signed_in
def photos() -> str:
    """Nothing yet."""
    return ""


@blueprint.get("/upload")
@signed_in
def upload() -> str:
    """Nothing yet."""
    return ""
