"""Why a message did not arrive, in words, and whether trying again soon could help."""

import logging
import ssl
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.reach import Inside
from appliance.words import N_, Message

log = logging.getLogger("everpx.notify")


class NotDelivered(Exception):
    """``slow``: the same answer is likely for a while, so it is asked rarely (and no account is locked by asking)."""

    def __init__(self, template: str, *, slow: bool = False, **fields: Any) -> None:
        self.message, self.slow = Message(template, fields), slow
        super().__init__(template)


def of_network(error: OSError, host: str) -> NotDelivered:
    """What a failed connection means."""
    if isinstance(error, Inside):
        template = N_("{host} is a place where no messages are sent. Into the home network only an admin may.")
        return NotDelivered(template, slow=True, host=host)
    if isinstance(error, ssl.SSLCertVerificationError):
        return NotDelivered(N_("{host} could not prove who it is (its certificate). Nothing was sent."), host=host)
    if isinstance(error, ssl.SSLError):
        return NotDelivered(N_("{host} does not speak the chosen encryption on this port."), host=host)
    if isinstance(error, TimeoutError):
        return NotDelivered(N_("{host} does not answer in time."), host=host)
    return NotDelivered(N_("{host} cannot be reached."), host=host)


def of_status(status: int, host: str) -> NotDelivered:
    """What an answer of the web means."""
    if status in (401, 403):
        return NotDelivered(N_("{host} does not accept the key or the name it was given."), slow=True, host=host)
    if status in (404, 410):
        return NotDelivered(N_("{host} does not know this address."), slow=True, host=host)
    if status == 429:
        return NotDelivered(N_("{host} asks to wait: too many messages."), host=host)
    return NotDelivered(N_("{host} answered with an error ({status})."), host=host, status=str(status))


def within(seconds: float, work: Callable[[], None], host: str) -> None:
    """Do it, or give up after so long, also with a server that says one letter a minute.  Raises NotDelivered.

    The thread is left behind and ends with the process, which lives for one round of sending.  What it did not foresee
    (a hundred services, by others' code) becomes a refusal as well: one message must not hold up all that come after.
    """
    ended: list[NotDelivered | None] = []
    over = threading.Event()

    def run() -> None:
        try:
            work()
            ended.append(None)
        except NotDelivered as error:
            ended.append(error)
        finally:
            over.set()

    threading.excepthook = _say_where
    threading.Thread(target=run, name="a message", daemon=True).start()
    if not over.wait(seconds):
        raise NotDelivered(N_("{host} does not answer in time."), host=host)
    if not ended:
        raise NotDelivered(N_("The station could not send this. The fault is its own."), slow=True)
    if ended[0] is not None:
        raise ended[0]


def _say_where(failed: threading.ExceptHookArgs) -> None:
    """What and where; not what it says, which may hold a key."""
    last = traceback.extract_tb(failed.exc_traceback)[-1]
    name = failed.thread.name if failed.thread else "a thread"
    log.error("%s failed: %s in %s, line %s", name, failed.exc_type.__name__, Path(last.filename).name, last.lineno)
