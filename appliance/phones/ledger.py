"""The ledger: a person's phones, what they chose, and each round of sending.

Everything is told by the phone, again and again until it has heard that it was written down; saying a thing twice
changes nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.errors import Invalid, NotFound
from appliance.people.models import User
from appliance.phones.models import Phone, PhoneItem, PhoneRound
from appliance.words import N_

KEY = re.compile(r"[0-9a-f]{32}")
LONGEST_NAME = 60
MOST_PHONES = 30
MOST_ITEMS = 500_000
KEPT_ROUNDS = 200
CHUNK = 500
COUNTS = ("found", "known", "deleted", "sent", "failed", "bytes")


@dataclass(frozen=True)
class Chosen:
    """One item as the phone tells it."""

    digest: bytes
    name: str
    size: int
    left: bool = False  # the phone


def register(session: Session, user: User, key: str, name: str) -> Phone:
    """The phone of this key; a new one gets the name, a known one keeps its own.  Raises Invalid."""
    if not KEY.fullmatch(key):
        raise Invalid({"key": N_("This is not the key of a phone.")})
    phone = session.scalars(select(Phone).where(Phone.user_id == user.id, Phone.key == key)).first()
    if phone is None:
        if len(listing(session, user.id)) >= MOST_PHONES:
            raise Invalid({"key": N_("There are too many phones already. Remove one that is no longer used.")})
        phone = Phone(user_id=user.id, key=key, name=_name(name))
        session.add(phone)
        session.flush()
    return phone


def rename(phone: Phone, name: str) -> None:
    """Call a phone by another name.  Raises Invalid."""
    phone.name = _name(name)


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise Invalid({"name": N_("Give the phone a name of 1 to 60 characters.")})
    return name


def listing(session: Session, user_id: int) -> Sequence[Phone]:
    """A person's phones, the newest first."""
    return session.scalars(select(Phone).where(Phone.user_id == user_id).order_by(Phone.id.desc())).all()


def find(session: Session, user_id: int, key: str) -> Phone | None:
    """A person's phone by its key."""
    return session.scalars(select(Phone).where(Phone.user_id == user_id, Phone.key == key)).first()


def get(session: Session, user_id: int, key: str) -> Phone:
    """Like :func:`find`.  Raises NotFound."""
    phone = find(session, user_id, key)
    if phone is None:
        raise NotFound(what="phone")
    return phone


def remove(session: Session, phone: Phone) -> None:
    """Forget a phone with its list and its rounds; no photo is touched."""
    session.delete(phone)


def keep(session: Session, phone: Phone, items: Sequence[Chosen]) -> None:
    """Write down what was chosen; what is known keeps its first day, and is on the phone again.  Raises Invalid."""
    if not items:
        return
    if any(len(item.digest) != 32 or item.size < 0 for item in items):
        raise Invalid({"items": N_("This is not a BLAKE3 hash.")})
    if count(session, phone.id) + len(items) > MOST_ITEMS:
        raise Invalid({"items": N_("This phone has chosen too many photos for one list.")})
    rows = [{"phone_id": phone.id, "digest": i.digest, "name": i.name[:255], "size": i.size} for i in items]
    again = insert(PhoneItem).on_conflict_do_update(index_elements=["phone_id", "digest"], set_={"gone": None})
    session.execute(again, rows)


def present(session: Session, phone: Phone, listing: str, digests: Sequence[bytes], *, whole: bool) -> int:
    """A page of what is on a phone now; with the last page of a listing, what it did not have has left the phone.

    How many have.  Nothing is deleted for it, here or anywhere.  Raises Invalid.
    """
    if not KEY.fullmatch(listing):
        raise Invalid({"listing": N_("This is not the key of a listing.")})
    mine = PhoneItem.phone_id == phone.id
    for start in range(0, len(digests), CHUNK):
        some = PhoneItem.digest.in_(digests[start : start + CHUNK])
        session.execute(update(PhoneItem).where(mine, some).values(listing=listing, gone=None))
    if whole:
        gone = (mine, PhoneItem.listing != listing, PhoneItem.gone.is_(None))
        session.execute(update(PhoneItem).where(*gone).values(gone=now()))
    return session.scalar(select(func.count()).where(mine, PhoneItem.gone.is_not(None))) or 0


def count(session: Session, phone_id: int) -> int:
    """How many different things a phone ever chose."""
    return session.scalar(select(func.count()).where(PhoneItem.phone_id == phone_id)) or 0


def pages(session: Session, phone_id: int, size: int) -> Iterator[Sequence[Chosen]]:
    """Everything a phone ever chose, in pages."""
    after = b""
    while True:
        rows = page(session, phone_id, after, size)
        if rows:
            yield rows
        if len(rows) < size:
            return
        after = rows[-1].digest


def page(session: Session, phone_id: int, after: bytes, size: int) -> Sequence[Chosen]:
    """So many items of a phone after a digest, in the order of their digests."""
    columns = (PhoneItem.digest, PhoneItem.name, PhoneItem.size, PhoneItem.gone.is_not(None))
    wanted = select(*columns).where(PhoneItem.phone_id == phone_id)
    rows = session.execute(wanted.where(PhoneItem.digest > after).order_by(PhoneItem.digest).limit(size))
    return [Chosen(*row) for row in rows]


def note_round(session: Session, phone: Phone, key: str, counts: Mapping[str, int], *, finished: bool) -> PhoneRound:
    """How far a round is; the first word of it begins it, and a finished one stays as it is.  Raises Invalid."""
    if not KEY.fullmatch(key):
        raise Invalid({"key": N_("This is not the key of a phone.")})
    if any(counts.get(name, 0) < 0 for name in COUNTS):
        raise Invalid({"found": N_("This number is out of range.")})
    moment = now()
    told: dict[str, Any] = {name: counts.get(name, 0) for name in COUNTS}
    told |= {"heard": moment, "finished": moment if finished else None}
    new = insert(cast(Table, PhoneRound.__table__)).values(phone_id=phone.id, key=key, started=moment, **told)
    open_still = PhoneRound.finished.is_(None)
    session.execute(new.on_conflict_do_update(index_elements=["phone_id", "key"], set_=told, where=open_still))
    _forget_old(session, phone.id)
    return session.scalars(select(PhoneRound).where(PhoneRound.phone_id == phone.id, PhoneRound.key == key)).one()


def _forget_old(session: Session, phone_id: int) -> None:
    kept = (
        select(PhoneRound.id).where(PhoneRound.phone_id == phone_id).order_by(PhoneRound.id.desc()).limit(KEPT_ROUNDS)
    )
    session.execute(delete(PhoneRound).where(PhoneRound.phone_id == phone_id, PhoneRound.id.not_in(kept)))


def rounds(session: Session, phone_id: int, most: int = KEPT_ROUNDS) -> Sequence[PhoneRound]:
    """A phone's rounds, the newest first."""
    wanted = select(PhoneRound).where(PhoneRound.phone_id == phone_id).order_by(PhoneRound.id.desc())
    return session.scalars(wanted.limit(most)).all()
