"""Words for people, kept apart from the language they are shown in.

The core never translates.  It hands out a :class:`Message` (an English template plus its fields); the console
translates the template and fills the fields in.  ``N_`` marks a template so that the translation catalogue
finds it; it returns its argument unchanged.  A field may itself be a Message ("Solved: {issue}").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def N_(template: str) -> str:
    """Mark a template for translation."""
    return template


@dataclass(frozen=True)
class Message:
    """A sentence for people: an English template and the values for its ``{fields}`` (JSON scalars or Messages)."""

    template: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The English sentence, for logs and the command line."""
        return self.template.format(**self.fields)

    def as_json(self) -> dict[str, Any]:
        """The form stored in the database and sent over sockets."""
        fields = {k: v.as_json() if isinstance(v, Message) else v for k, v in self.fields.items()}
        return {"template": self.template, "fields": fields}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Message":
        """The inverse of :meth:`as_json`."""
        fields = {k: cls.from_json(v) if isinstance(v, Mapping) else v for k, v in stored["fields"].items()}
        return cls(stored["template"], fields)
