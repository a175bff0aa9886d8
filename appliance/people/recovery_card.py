"""The recovery card: a code on paper that lets a new box take this station's place when every password is forgotten.

The code is shown once, when the card is made; the row keeps its argon2id hash, and goes with the database onto every
drive at the next copy.  It opens nothing on a running station, and on a new box only together with that box's own claim
code and one of the drives.  Making another card, or giving it up, ends the one before here at once, and on a drive with
its next copy.
"""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from appliance import identity
from appliance.db import Base, ShortText, UtcTime, now
from appliance.people import passwords
from appliance.people.audit import By, note
from appliance.words import N_

ONLY = 1  # there is one card, or none


class RecoveryCard(Base):
    """The card that counts."""

    __tablename__ = "recovery_card"
    id: Mapped[int] = mapped_column(primary_key=True)
    code_hash: Mapped[str] = mapped_column(ShortText)
    made: Mapped[datetime] = mapped_column(UtcTime, default=now)
    made_by: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))


def current(session: Session) -> RecoveryCard | None:
    """The card that was made last; None when there is none."""
    return session.get(RecoveryCard, ONLY)


def make(session: Session, by: By) -> str:
    """A new card; its code, this once.  The one before ends."""
    code = identity.new_code()
    card = current(session) or RecoveryCard(id=ONLY)
    card.code_hash, card.made, card.made_by = passwords.make_hash(plain(code)), now(), by.user_id
    session.add(card)
    note(session, by, "recovery_card_made", N_("A recovery card was made. The one before is no longer good."))
    return code


def give_up(session: Session, by: By) -> None:
    """No card is good any more."""
    if (card := current(session)) is not None:
        session.delete(card)
        note(session, by, "recovery_card_ended", N_("The recovery card is no longer good."))


def plain(code: str) -> str:
    """As it is hashed: spaces, dashes and case do not matter."""
    return "".join(letter for letter in code.upper() if letter.isalnum())


def opens(code_hash: str, code: str) -> bool:
    """Whether this is the code; takes as long where there is no card."""
    return passwords.matches(code_hash, plain(code))
