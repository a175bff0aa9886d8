"""What is wrong with the library, and what to do about it."""

from collections.abc import Iterable

from appliance.health.models import Severity
from appliance.health.service import Check, Finding, HealthContext
from appliance.library.sandbox import bubblewrap
from appliance.words import N_, Message


def unprotected(context: HealthContext) -> Iterable[Finding]:
    """Photos are decoded without the sandbox: with limits, but not shut in."""
    if bubblewrap() is None:
        yield Finding(
            code="previews_unprotected",
            severity=Severity.NOTICE,
            message=Message(N_("Previews are made without the extra protection against harmful pictures.")),
            hint=Message(N_("Everything works. Install the package bubblewrap to shut that work in.")),
            guide="sandbox",
        )


CHECKS = [Check("library.unprotected", unprotected, N_("Protection against harmful pictures"))]
