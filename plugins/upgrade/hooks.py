"""Where this plugin joins the appliance.  What asks the network is imported by its job alone."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from appliance.health.service import Check
from appliance.hookspecs import Command, hookimpl
from appliance.words import N_


@hookimpl
def console_blueprint() -> Any:
    """The page; imported here so that the worker never loads Flask."""
    from plugins.upgrade.views import blueprint

    return blueprint


@hookimpl
def protocol_blueprint() -> Any:
    """Where bundles are sent to, in resumable pieces."""
    from plugins.upgrade.receiving import blueprint

    return blueprint


@hookimpl
def api_room() -> Any:
    """The same by REST."""
    from plugins.upgrade.api import room

    return room


@hookimpl
def job_modules() -> Iterable[str]:
    """Asking, installing, restarting."""
    return ["plugins.upgrade.jobs"]


@hookimpl
def standing_work(session: Session) -> None:
    """How the last attempt ended goes into the history; the daily asking is planned; no account of the probe stays."""
    from appliance.places import places
    from plugins.upgrade import account, outcome, service

    account.clean(session)
    outcome.record(session, places())
    service.plan_checks(session)


@hookimpl
def health_checks() -> Iterable[Check]:
    """The last attempt, and news."""
    from plugins.upgrade import health

    yield Check("outcome", health.ended, N_("The last new version"))
    yield Check("news", health.heard, N_("News of versions"))


@hookimpl
def commands() -> Iterable[Command]:
    """``everpx upgrade``."""
    yield Command("upgrade", "plugins.upgrade.cli:upgrade", "New versions of the station.")
