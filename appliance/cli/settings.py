"""``everpx settings`` and ``everpx plugins``."""

from dataclasses import asdict
from typing import Any

import click

from appliance import leftovers, manifest, plugin
from appliance import settings as kept
from appliance.cli.speech import BY, Here, Said, answers, table
from appliance.errors import Invalid, NotFound


@click.group()
def settings() -> None:
    """Settings: list, get, set."""


def _setting(key: str) -> kept.Setting[Any]:
    found = kept.everything()
    if key not in found:
        raise NotFound(what=f"setting “{key}”")
    return found[key]


def _value(here: Here, setting: kept.Setting[Any]) -> Any:
    with here.db.reading() as session:
        return setting.get(session)


@settings.command("list")
@answers
def listing(here: Here) -> Said:
    """Every setting with its value; one that cannot be read is shown as such."""
    found, values = kept.everything(), dict[str, Any]()
    for key, setting in found.items():
        try:
            values[key] = _value(here, setting)
        except kept.UnreadableSetting:
            values[key] = None
    rows = [(key, "(cannot be read)" if value is None else value, found[key].title) for key, value in values.items()]
    return Said(values, table(rows))


@settings.command()
@click.argument("key")
@answers
def get(here: Here, *, key: str) -> Said:
    """One value."""
    value = _value(here, _setting(key))
    return Said(value, [str(value)])


@settings.command("set")
@click.argument("key")
@click.argument("value")
@answers
def set_value(here: Here, *, key: str, value: str) -> Said:
    """Change one value."""
    setting = _setting(key)
    with here.db.writing() as session:
        setting.set(session, setting.parse(value))
    return Said(_value(here, setting), [f"{key} = {_value(here, setting)}"])


@click.group()
def plugins() -> None:
    """Plugins: list, switch, configure."""


@plugins.command("list")
@answers
def plugins_listing(here: Here) -> Said:
    """Every plugin that is installed."""
    data = []
    with here.db.reading() as session:
        for name, facts in plugin.found().items():
            row = session.get(plugin.PluginRow, name)
            data.append(
                {
                    "name": name,
                    "title": facts.title,
                    "enabled": plugin.is_enabled(session, facts),
                    "options": plugin.options(session, name),
                    "last_error": row.last_error if row else "",
                }
            )
        absent = leftovers.absent(session, here.places)
    for name, why in plugin.missing_from_root(here.broker).items():
        for one in data:
            one["last_error"] = one["last_error"] or (str(why) if one["name"] == name else "")
    for name in absent:
        data.append({"name": name, "title": name, "enabled": False, "options": {}, "last_error": "not installed"})
    for name, broken in manifest.BROKEN.items():
        data.append({"name": name, "title": name, "enabled": False, "options": {}, "last_error": broken})
    return Said(data, table((p["name"], "on" if p["enabled"] else "off", p["title"], p["last_error"]) for p in data))


def _switching(name: str, on: bool, words: str) -> None:
    @plugins.command(name, help=words)
    @click.argument("plugin_name")
    @answers
    def command(here: Here, *, plugin_name: str) -> Said:
        with here.db.writing() as session:
            plugin.switch(session, plugin_name, on=on)
        if not on and plugin.end_services(here.db, here.broker):
            return Said({"name": plugin_name, "enabled": on}, ["It is off; what it had running has ended."])
        return Said({"name": plugin_name, "enabled": on}, ["It takes effect at the next start of the station."])


_switching("enable", True, "Switch a plugin on.")
_switching("disable", False, "Switch a plugin off.")


@plugins.command()
@click.argument("plugin_name")
@click.argument("values", nargs=-1, metavar="KEY=VALUE…")
@answers
def configure(here: Here, *, plugin_name: str, values: tuple[str, ...]) -> Said:
    """Change options of a plugin; those that are not named keep their value."""
    with here.db.writing() as session:
        form = {key: _as_typed(value) for key, value in plugin.options(session, plugin_name).items()}
        for pair in values:
            key, equals, value = pair.partition("=")
            if not equals or key not in form:
                raise Invalid({key: "There is no such option."})
            form[key] = value
        plugin.configure(session, plugin_name, form)
        options = plugin.options(session, plugin_name)
    return Said(options, [f"{key} = {value}" for key, value in options.items()])


def _as_typed(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


@plugins.command()
@click.argument("plugin_name")
@answers
def forget(here: Here, *, plugin_name: str) -> Said:
    """Remove what a plugin left that is no longer installed."""
    with here.db.writing() as session:
        left = leftovers.forget(session, here.places, plugin_name, address=BY.address)
    leftovers.sweep(here.places, plugin_name)
    return Said(asdict(left), ["Removed:", *(f"  {line}" for line in left.lines())])
