"""Trying the shares as a computer does: sign in, list, write, read back, delete, with a client of its own kind.

The station signs in to ``Family`` with an account of its own.  smbprotocol is imported here, in a process that ends.
"""

import secrets
import uuid
from collections.abc import Iterable

from appliance import plugin
from appliance.drives.layout import FAMILY
from appliance.drives.mounts import hot_mounts
from appliance.errors import ApplianceError
from appliance.health.models import Severity
from appliance.health.service import Finding, HealthContext
from appliance.places import Places
from appliance.words import N_, Message
from plugins.smb.privileged import CHECKER_NAME
from plugins.smb.wanted import NAME, checker_password

TIMEOUT_S = 15
SIZE = 100_000


class SelfTestFailed(ApplianceError):
    """A computer could not use the shares."""

    code, status, template = "smb_self_test_failed", 503, N_("Trying the shares failed at “{step}”: {why}")
    hint = N_("Files are safe; they can be reached in the console. The station goes on trying.")


def run(places: Places, port: int) -> list[str]:
    """Do what a computer does; the steps that went well.  Raises SelfTestFailed naming the step."""
    import smbclient
    from smbprotocol.exceptions import SMBException

    known = {"username": CHECKER_NAME, "password": checker_password(places), "port": port}
    share = rf"\\127.0.0.1\{FAMILY}"
    path = rf"{share}\.everpx-check-{uuid.uuid4().hex}"
    content, cache, done = secrets.token_bytes(SIZE), dict[str, object](), list[str]()
    known["connection_cache"] = cache
    step = N_("signing in")
    try:
        smbclient.register_session("127.0.0.1", connection_timeout=TIMEOUT_S, require_signing=True, **known)
        done.append(step)
        step = N_("listing")
        smbclient.listdir(share, **known)
        done.append(step)
        step = N_("writing")
        with smbclient.open_file(path, mode="xb", **known) as out:
            out.write(content)
        done.append(step)
        step = N_("reading back")
        with smbclient.open_file(path, mode="rb", **known) as file:
            if file.read() != content:
                raise SelfTestFailed(step=step, why="other bytes came back")
        done.append(step)
        step = N_("deleting")
        smbclient.remove(path, **known)
        done.append(step)
    except (SMBException, OSError, ValueError) as error:
        raise SelfTestFailed(step=step, why=_first_line(error)) from None
    finally:
        smbclient.reset_connection_cache(connection_cache=cache, fail_on_error=False)
    return done


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def check(context: HealthContext) -> Iterable[Finding]:
    """What a family member's computer would meet; nothing where no drive is here to share."""
    if not hot_mounts(context.session, context.places):
        return
    try:
        run(context.places, plugin.options(context.session, NAME)["port"])
    except SelfTestFailed as error:
        yield Finding(
            code="smb_self_test",
            severity=Severity.WARNING,
            message=error.message,
            hint=Message(error.hint),
            fix="smb.start",
        )
