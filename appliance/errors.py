"""Expected failures.  Each has a stable code, a sentence, and a hint of what to do; anything else is a bug.

The same error looks the same in the console, the REST API, the command line and over the broker's socket.
"""

from typing import Any, ClassVar

from appliance.words import N_, Message


class ApplianceError(Exception):
    """Base of every expected failure; ``code`` is stable, ``message`` and ``hint`` are for people."""

    code: ClassVar[str] = "appliance_error"
    status: ClassVar[int] = 500
    template: ClassVar[str] = N_("The operation failed.")
    hint: ClassVar[str] = ""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        super().__init__(self.template.format(**fields))

    @property
    def message(self) -> Message:
        """What happened, translatable."""
        return Message(self.template, self.fields)

    def as_json(self) -> dict[str, Any]:
        """The one shape of an error outside Python."""
        return {"error": self.code, "message": str(self), "hint": self.hint.format(**self.fields)}


class Invalid(ApplianceError):
    """Input with problems: every one is collected, keyed by field name, and raised once."""

    code = "invalid_input"
    status = 422
    template = N_("Please correct the highlighted fields.")

    def __init__(self, problems: dict[str, Message | str]) -> None:
        self.problems = {name: Message(p) if isinstance(p, str) else p for name, p in problems.items()}
        super().__init__()

    def as_json(self) -> dict[str, Any]:
        """The common shape plus ``problems``: field name -> sentence."""
        return super().as_json() | {"problems": {name: str(p) for name, p in self.problems.items()}}


class NotFound(ApplianceError):
    """There is no such thing, or this person may not know of it; ``what`` is gathered for translation by itself."""

    code, status, template = "not_found", 404, N_("There is no such {what}.")

    @property
    def message(self) -> Message:
        """The sentence with its noun translatable, too."""
        what = self.fields["what"]
        return Message(self.template, {"what": what if "{" in what else Message(what)})


class Forbidden(ApplianceError):
    """Signed in, but not allowed."""

    code, status, template = "forbidden", 403, N_("Only an admin may do this.")


class Conflict(ApplianceError):
    """The wish contradicts something that is going on."""

    code, status, template = "conflict", 409, N_("Something else is using this right now.")
    hint = N_("Wait until it has finished, or cancel it under Activity.")


class OutOfSpace(ApplianceError):
    """A drive has no room for what was asked."""

    code, status = "out_of_space", 507
    template = N_("{drive} has no room left for this: {needed} needed, {free} free.")
    hint = N_("Nothing was stored. Add a drive or free some space.")


class OwnDiskTrouble(ApplianceError):
    """The station's own disk, where its database lies, is full or fails."""

    code, status = "own_disk_trouble", 503
    template = N_("The station’s own disk takes nothing right now, so nothing was changed.")
    hint = N_("The photos on the drives are safe. Restart the station; if it stays so, its card has to be replaced.")


class BrokerUnavailable(ApplianceError):
    """The root daemon does not answer."""

    code, status = "broker_unavailable", 503
    template = N_("The part of the station that handles drives is not running.")
    hint = N_("Files already stored are safe. Restart the station.")


class RefusedByRoot(ApplianceError):
    """The root daemon turned a request down; ``why`` is its own sentence."""

    code, status, template = "refused", 409, N_("{why}")


class ProgramFailed(ApplianceError):
    """An external program ended badly; ``why`` is the last line it printed."""

    code, status, template = "program_failed", 500, N_("{program} failed: {why}")
