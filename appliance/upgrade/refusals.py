"""Why a document or a bundle is not believed, or not installed: one class and one sentence for each reason."""

import datetime

from appliance.errors import ApplianceError
from appliance.words import N_


def day(moment: int) -> str:
    """A moment as sentences name it."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%d")


class Refusal(ApplianceError):
    """Base of every refusal: nothing has changed, and nothing was learned from what was refused."""

    code, status = "upgrade_refused", 409
    hint = N_("Nothing was changed. The station stays on the version that it has.")


class TooLarge(Refusal):
    """Larger than such a document can be, or without an end."""

    code, template = "upgrade_too_large", N_("What came as news of a new version is far too large to be that.")


class Garbled(Refusal):
    """Cut off, damaged, or something else altogether."""

    code, template = "upgrade_garbled", N_("The news of a new version cannot be read: it is damaged or was cut off.")


class NotExact(Refusal):
    """Readable, but not in the one form that is signed: spaces, more behind the end, a name that is there twice."""

    code, template = "upgrade_not_exact", N_("The news of a new version was changed on its way here.")


class Unfamiliar(Refusal):
    """Signed perhaps, but not made of the fields that this version knows, each in its form."""

    code = "upgrade_unfamiliar"
    template = N_(
        "The news of a new version is not written for this version of the station: “{name}” is not as expected."
    )


class WrongKey(Refusal):
    """A signature is missing, wrong, or of a key that has no say in this."""

    code = "upgrade_wrong_key"
    template = N_("The news of a new version is not signed by somebody whom this station trusts.")


class OlderNews(Refusal):
    """A replay: the same key has said something later already."""

    code = "upgrade_older_news"
    template = N_("Old news of a version came, of {issued}; the station has already had news of {known}.")
    hint = N_("If this is said for days, somebody may be keeping new versions from this station.")


class OlderVersion(Refusal):
    """A rollback: the same key has announced a higher version before."""

    code = "upgrade_older_version"
    template = N_("Version {version} was announced, after {known} had been announced already.")


class Expired(Refusal):
    """It was good for some days only, and they are over."""

    code, template = "upgrade_expired", N_("The news of a new version was good until {expires} only.")


class FromTheFuture(Refusal):
    """Issued later than now."""

    code = "upgrade_from_the_future"
    template = N_("The news of a new version says that it was written on {issued}, and that day has not come yet.")


class TimeUnknown(Refusal):
    """Whether it has expired cannot be said, so nothing is installed by it."""

    code = "upgrade_time_unknown"
    template = N_("The station does not know yet what time it is, so it cannot tell whether this news is fresh.")
    hint = N_("It asks for the time by itself once it has a network. An upgrade from a file works without.")


class KeysExpired(Refusal):
    """Nobody may speak under keys that ought to have been renewed."""

    code = "upgrade_keys_expired"
    template = N_("The list of whom this station trusts was good until {expires} only, and no newer one has come.")


class OlderKeys(Refusal):
    """A list of keys that was left behind."""

    code, template = (
        "upgrade_older_keys",
        N_("An old list of whom to trust came: number {version}, after number {known}."),
    )


class KeysMissing(Refusal):
    """Lists of keys follow one by one, since each is vouched for by the one before."""

    code = "upgrade_keys_missing"
    template = N_("List number {version} of whom to trust came, but number {wanted} comes first.")


class Frozen(Refusal):
    """The freeze alarm: the network works, and there has been no fresh news for far too long."""

    code = "upgrade_frozen"
    template = N_("There has been no fresh news of new versions since {since}, although the network works.")
    hint = N_("Somebody may be keeping new versions from this station. Try another network, or upgrade from a file.")


class WrongModel(Refusal):
    """Made for other hardware."""

    code, template = "upgrade_wrong_model", N_("Version {version} is not made for this kind of station ({model}).")


class NotNewer(Refusal):
    """What is there already, or older."""

    code, template = "upgrade_not_newer", N_("Version {version} is not newer than {installed}, which this station has.")


class NeedsFirst(Refusal):
    """A version in between has to come first."""

    code = "upgrade_needs_first"
    template = N_("Version {version} can only follow version {needed} or later; this station has {installed}.")
    hint = N_("Install version {needed} first.")


class OtherBundle(Refusal):
    """Not what was announced."""

    code, template = "upgrade_other_bundle", N_("What was fetched is not what was announced as version {version}.")


class NotReleased(Refusal):
    """Signed by somebody who may not make versions; the announcing key may not either."""

    code = "upgrade_not_released"
    template = N_("Version {version} is not signed by somebody who may make versions for this station.")


class MemoryDamaged(Refusal):
    """The stored state is not one: nobody may forget quietly what was believed before."""

    code = "upgrade_memory_damaged"
    template = N_("What this station remembers of earlier upgrades is damaged.")
    hint = N_("It upgrades no more by itself, so that nobody can bring back an old version. Upgrade from a file.")
