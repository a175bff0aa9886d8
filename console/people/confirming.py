"""The admin's own password, asked before something grave."""

from flask import request
from sqlalchemy.orm import Session

from appliance.people import service
from console.access import by, me


def confirm(session: Session) -> None:
    """As typed into the form; call it before anything is changed.  Raises what ``people.confirm`` raises."""
    service.confirm(session, by(), service.get(session, me().id), request.form.get("own_password", ""), "own_password")
