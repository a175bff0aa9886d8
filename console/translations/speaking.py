"""The core's sentences in somebody's language, where there is no request: a mail that a job writes, a letter.

The pages say the same words by flask-babel (``console.translate``); what both do alike stands here, and nothing here
knows Flask, so that a plugin's job may use it.  What a message leaves open is filled in as on every page: a field
named ``…_bytes`` is a size, ``…_seconds`` a duration, and a field may be a message itself.
"""

import gettext
import logging
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from appliance import manifest
from appliance.words import N_, Message

log = logging.getLogger("everpx.plugin")
HERE = Path(__file__).parent
Translate = Callable[[str], str]


def filled(message: Message, translate: Translate) -> str:
    """A message's sentence by way of ``translate``, its fields as people read them."""
    if not message.template:
        return ""  # a catalogue answers "" with its own heading
    fields: dict[str, Any] = {}
    for name, value in message.fields.items():
        if isinstance(value, int) and name.endswith("_bytes"):
            fields[name] = size(value)
        elif isinstance(value, int) and name.endswith("_seconds"):
            fields[name] = duration(value, translate)
        elif isinstance(value, int) and not isinstance(value, bool):
            fields[name] = f"{value:,}"
        elif isinstance(value, Message):
            fields[name] = filled(value, translate)
        else:
            fields[name] = value
    return translate(message.template).format(**fields)


def size(count: float | None) -> str:
    """Bytes as people say them: ``14.2 GB`` (powers of ten, as drives are sold)."""
    if count is None:
        return "–"
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} TB"


def duration(seconds: float | None, translate: Translate) -> str:
    """``about 11 min``-sized spans, without the "about"."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return translate(N_("{n} s")).format(n=whole)
    if whole < 5400:
        return translate(N_("{n} min")).format(n=round(whole / 60))
    if whole < 129_600:
        return translate(N_("{n} h")).format(n=round(whole / 3600))
    return translate(N_("{n} days")).format(n=round(whole / 86_400))


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    """A language's sentences, ours before those of plugins from elsewhere; English is what stands in the code."""
    catalogue = gettext.translation("messages", HERE, [language], fallback=True)
    for folder in of_strangers():
        catalogue.add_fallback(gettext.translation("messages", folder, [language], fallback=True))
    return catalogue


@cache
def of_strangers() -> tuple[Path, ...]:
    """The folder ``translations`` of each plugin from elsewhere that has one; what cannot be read is left out."""
    readable = []
    for stranger in (one for one in manifest.found().values() if not one.is_ours):
        folder = manifest.folder_of(stranger.module) / "translations"
        try:
            for catalogue in folder.glob("*/LC_MESSAGES/messages.mo"):
                gettext.translation("messages", folder, [catalogue.parents[1].name])
        except (OSError, ValueError, LookupError, struct.error) as error:
            log.error("the translations of %s cannot be read: %s", stranger.name, error)
            continue
        readable.append(folder)
    return tuple(readable)


class Speaker:
    """Says things to one person: ``Speaker("zh").say(message)``."""

    def __init__(self, language: str) -> None:
        self.language = language or "en"
        self._translate = _catalogue(self.language).gettext

    def say(self, message: Message | str) -> str:
        """A sentence of the core."""
        message = Message(message) if isinstance(message, str) else message
        return filled(message, self._translate)
