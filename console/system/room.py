"""The system room's blueprint, to which each of its modules adds its pages."""

from flask import Blueprint

blueprint = Blueprint("system", __name__, template_folder="templates", url_prefix="/system")
