"""Who did something to people, and from where: the two facts that every audit line of this room carries."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from appliance import events


@dataclass(frozen=True)
class By:
    """The person (None: the station itself) and the network address an act came from."""

    user_id: int | None = None
    address: str = ""


def note(session: Session, by: By, kind: str, template: str, **fields: Any) -> None:
    """Record an event of this room in the caller's transaction; never pass a secret."""
    events.record(session, f"people.{kind}", template, actor_id=by.user_id, address=by.address, **fields)
