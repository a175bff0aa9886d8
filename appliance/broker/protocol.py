"""Requests and verbs.  Root receives facts, never text: each verb has a frozen dataclass that checks its own fields.

A frame is one JSON object on one line, 64 KiB at most: ``{"verb": "drives.mount", "request": {...}}``; the answer is
``{"ok": {...}}`` or ``{"error": code, "message": sentence, "hint": sentence}``.  Unknown verbs and fields are refused.
"""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from appliance.errors import ApplianceError
from appliance.words import N_

LIMIT = 64 * 1024  # bytes a frame may have

R = TypeVar("R")
Handler = Callable[[Any], dict[str, Any]]
VERBS: dict[str, tuple[type[Any], Handler]] = {}
AT_START: list[Callable[[], None]] = []


class BadRequest(ApplianceError):
    """What arrived is not a request that root understands."""

    code, status, template = "bad_request", 400, N_("The request was refused: {why}.")


def verb(name: str) -> Callable[[Callable[[R], dict[str, Any]]], Callable[[R], dict[str, Any]]]:
    """Declare a verb; the handler's one annotated parameter is its request class."""

    def register(handler: Callable[[R], dict[str, Any]]) -> Callable[[R], dict[str, Any]]:
        hints = get_type_hints(handler)
        hints.pop("return", None)
        request_class: type[Any]
        (request_class,) = hints.values()
        if not is_dataclass(request_class):
            raise TypeError(f"{name} needs a dataclass as its request")
        if name in VERBS:
            raise ValueError(f"two verbs named {name}")
        VERBS[name] = (request_class, handler)
        return handler

    return register


def at_start(begin: Callable[[], None]) -> Callable[[], None]:
    """Declare what the daemon does once, before it answers; loading the module alone must do nothing."""
    AT_START.append(begin)
    return begin


def parse(line: bytes) -> tuple[str, Handler, Any]:
    """A frame as (verb name, handler, checked request).  Raises BadRequest."""
    try:
        frame = json.loads(line)
        name, body = frame["verb"], frame["request"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadRequest(why="not a frame") from None
    if not isinstance(name, str) or name not in VERBS:
        raise BadRequest(why="unknown verb")
    request_class, handler = VERBS[name]
    return name, handler, build(request_class, body)


def build(request_class: type[R], body: object) -> R:
    """A request of its own class, every field present or defaulted, typed, and checked by ``__post_init__``."""
    if not isinstance(body, dict):
        raise BadRequest(why="not an object")
    hints = get_type_hints(request_class)
    known = {f.name for f in fields(request_class)}  # type: ignore[arg-type]
    if unknown := set(body) - known:
        raise BadRequest(why=f"unknown field {sorted(unknown)[0]}")
    given = {}
    for name, value in body.items():
        inner = _item_of(hints[name])
        if inner is not None and isinstance(value, list):
            given[name] = _items(name, inner, value)
        elif _fits(value, hints[name]):
            given[name] = value
        else:
            raise BadRequest(why=f"wrong kind of value in {name}")
    try:
        return request_class(**given)
    except TypeError:
        raise BadRequest(why="a field is missing") from None
    except ValueError as problem:
        raise BadRequest(why=str(problem)) from None


def _item_of(hint: Any) -> Any:
    """What a field ``tuple[X, ...]`` holds; None for any other field."""
    return get_args(hint)[0] if get_origin(hint) is tuple else None


def _items(name: str, inner: Any, value: list[Any]) -> tuple[Any, ...]:
    """A JSON list as a tuple of dataclasses that check themselves, or of plain values."""
    if is_dataclass(inner):
        return tuple(build(inner, one) for one in value)  # type: ignore[arg-type]
    if not all(_fits(one, inner) for one in value):
        raise BadRequest(why=f"wrong kind of value in {name}")
    return tuple(value)


def refusal(error: ApplianceError) -> dict[str, Any]:
    """An expected failure as an answer: for programs, and with its words apart, so that they can be translated."""
    return error.as_json() | {"words": error.message.as_json(), "hint_words": error.hint}


def _fits(value: object, hint: Any) -> bool:
    """Whether a JSON value is of a field's type: str, int, bool, or ``X | None`` of these (lists: :func:`_items`)."""
    if get_origin(hint) is tuple:
        return False
    allowed = getattr(hint, "__args__", (hint,))
    return type(value) in allowed or (value is None and type(None) in allowed)
