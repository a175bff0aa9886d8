"""Phones by the API: what they chose, each round of sending, and the audit of it all."""

from dataclasses import dataclass, field
from datetime import datetime

from flask import request

from appliance.phones import audit, kept, ledger
from appliance.phones.audit import State
from appliance.phones.ledger import Chosen
from appliance.phones.models import Phone, PhoneRound
from console.access import me
from console.api.routes import route
from console.library.receiving import digest_in
from console.session.browsers import browser
from console.station import station

MOST = 5000  # items in one page


@dataclass(frozen=True)
class PhoneView:
    """A device that somebody sends photos from; its key is 32 hexadecimal digits of its own choice."""

    key: str
    name: str
    added: datetime
    chosen: int


@dataclass(frozen=True)
class PhoneChange:
    """Without a name, a new phone is called after its browser and a known one keeps its name."""

    name: str | None = None


@dataclass(frozen=True)
class ItemShape:
    """Something that was chosen: BLAKE3 hash in hexadecimal, name and bytes."""

    digest: str
    name: str
    size: int


@dataclass(frozen=True)
class Items:
    """A page of a phone's list."""

    items: list[ItemShape]


@dataclass(frozen=True)
class ItemPage:
    """``after`` asks for the next page; null on the last one."""

    items: list[ItemShape]
    after: str | None


@dataclass(frozen=True)
class ItemQuery:
    """``after`` from the page before."""

    after: str = ""


@dataclass(frozen=True)
class RoundState:
    """How far a round of sending is; once it was finished, nothing more is taken."""

    found: int = 0
    known: int = 0
    deleted: int = 0
    sent: int = 0
    failed: int = 0
    bytes: int = 0
    finished: bool = False


@dataclass(frozen=True)
class RoundView:
    """One round; without ``finished`` it is under way or was cut off after ``heard``."""

    key: str
    started: datetime
    heard: datetime
    finished: datetime | None
    found: int
    known: int
    deleted: int
    sent: int
    failed: int
    bytes: int


@dataclass(frozen=True)
class Asked:
    """Hashes to audit, 10,000 at most; ask again for more."""

    digests: list[str]


@dataclass(frozen=True)
class VerdictView:
    """One of them.  ``may_go``: two proven copies, one of them on COLD, proven in the last half year."""

    digest: str
    state: State
    copies: int
    proven: datetime | None
    may_go: bool


@dataclass(frozen=True)
class Audited:
    """In the order they were asked."""

    items: list[VerdictView]


@dataclass(frozen=True)
class UnsafeView:
    """Something that is not safe, and why."""

    name: str
    state: State


@dataclass(frozen=True)
class ReportView:
    """A phone's whole list; ``unsafe`` names the first 200.  What was deleted here is not part of ``total``."""

    total: int
    safe: int
    states: dict[str, int]
    in_copies: dict[str, int]
    may_go: int
    may_go_bytes: int
    proven_from: datetime | None
    proven_to: datetime | None
    unsafe: list[UnsafeView] = field(default_factory=list)
    left: int = 0  # the phone, as its own listings tell
    made: datetime | None = None  # null: nothing was counted yet
    again: bool = False  # it is being counted


def _phone_view(phone: Phone, chosen: int) -> PhoneView:
    return PhoneView(phone.key, phone.name, phone.added, chosen)


def _round_view(row: PhoneRound) -> RoundView:
    return RoundView(**{name: getattr(row, name) for name in RoundView.__dataclass_fields__})


@route("GET", "/phones", summary="The phones you send from")
def listing() -> list[PhoneView]:
    """Newest first."""
    with station().db.reading() as session:
        return [_phone_view(phone, ledger.count(session, phone.id)) for phone in ledger.listing(session, me().id)]


@route("PUT", "/phones/<key>", summary="Register a phone, or rename it")
def register(key: str, body: PhoneChange) -> PhoneView:
    """Saying it twice changes nothing."""
    with station().db.writing() as session:
        phone = ledger.register(session, me(), key, body.name or browser(request.user_agent.string))
        if body.name is not None:
            ledger.rename(phone, body.name)
        return _phone_view(phone, ledger.count(session, phone.id))


