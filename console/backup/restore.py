"""Getting files back: from which drive, as of which day, what will happen, and then the job."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from console.access import admin_only
from console.shell import show

blueprint = Blueprint("restore", __name__, url_prefix="/restore")


@blueprint.get("/")
@admin_only
def page() -> ResponseReturnValue:
    """Which drive?"""
    return show("backup/restore.html")


@blueprint.get("/<int:drive_id>")
@admin_only
def browse(drive_id: int) -> ResponseReturnValue:
    """Its folders."""
    return show("backup/restore.html")


@blueprint.post("/<int:drive_id>/drill")
@admin_only
def drill(drive_id: int) -> ResponseReturnValue:
    """Try it now."""
    return show("backup/restore.html")
