"""Settings: one field per declaration in the registry, a form per group; what cannot be read is shown, not replaced."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy.orm import Session

from appliance import events, settings
from appliance.errors import Invalid, NotFound
from appliance.settings import Setting, SettingRow
from appliance.words import N_, Message
from console.access import admin_only, by
from console.shell import done, problems_of, show
from console.station import station
from console.system.room import blueprint

#: What keys start with -> the group's name, in the order of the page; anything else comes after these.
GROUPS = {
    "station": lazy_gettext("Station"),
    "backup": lazy_gettext("Copies"),
    "drives": lazy_gettext("Drives"),
    "library": lazy_gettext("Photos and files"),
    "people": lazy_gettext("People"),
    "console": lazy_gettext("Console"),
    "web": lazy_gettext("The safe line (https)"),
}


@dataclass(frozen=True)
class Field:
    """A setting as the form shows it."""

    setting: Setting[Any]
    value: Any  # in force; None when the stored one cannot be read
    stored: Any  # what cannot be read

    @property
    def kind(self) -> str:
        """Which control it gets."""
        if isinstance(self.setting.default, bool):
            return "switch"
        if self.setting.choices:
            return "choice"
        return "number" if isinstance(self.setting.default, int) else "text"


@blueprint.get("/settings")
@admin_only
def settings_page() -> ResponseReturnValue:
    """Every setting, by group."""
    return _page({}, {}, 200)


def _page(typed: dict[str, str], problems: dict[str, str], status: int) -> ResponseReturnValue:
    with station().db.reading() as session:
        groups = [
            (name, GROUPS.get(name, name.capitalize()), [_field(session, setting) for setting in found])
            for name, found in _groups().items()
        ]
    return show("system/settings.html", "settings", status, groups=groups, typed=typed, problems=problems)


def _groups() -> dict[str, list[Setting[Any]]]:
    """The registry by the first part of each key, in the order in which settings are declared beside each other."""
    settings.everything()  # imports whatever declares some
    groups: dict[str, list[Setting[Any]]] = {name: [] for name in GROUPS}
    for key, setting in settings.REGISTRY.items():
        groups.setdefault(key.split(".")[0], []).append(setting)
    return {name: found for name, found in groups.items() if found}


def _field(session: Session, setting: Setting[Any]) -> Field:
    row = session.get(SettingRow, setting.key)
    if row is not None and setting.problem(row.value):
        return Field(setting, None, row.value)
    return Field(setting, setting.get(session), None)


@blueprint.post("/settings/<group>")
@admin_only
def save_settings(group: str) -> ResponseReturnValue:
    """Store a group, all of it or nothing; ``reset`` puts one unreadable setting back to its default."""
    found = _groups().get(group)
    if found is None:
        raise NotFound(what="group of settings")
    try:
        with station().db.writing() as session:
            reset = request.form.get("reset")
            _reset(session, [s for s in found if s.key == reset]) if reset else _save(session, found)
    except Invalid as error:
        return _page(request.form.to_dict(), problems_of(error), error.status)
    return done(gettext("Saved."), "system.settings_page", _anchor=group)


def _save(session: Session, found: Iterable[Setting[Any]]) -> None:
    problems: dict[str, Message | str] = {}
    for setting in found:
        field = _field(session, setting)
        text = request.form.get(setting.key, "")
        if field.kind != "switch" and setting.key not in request.form:
            continue  # a page older than this setting
        if field.value is None and text == "":
            continue  # nobody has decided yet
        try:
            value = setting.parse(text)
            if value != field.value:
                setting.set(session, value)
                _record(session, setting)
        except Invalid as error:
            problems |= error.problems
    if problems:
        raise Invalid(problems)


def _reset(session: Session, chosen: Iterable[Setting[Any]]) -> None:
    for setting in chosen:
        if row := session.get(SettingRow, setting.key):
            session.delete(row)
            _record(session, setting)


def _record(session: Session, setting: Setting[Any]) -> None:
    who = by()
    events.record(
        session,
        "settings.changed",
        N_("The setting “{title}” was changed."),
        actor_id=who.user_id,
        address=who.address,
        title=Message(setting.title),
    )
