"""The plugin's own page, under System."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from console.access import admin_only
from console.shell import show
from plugins.station_report import service

blueprint = Blueprint("station_report", __name__, template_folder="templates")


@blueprint.get("/")
@admin_only
def report() -> ResponseReturnValue:
    """The box right now."""
    return show("station_report/report.html", "report", report=service.read())
