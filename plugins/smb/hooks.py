"""Where this plugin joins the appliance."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from appliance.broker.client import Broker
from appliance.health.service import Check
from appliance.hookspecs import Announced, hookimpl
from appliance.people.models import User
from appliance.places import Places
from appliance.words import N_
from plugins.smb import service


@hookimpl
def console_blueprint() -> Any:
    """The page; imported here so that the worker never loads Flask."""
    from plugins.smb.views import blueprint

    return blueprint


@hookimpl
def api_room() -> Any:
    """The same by the API."""
    from plugins.smb.api import room

    return room


@hookimpl
def password_known(session: Session, user: User, password: str) -> None:
    """The same password opens the shares."""
    service.password_known(session, user, password)


@hookimpl
def people_changed(session: Session) -> None:
    """Who may no longer sign in loses the shares as well."""
    service.start_settling(session)


@hookimpl
def settle_services(session: Session, broker: Broker, places: Places) -> None:
    """Serve what is wanted and here."""
    service.settle(session, broker, places)


@hookimpl
def announced_services(session: Session) -> Iterable[Announced]:
    """The shares, and the room for Macs."""
    return service.announced(session)


@hookimpl
def health_checks() -> Iterable[Check]:
    """Whether it runs, whether somebody can really use it, and who cannot."""
    from plugins.smb import self_test

    yield Check("running", service.not_running, N_("Windows and Mac sharing"))
    yield Check("self_test", self_test.check, N_("Windows and Mac sharing, tried like a computer does"))
    yield Check("names", service.nobody_can_sign_in, N_("Names that Windows can use"))


@hookimpl
def job_modules() -> Iterable[str]:
    """The self-test, and taking what was deleted into the bin."""
    return ["plugins.smb.jobs"]


@hookimpl
def standing_work(session: Session) -> None:
    """Take what clients deleted into the bin."""
    from plugins.smb import deleted

    deleted.start_if_any(session)
