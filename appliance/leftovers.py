"""What a plugin from elsewhere left when its package was removed, and forgetting it.

Nothing goes by itself: a package that is missing (an upgrade of Python, a new box that took this database over) may be
back tomorrow, and then goes on as it was.  Only an admin who asks for it has what it left removed, and only while it is
not installed.  What stays is what happened: the events.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from appliance import events, manifest, packages, plugin
from appliance.drives.models import Drive
from appliance.drives.switches import PeopleDriver
from appliance.errors import Conflict, NotFound
from appliance.health.models import Issue
from appliance.jobs.models import Job, JobState, Schedule
from appliance.places import Places
from appliance.plugin import PluginRow
from appliance.settings import SettingRow
from appliance.words import N_, Message

TELLS_OF_IT = ("plugin_failed", "plugin_gone", "plugin_without_root", "check_failed", "setting_unreadable")


class StillInstalled(Conflict):
    """Only what a removed plugin left can be forgotten."""

    code = "plugin_still_installed"
    template = N_("The plugin “{plugin}” is installed.")
    hint = N_("Switch it off, remove its package and restart the station; then what it left can be removed, too.")


class StillAtWork(Conflict):
    """A job of it has not ended."""

    code = "plugin_still_at_work"
    template = N_("Work of the plugin “{plugin}” is under way.")


@dataclass(frozen=True)
class Left:
    """What there is of a plugin that is no longer installed."""

    name: str
    settings: int
    plans: int
    jobs: int
    issues: int
    files: int
    drives: tuple[str, ...]  # COLD drives that it would switch

    def lines(self) -> Iterator[Message]:
        """In words, one for each kind of thing."""
        if self.settings:
            yield Message(N_("What it was told to do, and whether it was on"))
        if self.plans:
            yield Message(N_("Plans by which it did something: {count}"), {"count": self.plans})
        if self.jobs:
            yield Message(N_("Jobs, waiting and done: {count}"), {"count": self.jobs})
        if self.issues:
            yield Message(N_("What it found under Health: {count}"), {"count": self.issues})
        if self.files:
            yield Message(N_("Files in its own folder: {count}"), {"count": self.files})
        for drive in self.drives:
            yield Message(N_("{drive} is switched by it; a person would do that"), {"drive": drive})


def absent(session: Session, places: Places) -> list[str]:
    """Plugins that were here, and are no longer installed; one that is merely broken is still here."""
    known = set(session.scalars(select(PluginRow.name)))
    own = (place.name for place in (places.data / manifest.FOLDER).glob("*"))
    known |= {name for name in own if packages.NAME.fullmatch(name)}
    return sorted(known - set(plugin.found()) - set(manifest.BROKEN))


def left_by(session: Session, places: Places, name: str) -> Left:
    """What one left.  Raises NotFound, or StillInstalled."""
    if name in plugin.found() or name in manifest.BROKEN:
        raise StillInstalled(plugin=name)
    if name not in absent(session, places):
        raise NotFound(what="plugin")

    def count(table: type[Any], which: ColumnElement[bool]) -> int:
        return session.scalar(select(func.count()).select_from(table).where(which)) or 0

    return Left(
        name,
        settings=count(PluginRow, PluginRow.name == name) + count(SettingRow, _named(SettingRow.key, name)),
        plans=count(Schedule, _named(Schedule.kind, name)),
        jobs=count(Job, _named(Job.kind, name)),
        issues=count(Issue, _found_by(name)),
        files=sum(path.is_file() for path in (places.data / manifest.FOLDER / name).rglob("*")),
        drives=tuple(session.scalars(select(Drive.name).where(_named(Drive.power_driver, name)))),
    )


def forget(session: Session, places: Places, name: str, **who: Any) -> Left:
    """Remove what one left: rows in the caller's transaction; :func:`sweep` removes its files when that is committed.

    ``who`` is given to the event that tells of it.  Raises NotFound, StillInstalled or StillAtWork.
    """
    left = left_by(session, places, name)
    jobs = _named(Job.kind, name)
    if session.scalar(select(Job.id).where(jobs, Job.state == JobState.RUNNING).limit(1)) is not None:
        raise StillAtWork(plugin=name)
    session.execute(update(Drive).where(_named(Drive.power_driver, name)).values(power_driver=PeopleDriver.name))
    session.execute(delete(Job).where(jobs))
    session.execute(delete(Schedule).where(_named(Schedule.kind, name)))
    session.execute(delete(Issue).where(_found_by(name)))
    session.execute(delete(SettingRow).where(_named(SettingRow.key, name)))
    session.execute(delete(PluginRow).where(PluginRow.name == name))
    template = N_("What the plugin “{plugin}” left was removed.")
    events.record(session, "plugin.forgotten", template, plugin=name, **who)
    return left


def sweep(places: Places, name: str) -> None:
    """Its files, after its rows are gone: what a power cut leaves of them is found again by :func:`absent`.

    Compiled pages do not say whose they are, and are made anew where they are missing: all of them go.
    """
    shutil.rmtree(places.compiled_pages, ignore_errors=True)
    shutil.rmtree(places.data / manifest.FOLDER / name, ignore_errors=True)


def _named(column: InstrumentedAttribute[str], name: str) -> ColumnElement[bool]:
    """What a plugin declares begins with its name (``Manifest.owns``)."""
    return or_(column == name, column.startswith(f"{name}.", autoescape=True))


def _found_by(name: str) -> ColumnElement[bool]:
    """Issues of its checks, those that it told of itself, and those that tell of it."""
    of_it = Issue.code.in_(TELLS_OF_IT)
    return or_(_named(Issue.check, name), _named(Issue.code, name), of_it & _named(Issue.subject, name))
