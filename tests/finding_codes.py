"""Every code that a finding can have, read from the source: so that none is forgotten by a test."""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPO = Path(__file__).parents[1]
FIELDS = ("code", "severity", "message", "hint", "subject")  # of Finding, in this order


@dataclass(frozen=True)
class Raised:
    """One place where a finding is made."""

    where: str  # file:line
    codes: frozenset[str]
    given: frozenset[str]  # the fields that are given there
    words: tuple[tuple[str, frozenset[str]], ...] = ()  # of each field, the words that stand there


@cache
def raised() -> tuple[Raised, ...]:
    """Every place in the core and in the plugins."""
    files = [path for room in ("appliance", "plugins") for path in sorted((REPO / room).rglob("*.py"))]
    return tuple(one for path in files if "Finding(" in (text := path.read_text()) for one in _in(path, text))


def codes() -> set[str]:
    """All of them."""
    return {code for one in raised() for code in one.codes}


@cache
def named(field: str) -> frozenset[str]:
    """Every button (``fix``) or guide that a finding names."""
    found = {word for one in raised() for word in dict(one.words).get(field, ())}
    return frozenset(found)


def _in(path: Path, text: str) -> Iterator[Raised]:
    module = ".".join(path.relative_to(REPO).with_suffix("").parts)
    for call in ast.walk(ast.parse(text)):
        if isinstance(call, ast.Call) and name_of(call.func) == "Finding":
            given = dict(zip(FIELDS, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
            where = f"{path.relative_to(REPO)}:{call.lineno}"
            words = tuple((field, _words(said)) for field, said in given.items())
            yield Raised(where, frozenset(_codes(given["code"], module, where)), frozenset(given), words)


def _words(said: ast.expr) -> frozenset[str]:
    """Of a choice of two only what is chosen, not what is asked."""
    parts = [said.body, said.orelse] if isinstance(said, ast.IfExp) else [said]
    return frozenset(p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str))


def _codes(said: ast.expr, module: str, where: str) -> set[str]:
    """What an expression can be: a word, one of two, a constant; else the module names them all in ``CODES``."""
    match said:
        case ast.Constant(value=str(word)):
            return {word}
        case ast.IfExp(body=one, orelse=other):
            return _codes(one, module, where) | _codes(other, module, where)
        case ast.Name(id=name) if name.isupper():
            return {getattr(importlib.import_module(module), name)}
    found = getattr(importlib.import_module(module), "CODES", ())
    assert found, f"{where}: the code is computed, and {module}.CODES does not say what it can be"
    return set(found)


def name_of(called: ast.expr) -> str:
    """The last word of what is called."""
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
