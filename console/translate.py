"""Words in the language of whoever reads them: the person's choice, else the browser's."""

from datetime import datetime

from flask import Flask, request
from flask_babel import Babel, format_date, format_time, gettext, lazy_gettext, ngettext, to_user_timezone
from flask_login import current_user

from appliance.db import now
from appliance.library.geography import countries
from appliance.words import Message
from console.locale_data import LANGUAGES
from console.station import station
from console.translations import speaking
from console.translations.speaking import size as size

#: The five colours of name tags and pictures, in words.
COLOUR_WORDS = {
    "blue": lazy_gettext("blue"),
    "green": lazy_gettext("green"),
    "amber": lazy_gettext("amber"),
    "rose": lazy_gettext("rose"),
    "violet": lazy_gettext("violet"),
}


def install(app: Flask) -> None:
    """Give templates ``_()``, ``say``, and the filters for sizes, moments and durations."""
    ours_last = [*map(str, speaking.of_strangers()), "translations"]  # of two for one sentence the last counts
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = ";".join(ours_last)
    Babel(app, locale_selector=language, timezone_selector=time_zone)
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.filters.update(
        colour_name=colour_name, say=say, size=size, ago=ago, moment=moment, day=day, duration=duration, country=country
    )
    app.jinja_env.globals.update(LANGUAGES=LANGUAGES, language=language, colour_words=COLOUR_WORDS)


def country(name: str) -> str:
    """A country as the reader calls it."""
    return countries.shown(name, language())


def language() -> str:
    """``"en"`` or ``"zh"``."""
    chosen = current_user.user.language if current_user and current_user.is_authenticated else ""
    asked = chosen or request.cookies.get("language", "")
    return asked if asked in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "en"


def time_zone() -> str:
    """The station's zone, as schedules use it."""
    from appliance.jobs.schedule import time_zone_name

    with station().db.reading() as session:
        return time_zone_name(session)


def say(message: Message | str | None) -> str:
    """A core message in the reader's language; numbers that are byte counts come as ``*_bytes`` fields."""
    if message is None:
        return ""
    if isinstance(message, str):
        return gettext(message) if message else ""
    return speaking.filled(message, gettext)


def colour_name(colour: str) -> str:
    """What a name tag's or a person's colour is called."""
    names = {
        "blue": gettext("Blue"),
        "green": gettext("Green"),
        "amber": gettext("Amber"),
        "rose": gettext("Rose"),
        "violet": gettext("Violet"),
    }
    return names.get(colour, colour)


def duration(seconds: float | None) -> str:
    """``about 11 min``-sized spans, without the "about"."""
    return speaking.duration(seconds, gettext)


def ago(at: datetime | None) -> str:
    """``3 days ago``, ``just now``, ``never``."""
    if at is None:
        return gettext("never")
    seconds = (now() - at).total_seconds()
    if seconds < 45:
        return gettext("just now")
    if seconds < 5400:
        count = max(1, round(seconds / 60))
        return ngettext("%(num)s minute ago", "%(num)s minutes ago", count)
    if seconds < 129_600:
        count = round(seconds / 3600)
        return ngettext("%(num)s hour ago", "%(num)s hours ago", count)
    count = round(seconds / 86_400)
    return ngettext("%(num)s day ago", "%(num)s days ago", count)


def moment(at: datetime | None) -> str:
    """When, in the station's zone, as people say it: ``yesterday, 03:12``; further away with the date."""
    if at is None:
        return gettext("never")
    time = format_time(at, "short")
    match (to_user_timezone(at).date() - to_user_timezone(now()).date()).days:
        case 0:
            return gettext("today, %(time)s", time=time)
        case 1:
            return gettext("tomorrow, %(time)s", time=time)
        case -1:
            return gettext("yesterday, %(time)s", time=time)
    return f"{format_date(at, 'medium')}, {time}"


def day(at: datetime | None) -> str:
    """A date in the station's zone."""
    return gettext("never") if at is None else format_date(at, "medium")
