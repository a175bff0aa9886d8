"""What a message says, before it has a language: a subject and parts, each with a sentence or several, and a hint.

Kept in the delivery's row as JSON, so that the page can show what was sent in the language of whoever looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.words import N_, Message
from plugins.notify.models import NotifyTold, ToldState


@dataclass(frozen=True)
class Part:
    """Sentences that belong together."""

    lines: tuple[Message, ...]
    head: Message | None = None
    hint: Message | None = None

    def as_json(self) -> dict[str, Any]:
        """For the row."""
        return {
            "lines": [line.as_json() for line in self.lines],
            "head": self.head.as_json() if self.head else None,
            "hint": self.hint.as_json() if self.hint else None,
        }


@dataclass(frozen=True)
class Text:
    """A whole message."""

    subject: Message
    parts: tuple[Part, ...]

    def as_json(self) -> dict[str, Any]:
        """For the row."""
        return {"subject": self.subject.as_json(), "parts": [part.as_json() for part in self.parts]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Text":
        """The inverse of :meth:`as_json`."""
        parts = tuple(
            Part(tuple(map(Message.from_json, p["lines"])), _maybe(p["head"]), _maybe(p["hint"]))
            for p in stored["parts"]
        )
        return cls(Message.from_json(stored["subject"]), parts)


def _maybe(stored: Mapping[str, Any] | None) -> Message | None:
    return Message.from_json(stored) if stored else None


def news(rows: Sequence[NotifyTold]) -> Text:
    """One message about everything that waits to be told on a channel, the worst first."""
    open_ones = [row for row in rows if row.state is not ToldState.OVER]
    over = [row for row in rows if row.state is ToldState.OVER]
    parts = [_part(row) for row in open_ones]
    parts += [Part((Message(N_("Solved: {issue}"), {"issue": row.message}),)) for row in over]
    return Text(_subject(open_ones, over), tuple(parts))


def _part(row: NotifyTold) -> Part:
    again = row.state is ToldState.AGAIN
    line = Message(N_("Still so: {issue}"), {"issue": row.message}) if again else row.message
    return Part((line,), hint=row.hint)


def _subject(open_ones: Sequence[NotifyTold], over: Sequence[NotifyTold]) -> Message:
    if len(open_ones) == 1:
        return _part(open_ones[0]).lines[0]
    if open_ones:
        return Message(N_("{count} things need you"), {"count": len(open_ones)})
    if len(over) == 1:
        return Message(N_("Solved: {issue}"), {"issue": over[0].message})
    return Message(N_("{count} things are solved"), {"count": len(over)})


def trial() -> Text:
    """What “Send a test message” sends."""
    line = Message(N_("Messages from your station arrive here."))
    hint = Message(N_("You will hear from it when something needs you. There is nothing to do now."))
    return Text(Message(N_("A test message from your station")), (Part((line,), hint=hint),))
