"""Where this plugin joins the appliance.  Nothing heavy: what sends is imported by its job alone."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from appliance.health.service import Check
from appliance.hookspecs import Command, HomeCard, hookimpl
from appliance.words import N_


@hookimpl
def console_blueprint() -> Any:
    """Everybody's page of messages; imported here so that the worker never loads Flask."""
    from plugins.notify.views import blueprint

    return blueprint


@hookimpl
def api_room() -> Any:
    """The same by REST."""
    from plugins.notify.api import room

    return room


@hookimpl
def job_modules() -> Iterable[str]:
    """Sending, and the letter."""
    return ["plugins.notify.jobs"]


@hookimpl
def issues_changed(session: Session) -> None:
    """Something was found or solved: the job looks who is to be told."""
    from plugins.notify import outbox

    outbox.queue_if_anybody_listens(session)


@hookimpl
def standing_work(session: Session) -> None:
    """What waits for another try, for the end of somebody's night, or for a reminder."""
    from plugins.notify import outbox

    outbox.look(session)


@hookimpl
def health_checks() -> Iterable[Check]:
    """Messages that do not arrive, and a signal that does not get out."""
    from plugins.notify import health

    yield Check("channels", health.failing, N_("Messages arrive"))
    yield Check("signal", health.signal_failing, N_("The sign of life arrives"))


@hookimpl
def home_cards(session: Session) -> Iterable[HomeCard]:
    """Until an admin can be reached: nobody would be told."""
    from plugins.notify import health

    return health.on_home(session)


@hookimpl
def commands() -> Iterable[Command]:
    """``everpx messages``."""
    yield Command("messages", "plugins.notify.cli:messages", "Who is told how; send a test.")
