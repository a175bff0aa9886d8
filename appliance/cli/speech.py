"""How commands meet the station and how they answer: lines for people, or one JSON value for programs."""

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from appliance.broker.client import Broker, SocketBroker
from appliance.db import Database
from appliance.errors import ApplianceError, Invalid
from appliance.people.audit import By
from appliance.places import Places, places

FAILED = 2  # exit status of an expected failure
BY = By(None, "command line")


@dataclass(frozen=True)
class Here:
    """The station that a command works on."""

    db: Database
    broker: Broker
    places: Places


@dataclass(frozen=True)
class Said:
    """A command's answer in both forms."""

    data: Any
    lines: Sequence[str] = ()


class NoStation(ApplianceError):
    """There is no database at the station's place."""

    code, status, template = "no_station", 404, "There is no station in {folder}."
    hint = "Set EVERPX_DATA to its data folder, or make one with “everpx migrate”."


class NotReadable(ApplianceError):
    """The data folder belongs to somebody else."""

    code, status, template = "not_readable", 403, "You may not open the station in {folder}."
    hint = "Run the command as the user everpx, or with sudo."


def answers(command: Callable[..., Said]) -> Callable[..., None]:
    """Give a command its station as first argument, the ``--json`` option, and one way to fail."""

    @click.option("--json", "as_json", is_flag=True, help="Answer for programs.")
    @functools.wraps(command)
    def wrapped(*, as_json: bool, **given: Any) -> None:
        db = None
        try:
            here = places()
            db = open_database(here)
            _say(command(Here(db, SocketBroker(here.broker_socket), here), **given), as_json)
        except ApplianceError as error:
            _fail(error, as_json)
        finally:
            if db is not None:
                db.close()

    return wrapped


def answers_alone(command: Callable[..., Said]) -> Callable[..., None]:
    """Like :func:`answers`, for a command that works without a database; it gets the places."""

    @click.option("--json", "as_json", is_flag=True, help="Answer for programs.")
    @functools.wraps(command)
    def wrapped(*, as_json: bool, **given: Any) -> None:
        try:
            _say(command(places(), **given), as_json)
        except ApplianceError as error:
            _fail(error, as_json)

    return wrapped


def open_database(here: Places) -> Database:
    """The station's database.  Raises NoStation or NotReadable; nothing is made."""
    try:
        found = here.database.is_file()
        if found:
            here.database.open("rb").close()
    except PermissionError:
        raise NotReadable(folder=str(here.data)) from None
    if not found:
        raise NoStation(folder=str(here.data))
    return Database(here.database)


def _say(said: Said, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(said.data, ensure_ascii=False, indent=2, default=_plain))
    else:
        for line in said.lines:
            click.echo(line)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _fail(error: ApplianceError, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(error.as_json(), ensure_ascii=False, default=str), err=True)
    else:
        click.echo(str(error.message), err=True)
        for name, problem in error.problems.items() if isinstance(error, Invalid) else ():
            click.echo(f"  {name}: {problem}", err=True)
        if error.hint:
            click.echo(error.hint.format(**error.fields), err=True)
    sys.exit(FAILED)


def table(rows: Iterable[Sequence[object]]) -> list[str]:
    """Columns as wide as they need to be."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not texts:
        return ["(none)"]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts]


def size(count: int | None) -> str:
    """``14.2 GB``"""
    amount = float(count or 0)
    if count is None:
        return "?"
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} TB"


def moment(at: datetime | None) -> str:
    """A local time of this terminal, or “never”."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}" if at else "never"
