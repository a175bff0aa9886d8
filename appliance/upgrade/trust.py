"""What a station does with news of a version: believe it or refuse it, and install what was announced and nothing else.

There is no way to ask in the wrong order: :func:`admit` takes the document itself and checks all of it anew, however
often it was heard before, since keys and time may have moved on since.

**Time.**  Nothing is believed to be earlier than the floor: when the running system was built, when the keys were
issued, and when the newest trusted news was written.  A clock that no time server has set, or that shows a time before
the floor, is none.  Without one, news is refused when even the floor is past its end; else it is shown as of unknown
freshness, is not remembered, and nothing is installed by it.
"""

import hashlib
from dataclasses import dataclass

from appliance.upgrade.documents import (
    is_address,
    is_count,
    is_hash,
    is_moment,
    is_version,
    made_of,
    named,
    opened,
    to_sign,
)
from appliance.upgrade.refusals import (
    Expired,
    FromTheFuture,
    Frozen,
    KeysExpired,
    NeedsFirst,
    NotNewer,
    NotReleased,
    OlderNews,
    OlderVersion,
    OtherBundle,
    Refusal,
    TimeUnknown,
    Unfamiliar,
    WrongKey,
    WrongModel,
    day,
)
from appliance.upgrade.state import Clock, Heard, State, Station, number

KIND = "channel"
DAY = 24 * 3600
APART = 3600  # seconds that two clocks set by time servers may differ at most
LONGEST = 30 * DAY  # that news may be good for; the publisher says 14 days
SILENCE = 14 * DAY  # after the end of the last news
BUNDLE = {"manifest": is_hash, "size": is_count, "url": is_address}
FIELDS = {
    "channel": lambda name: type(name) is str,
    "version": is_version,
    "after": is_version,
    "issued": is_moment,
    "expires": is_moment,
    "bundles": named(lambda bundle: made_of(bundle, BUNDLE)),
}


@dataclass(frozen=True)
class Offer:
    """A bundle that was announced for one model."""

    manifest: str
    size: int
    url: str


@dataclass(frozen=True)
class Announcement:
    """News that is believed.  ``fresh`` is false where nobody knows what time it is."""

    version: str
    after: str  # the lowest version that it can follow
    issued: int
    expires: int
    offers: dict[str, Offer]  # by model
    fresh: bool


@dataclass(frozen=True)
class Bundle:
    """What RAUC says of a bundle whose signature it has checked; ``signer`` is the hash of its certificate's key."""

    model: str
    version: str
    manifest: str
    size: int
    signer: str


def hear(state: State, station: Station, clock: Clock, channel: str, document: bytes) -> tuple[Announcement, State]:
    """What a channel file announces, and what to remember from now on: store it before acting.  Raises a Refusal."""
    signed = opened(document, KIND, FIELDS)
    body = signed.body
    if len(signed.signatures) != 1:
        raise WrongKey
    signed.check_signed(state.keys.channels.get(channel, ()))
    if body["channel"] != channel:
        raise Unfamiliar(name="channel")
    if not body["issued"] < body["expires"] <= body["issued"] + LONGEST:
        raise Unfamiliar(name="expires")
    key = next(iter(signed.signatures))
    news = Heard(body["version"], body["issued"], body["expires"], hashlib.sha256(to_sign(body)).hexdigest())
    _not_older(state.heard.get(f"{channel}/{key}"), news)
    fresh = _in_time(state, station, clock, news)
    offers = {model: Offer(**bundle) for model, bundle in body["bundles"].items()}
    announcement = Announcement(news.version, body["after"], news.issued, news.expires, offers, fresh)
    return announcement, state.hearing(channel, key, news) if fresh else state


def obstacle(state: State, station: Station, announcement: Announcement) -> Refusal | None:
    """Why what was announced is nothing for this station (now), or None when it can have it."""
    has = max(state.installed, station.version, key=number)
    if station.model not in announcement.offers:
        return WrongModel(version=announcement.version, model=station.model)
    if number(announcement.version) <= number(has):
        return NotNewer(version=announcement.version, installed=has)
    if number(station.version) < number(announcement.after):
        return NeedsFirst(version=announcement.version, needed=announcement.after, installed=station.version)
    if not announcement.fresh:
        return TimeUnknown()
    return None


def admit(state: State, station: Station, clock: Clock, channel: str, document: bytes, bundle: Bundle) -> State:
    """Whether this very bundle may be installed because of this channel file; what to remember.  Raises a Refusal."""
    announcement, following = hear(state, station, clock, channel, document)
    if why_not := obstacle(state, station, announcement):
        raise why_not
    offer = announcement.offers[station.model]
    announced = (announcement.version, offer.manifest, offer.size)
    if announced != (bundle.version, bundle.manifest, bundle.size):
        raise OtherBundle(version=announcement.version)
    admit_from_hand(state, station, bundle)
    return following


def admit_from_hand(state: State, station: Station, bundle: Bundle) -> None:
    """Whether a bundle may be installed that a person brought: released, for this model, and newer.  Raises a Refusal.

    It needs neither network nor time; whoever stands at the station with a release may install it.
    """
    has = max(state.installed, station.version, key=number)
    if bundle.signer not in state.keys.release:
        raise NotReleased(version=bundle.version)
    if bundle.model != station.model:
        raise WrongModel(version=bundle.version, model=station.model)
    if not is_version(bundle.version):
        raise Unfamiliar(name="version")
    if number(bundle.version) <= number(has):
        raise NotNewer(version=bundle.version, installed=has)


def silence(state: State, station: Station, clock: Clock, *, network_works: bool) -> Frozen | None:
    """The freeze alarm: all that was heard has been out of date for 14 days, though there is a network.

    ``network_works``: news was asked for just now, and other addresses answered.
    """
    until = state.fresh_until(station)
    if network_works and _is_known(state, station, clock) and clock.now > until + SILENCE:
        return Frozen(since=day(until))
    return None


def _not_older(known: Heard | None, news: Heard) -> None:
    if known is None:
        return
    if news.issued < known.issued or (news.issued == known.issued and news.digest != known.digest):
        raise OlderNews(issued=day(news.issued), known=day(known.issued))
    if number(news.version) < number(known.version):
        raise OlderVersion(version=news.version, known=known.version)


def _is_known(state: State, station: Station, clock: Clock) -> bool:
    return clock.synchronised and clock.now >= state.floor(station) - APART


def _in_time(state: State, station: Station, clock: Clock, news: Heard) -> bool:
    """Whether news is certainly good now; False where nobody knows.  Raises what is certain against it."""
    known = _is_known(state, station, clock)
    passed = max(state.floor(station), clock.now if known else 0)
    if state.keys.expires <= passed:
        raise KeysExpired(expires=day(state.keys.expires))
    if news.expires <= passed:
        raise Expired(expires=day(news.expires))
    if known and news.issued > clock.now + APART:
        raise FromTheFuture(issued=day(news.issued))
    return known
