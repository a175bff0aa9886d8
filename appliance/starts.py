"""Each start has a number and a mark, noted on the card before anybody else hears of it.  (Standard library only.)

Two cards that were one share what was before they parted and nothing after: the marks are random.  So whoever was told
number and mark of a start (a drive, the home network) can say later whether it was told by this very card.  No clock is
asked, and a card whose marks cannot be written goes on with those that it has.
"""

import json
import logging
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from appliance.durable import write_atomically
from appliance.places import Places

log = logging.getLogger("everpx.starts")

KEPT = 2000  # starts; what is older is believed


@dataclass(frozen=True)
class Start:
    """One start, as others were told of it."""

    number: int
    mark: str


@dataclass(frozen=True)
class Starts:
    """What a card knows of its own past.

    ``believed``: starts of others that a person has said are no matter.  ``inherits``: the card was written anew and
    took its station's drives over; each of them is believed once, and is in ``seen`` from then on.
    """

    number: int = 0
    marks: tuple[str, ...] = ()  # the last one is of ``number``
    believed: tuple[Start, ...] = ()
    inherits: bool = False
    seen: tuple[str, ...] = ()

    @property
    def latest(self) -> Start | None:
        """The running one; None before the first."""
        return Start(self.number, self.marks[-1]) if self.marks else None

    def is_older_than(self, told: Start) -> bool:
        """Whether somebody was told of a start that has not been here yet."""
        return told.number > self.number

    def was_not(self, told: Start) -> bool:
        """Whether that start was another card's; unknown (too long ago) is not another's."""
        back = self.number - told.number
        known = self.marks[-1 - back] if 0 <= back < len(self.marks) else told.mark
        return known != told.mark

    def believes(self, told: Start, drive: str) -> bool:
        """Whether what a drive was told needs no proof."""
        return told in self.believed or (self.inherits and drive not in self.seen)


def load(places: Places) -> Starts:
    """What is noted; nothing when it cannot be read."""
    try:
        stored = json.loads(_file(places).read_bytes())
        return Starts(
            int(stored["number"]),
            tuple(map(str, stored["marks"])),
            tuple(Start(int(number), str(mark)) for number, mark in stored["believed"]),
            bool(stored["inherits"]),
            tuple(map(str, stored["seen"])),
        )
    except FileNotFoundError:
        return Starts()
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("the starts of this station cannot be read: %s", error)
        return Starts()


def begin(places: Places) -> None:
    """Count this start."""
    try:
        _save(places, _next(load(places)))
    except OSError as error:  # a card that takes nothing any more: what it said before stays true
        log.warning("this start could not be noted: %s", error)


def believe(places: Places, told: Iterable[Start]) -> None:
    """A person has said that this card is the right one: go on behind every start that others were told of."""
    known, told = load(places), tuple(told)
    believed = tuple(dict.fromkeys((*known.believed, *told)))[-KEPT:]
    _save(places, _next(replace(known, believed=believed), max((start.number for start in told), default=0)))


def inherit(places: Places) -> None:
    """This card was written anew, and the drives of the one before are its own now."""
    _save(places, replace(load(places), inherits=True, seen=()))


def see(places: Places, drive: str) -> None:
    """A drive knows of this card now; only one that inherits has to remember which."""
    known = load(places)
    if known.inherits and drive not in known.seen:
        _save(places, replace(known, seen=(*known.seen, drive)))


def _next(known: Starts, after: int = 0) -> Starts:
    number = 1 + max(known.number, after)
    skipped = [""] * (number - known.number - 1)  # nobody was told of them by this card
    return replace(known, number=number, marks=(*known.marks, *skipped, secrets.token_hex(8))[-KEPT:])


def _save(places: Places, known: Starts) -> None:
    stored = asdict(known) | {"believed": [[one.number, one.mark] for one in known.believed]}
    write_atomically(_file(places), json.dumps(stored).encode())


def _file(places: Places) -> Path:
    return places.data / "starts.json"
