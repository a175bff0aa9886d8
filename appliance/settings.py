"""Typed settings: each is declared once in code, stored as one row, and shown as one field in the console.

A stored value that no longer fits its declaration is never silently replaced by the default: reading it raises
:class:`UnreadableSetting`, health shows it, and the row stays until a person decides.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, Session, mapped_column

from appliance.db import Base, ShortText
from appliance.errors import ApplianceError, Invalid
from appliance.words import N_, Message

T = TypeVar("T", bool, int, str)


class SettingRow(Base):
    """A value that differs from its default."""

    __tablename__ = "setting"
    key: Mapped[str] = mapped_column(ShortText, primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)


class UnreadableSetting(ApplianceError):
    """A stored value does not fit its declaration."""

    code = "unreadable_setting"
    template = N_("The stored value of “{title}” cannot be read.")
    hint = N_("Open Settings and choose it again; until then nothing that depends on it runs.")


REGISTRY: dict[str, "Setting[Any]"] = {}
#: Modules of the core that declare settings; imported when all of them are asked for.
MODULES = (
    "appliance.backup.policy",
    "appliance.drives.health",
    "appliance.drives.waiting",
    "appliance.jobs.schedule",
    "appliance.library.bin",
    "appliance.library.uploads",
    "appliance.web.options",
)


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting; declare it as a module constant beside the code that obeys it."""

    key: str
    default: T
    title: str
    help: str = ""
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[tuple[str, str], ...] = ()
    unit: str = ""
    check: Callable[[T], Message | None] | None = None  # what the limits above cannot say

    def __post_init__(self) -> None:
        if self.key in REGISTRY:
            raise ValueError(f"two settings named {self.key}")
        REGISTRY[self.key] = self

    def problem(self, value: object) -> Message | None:
        """Why ``value`` cannot be stored, or None."""
        if type(value) is not type(self.default):
            return Message(N_("This is not the right kind of value."))
        if isinstance(value, int) and not isinstance(value, bool):
            if self.minimum is not None and value < self.minimum:
                return Message(N_("Choose at least {minimum}."), {"minimum": self.minimum})
            if self.maximum is not None and value > self.maximum:
                return Message(N_("Choose at most {maximum}."), {"maximum": self.maximum})
        if self.choices and value not in dict(self.choices):
            return Message(N_("Choose one of the listed values."))
        return self.check(value) if self.check else None

    def get(self, session: Session) -> T:
        """The value in force.  Raises UnreadableSetting for a stored value that does not fit."""
        row = session.get(SettingRow, self.key)
        if row is None:
            return self.default
        if self.problem(row.value):
            raise UnreadableSetting(title=Message(self.title))
        value: T = row.value
        return value

    def set(self, session: Session, value: T) -> None:
        """Store a value.  Raises Invalid, keyed by the setting's key."""
        if problem := self.problem(value):
            raise Invalid({self.key: problem})
        session.merge(SettingRow(key=self.key, value=value))

    def parse(self, text: str) -> Any:
        """A form's text as a value of this setting's type.  Raises Invalid."""
        if isinstance(self.default, bool):
            return text in {"1", "on", "true", "yes"}
        if isinstance(self.default, int):
            try:
                return int(text)
            except ValueError:
                raise Invalid({self.key: N_("Enter a whole number.")}) from None
        return text.strip()


def everything() -> dict[str, Setting[Any]]:
    """Every setting of the core by key, and those of whoever else is imported."""
    for module in MODULES:
        importlib.import_module(module)
    return dict(sorted(REGISTRY.items()))
