"""Handing over a drive: what is on it, what will happen to it, and a yes that was meant.

Nothing is written to a drive before this form has been sent.  Erasing asks for the words that the drives service
demands; ``expected`` says which drive was looked at, so that another one that was plugged in meanwhile is not taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from appliance.drives import service
from appliance.drives.identity import Verdict
from appliance.drives.inventory import Found
from appliance.drives.models import COLOURS, DriveRole
from appliance.errors import ApplianceError, Invalid, NotFound
from appliance.words import N_
from console.access import me
from console.drives import cards
from console.drives.words import FILESYSTEMS
from console.shell import done, problems_of, show
from console.station import station
from console.translate import say, size

WIZARD = "wizard"


@dataclass(frozen=True)
class Asked:
    """What the address or the form says."""

    device: str
    role: DriveRole
    origin: str  # "wizard", or "" for the drives page
    form: Mapping[str, str]

    @classmethod
    def from_form(cls, device: str, form: Mapping[str, str]) -> "Asked":
        """Raises NotFound for a role that there is not."""
        try:
            role = DriveRole(form.get("role", ""))
        except ValueError:
            raise NotFound(what="page") from None
        return cls(device, role, WIZARD if form.get("origin") == WIZARD else "", form)

    @property
    def endpoint(self) -> str:
        """Where to go back to."""
        return f"wizard.{self.role.value}" if self.origin else "drives.page"


def form_page(asked: Asked, problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    """The page: what is on the drive, what it will be called, how it is prepared.  Raises NotPluggedIn."""
    with station().db.reading() as session:
        one = _stranger(session, asked.device)
        form = _suggested(session, one.verdict) | dict(asked.form)
    if not (one.verdict.can_adopt or one.verdict.can_format):
        raise service.DriveRefused(one.verdict)
    confirmation = service.confirmation(one.found)
    around: dict[str, Any] = {"tabs": []} if asked.origin else {}
    return show(
        "drives/hand_over.html",
        status=status,
        one=one,
        role=asked.role.value,
        origin=asked.origin,
        back=url_for(asked.endpoint),
        form=form,
        problems=problems,
        expected=_sign(one.found),
        phrase=confirmation.phrase,
        erases=_erases(confirmation),
        colours=COLOURS,
        filesystems=[(name, FILESYSTEMS[name]) for name in service.FILESYSTEMS],
        **around,
    )


def take(asked: Asked) -> ResponseReturnValue:
    """Start the job, when the drive is still the one that was shown."""
    try:
        with station().db.writing() as session:
            if _sign(_stranger(session, asked.device).found) != asked.form.get("expected"):
                raise Invalid({"": N_("Another drive was plugged in meanwhile. Look at it before you go on.")})
            _start(session, asked)
    except service.NotPluggedIn:
        raise
    except ApplianceError as error:
        return form_page(asked, problems_of(error), error.status)
    return done(gettext("The drive is being prepared. Leave it plugged in."), asked.endpoint)


def _start(session: Session, asked: Asked) -> None:
    form = asked.form
    chosen: dict[str, Any] = {
        "device": asked.device,
        "role": asked.role,
        "name": _name(form),
        "colour": form.get("colour", ""),
        "asked_by": me().id,
    }
    match form.get("how"):
        case "adopt":
            service.adopt(session, station().places, **chosen)
        case "format":
            typed, filesystem = form.get("typed", ""), form.get("filesystem", "")
            service.erase(session, station().places, **chosen, filesystem=filesystem, typed=typed)
        case _:
            raise Invalid({"how": N_("Choose how the drive is prepared.")})


def _name(form: Mapping[str, str]) -> str:
    """What was typed; a suggested name that was left alone follows the colour that was chosen."""
    name, suggestions = form.get("name", ""), {c: say(words) for c, words in service.DEFAULT_NAMES.items()}
    return suggestions.get(form.get("colour", ""), name) if name in suggestions.values() else name


def _stranger(session: Session, device: str) -> cards.Stranger:
    """The drive as it is right now.  Raises NotPluggedIn."""
    strangers = cards.gather(session, station()).strangers
    one = next((one for one in strangers if one.found.device == device), None)
    if one is None:
        raise service.NotPluggedIn()
    return one


def _suggested(session: Session, verdict: Verdict) -> dict[str, str]:
    colour = service.next_colour(session)
    return {
        "name": say(service.DEFAULT_NAMES[colour]),
        "colour": colour,
        "how": "adopt" if verdict.can_adopt else "format",
        "filesystem": service.FILESYSTEMS[0],
        "typed": "",
    }


def _sign(found: Found) -> str:
    """What tells this drive from another one at the same place."""
    return f"{found.sequence}/{found.serial}/{found.size}/{found.filesystem_uuid}"


def _erases(confirmation: service.Confirmation) -> str:
    """``This erases 2.1 TB, among them “Holiday 2014”.``"""
    if not confirmation.names_total:
        return gettext("This erases whatever is on it.")
    names = ", ".join(f"“{name}”" for name in confirmation.names[:3])
    if confirmation.used is None:
        return gettext("This erases everything on it, among it %(names)s.", names=names)
    return gettext("This erases %(used)s, among it %(names)s.", used=size(confirmation.used), names=names)
