"""What can go wrong between HOT and COLD, in words."""

from appliance.errors import ApplianceError
from appliance.words import N_

UNREADABLE = N_("could not be read from its drive")
DAMAGED = N_("is damaged on its drive: it no longer is what was stored; the older copy was kept")
UNSTEADY = N_("reads differently each time; its drive may be failing")
CHANGED_MEANWHILE = N_("changed while it was copied; the next run takes it")
TOO_LARGE = N_("is larger than 4 GB, and the backup drive's format cannot hold that")


class ColdFull(ApplianceError):
    """COLD cannot take what is to be copied, even without the older versions that may go."""

    code, status = "cold_full", 507
    template = N_("{drive} is too full: {needed} needed, {free} free.")
    hint = N_("What was copied before is safe. Add a backup drive, replace it with a larger one, or free some space.")


class ColdFailing(ApplianceError):
    """COLD refuses writes, or loses them."""

    code, status = "cold_failing", 500
    template = N_("{drive} could not store the copy: {why}.")
    hint = N_("Your files are safe on the other drive. Check the cable; if it happens again, replace this drive.")


class ColdReadOnly(ApplianceError):
    """COLD can only be read, or was mounted so because it is not sound."""

    code, status = "cold_read_only", 409
    template = N_("{drive} can only be read, so nothing can be copied to it.")
    hint = N_("What is on it is safe. If it has a switch against writing, move it; else look under Health.")


class ColdUntrustworthy(ApplianceError):
    """What was read back from COLD is not what was written, twice in a row."""

    code, status = "cold_untrustworthy", 500
    template = N_("{drive} does not keep what is written to it: “{file}” came back different, twice.")
    hint = N_("Your files are safe on the other drive. Do not trust this drive any more; replace it.")


class HotMissing(ApplianceError):
    """A drive that should be copied is not here."""

    code, status = "hot_missing", 503
    template = N_("Nothing was copied: {drive} is not connected.")
    hint = N_("Its copy was left as it is. Plug the drive in and start again.")


class NotACopy(ApplianceError):
    """A restore from something that is not there."""

    code, status = "no_such_copy", 404
    template = N_("The backup drive has no copy of this.")