@route("DELETE", "/phones/<key>", summary="Forget a phone, its list and its rounds", status=204)
def remove(key: str) -> None:
    """No photo is touched."""
    with station().db.writing() as session:
        ledger.remove(session, ledger.get(session, me().id, key))


@route("GET", "/phones/<key>/items", summary="What a phone ever chose")
def items(key: str, query: ItemQuery) -> ItemPage:
    """In the order of the hashes."""
    with station().db.reading() as session:
        phone = ledger.get(session, me().id, key)
        rows = ledger.page(session, phone.id, digest_in(query.after) or b"", MOST)
    after = rows[-1].digest.hex() if len(rows) == MOST else None
    return ItemPage([ItemShape(row.digest.hex(), row.name, row.size) for row in rows], after)


@route("POST", "/phones/<key>/items", summary="Add to what a phone chose", status=204)
def keep(key: str, body: Items) -> None:
    """Whether it was sent or not; a hash that is there already stays as it is."""
    chosen = [Chosen(digest_in(item.digest) or b"", item.name, item.size) for item in body.items]
    with station().db.writing() as session:
        ledger.keep(session, ledger.get(session, me().id, key), chosen)


@dataclass(frozen=True)
class Present:
    """A page of what is on a phone now, 5,000 hashes at most; ``listing``: 32 hexadecimal digits.

    ``whole``: this is the last page, and what was on none of them has left the phone.
    """

    listing: str
    digests: list[str]
    whole: bool = False


@dataclass(frozen=True)
class LeftView:
    """How many of the things that it ever chose have left the phone."""

    left: int


@route("POST", "/phones/<key>/present", summary="Tell what is on a phone now")
def present(key: str, body: Present) -> LeftView:
    """Nothing is deleted for it: the audit only tells what has left the phone."""
    digests = [digest for text in body.digests[:MOST] if (digest := digest_in(text))]
    with station().db.writing() as session:
        phone = ledger.get(session, me().id, key)
        return LeftView(ledger.present(session, phone, body.listing, digests, whole=body.whole))


@route("GET", "/phones/<key>/rounds", summary="When a phone sent, and what became of it")
def rounds(key: str) -> list[RoundView]:
    """Newest first, 200 at most."""
    with station().db.reading() as session:
        return [_round_view(row) for row in ledger.rounds(session, ledger.get(session, me().id, key).id)]


@route("PUT", "/phones/<key>/rounds/<round_key>", summary="Tell how far a round of sending is")
def tell(key: str, round_key: str, body: RoundState) -> RoundView:
    """The first word of a round begins it."""
    counts = {name: getattr(body, name) for name in ledger.COUNTS}
    with station().db.writing() as session:
        phone = ledger.get(session, me().id, key)
        return _round_view(ledger.note_round(session, phone, round_key, counts, finished=body.finished))


@route("GET", "/phones/<key>/audit", summary="How much of what a phone chose is safe, and what is not")
def report(key: str) -> ReportView:
    """Looks at the drives that are here; of a long list this is the last look, while the next is under way."""
    with station().db.reading() as session:
        phone = ledger.get(session, me().id, key)
        stale = kept.wanted(session, phone)
    if stale:
        with station().db.writing() as session:
            kept.start(session, phone)
    with station().db.reading() as session:
        made, when, again = kept.latest(session, station().places, me(), phone)
    return ReportView(
        total=made.total,
        safe=made.safe,
        states={state.value: made.states[state] for state in State},
        in_copies={str(copies): number for copies, number in sorted(made.in_copies.items())},
        may_go=made.may_go,
        may_go_bytes=made.may_go_bytes,
        proven_from=made.proven_from,
        proven_to=made.proven_to,
        unsafe=[UnsafeView(name, state) for name, state in made.unsafe],
        left=made.left,
        made=when,
        again=again,
    )


@route("POST", "/audit", summary="Which of these are safe, and in how many copies")
def audit_of(body: Asked) -> Audited:
    """Any list of hashes, also of what no phone of yours ever told; page by page for more than 10,000."""
    digests = [digest for text in body.digests if (digest := digest_in(text))]
    with station().db.reading() as session:
        found = audit.audit(session, station().places, me(), digests)
    return Audited([VerdictView(digest.hex(), *found[digest]) for digest in digests])
