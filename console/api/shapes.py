"""JSON in, dataclass out, and back: the one place where what came from outside is given a type.

``build`` collects every problem, keyed by the field's place in the document (``days.0``, ``options.port``), and raises
``Invalid`` once.  A field is a string, number, switch, moment, one of an enum, a list, a dict, another dataclass, or
``X | None``; unknown fields are refused, so that a misspelt one is never silently ignored.
"""

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from appliance.errors import Invalid
from appliance.words import N_, Message
from console.translate import say

T = TypeVar("T")
LARGEST = 2**63 - 1  # what the database can hold
LONGEST_TEXT = 10_000
LONGEST_LIST = 10_000
DEEPEST = 20
Problems = dict[str, Message | str]


_AS_THEY_ARE = (str, int, float, bool, type(None))


class _Wrong(Exception):
    """A value that is not of its type; the problem is noted already."""


def build(kind: type[T], given: object, *, text: bool = False) -> T:
    """``given`` (parsed JSON; with ``text``, a query string's values) as a ``kind``.  Raises Invalid."""
    problems: Problems = {}
    try:
        value: T = _read(kind, _Place(given, "", problems, text))
    except _Wrong:
        value = None  # type: ignore[assignment]  # not returned: there is a problem
    if problems:
        raise Invalid(problems)
    return value


class _Place:
    """A value, where it stands in the document, and where problems are noted."""

    def __init__(self, value: object, name: str, problems: Problems, text: bool) -> None:
        self.value, self.name, self.problems, self.text = value, name, problems, text

    def inside(self, name: object, value: object) -> "_Place":
        return _Place(value, f"{self.name}.{name}".lstrip("."), self.problems, self.text)

    def wrong(self, why: Message | str) -> _Wrong:
        self.problems[self.name] = why
        return _Wrong()


def _read(kind: Any, at: _Place) -> Any:
    if kind is Any:
        return _anything(at)
    if is_dataclass(kind):
        return _read_object(kind, at)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _read_one_of(get_args(kind), at)
    if origin in (list, tuple):
        return _read_list(get_args(kind)[0], at, origin)
    if origin is dict:
        return _read_dict(get_args(kind)[1], at)
    return _read_scalar(kind, at)


def _read_one_of(kinds: tuple[Any, ...], at: _Place) -> Any:
    """``X | None``, or several scalars told apart by the type that JSON gives them."""
    if at.value is None and type(None) in kinds:
        return None
    options = [kind for kind in kinds if kind is not type(None)]
    if len(options) > 1:
        options = [kind for kind in options if kind is type(at.value)]
    if not options:
        raise at.wrong(N_("This is not the right kind of value."))
    return _read(options[0], at)


def _read_object(kind: Any, at: _Place) -> Any:
    if not isinstance(at.value, Mapping):
        raise at.wrong(N_("Send an object with named fields."))
    hints, values, bad = hints_of(kind), {}, False
    known = {f.name: f for f in fields(kind)}
    for name in at.value:
        if name not in known:
            at.inside(name, None).wrong(N_("There is no such field."))
            bad = True
    for name, field in known.items():
        here = at.inside(name, at.value.get(name))
        if name not in at.value:
            if field.default is MISSING and field.default_factory is MISSING:
                here.wrong(N_("This field is needed."))
                bad = True
            continue
        try:
            values[name] = _read(hints[name], here)
        except _Wrong:
            bad = True
    if bad:
        raise _Wrong
    return kind(**values)


def _read_list(kind: Any, at: _Place, make: Any) -> Any:
    if at.text:
        at.value = str(at.value).split(",")
    if not isinstance(at.value, list):
        raise at.wrong(N_("Send a list."))
    if len(at.value) > LONGEST_LIST:
        raise at.wrong(Message(N_("Send at most {most} at once."), {"most": LONGEST_LIST}))
    return make([_read(kind, at.inside(number, value)) for number, value in enumerate(at.value)])


def _read_dict(kind: Any, at: _Place) -> dict[str, Any]:
    if not isinstance(at.value, Mapping):
        raise at.wrong(N_("Send an object with named fields."))
    return {_text(at.inside(name, name)): _read(kind, at.inside(name, value)) for name, value in at.value.items()}


def _read_scalar(kind: Any, at: _Place) -> Any:
    if at.text and kind in (int, float, bool):
        at.value = _from_text(kind, str(at.value))
    if issubclass(kind, Enum):
        try:
            return kind(at.value)
        except ValueError:
            listed = ", ".join(str(option.value) for option in kind)
            raise at.wrong(Message(N_("Choose one of: {choices}."), {"choices": listed})) from None
    if kind is bool:
        if not isinstance(at.value, bool):
            raise at.wrong(N_("Send true or false."))
        return at.value
    if kind in (int, float):
        return _number(kind, at)
    if kind in (datetime, date):
        return _moment(kind, at)
    return _text(at)


def _from_text(kind: Any, text: str) -> object:
    if kind is bool:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    try:
        return kind(text) if text.isascii() and len(text) < 40 else None
    except ValueError:
        return None


def _number(kind: Any, at: _Place) -> Any:
    allowed = (int,) if kind is int else (int, float)
    if type(at.value) not in allowed:
        raise at.wrong(N_("Enter a whole number.") if kind is int else N_("Enter a number."))
    number: float = at.value  # type: ignore[assignment]
    if abs(number) > LARGEST or not math.isfinite(number):
        raise at.wrong(N_("This number is out of range."))
    return kind(number)


def _moment(kind: Any, at: _Place) -> Any:
    try:
        value = kind.fromisoformat(_text(at))
        if kind is date:
            return value
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise at.wrong(N_("Write a moment like 2026-11-30T03:00:00Z.")) from None


def _text(at: _Place) -> str:
    if not isinstance(at.value, str):
        raise at.wrong(N_("Send text."))
    if len(at.value) > LONGEST_TEXT:
        raise at.wrong(Message(N_("Send at most {longest} characters."), {"longest": LONGEST_TEXT}))
    if any(0xD800 <= ord(c) <= 0xDFFF for c in at.value):  # JSON can spell half a character; nothing can store it
        raise at.wrong(N_("This is not text."))
    return at.value


def _anything(at: _Place) -> Any:
    """A JSON value of any kind, checked all the way down."""
    if at.name.count(".") > DEEPEST:
        raise at.wrong(N_("This is nested too deeply."))
    if isinstance(at.value, Mapping):
        return _read_dict(Any, at)
    if isinstance(at.value, list):
        return _read_list(Any, at, list)
    if isinstance(at.value, str):
        return _text(at)
    if at.value is None or isinstance(at.value, bool):
        return at.value
    return _number(float if isinstance(at.value, float) else int, at)


@cache
def hints_of(kind: Any) -> dict[str, Any]:
    """A dataclass's field types."""
    return get_type_hints(kind)


def dump(value: Any) -> Any:
    """Anything an endpoint returns, as JSON; sentences come in the reader's language."""
    if type(value) in _AS_THEY_ARE:  # asked first: a page of the timeline is mostly these
        return value
    if isinstance(value, Message):
        return say(value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: dump(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): dump(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [dump(inner) for inner in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value
