"""A message in somebody's language: plain text, and HTML for mail that loads nothing from anywhere."""

from dataclasses import dataclass
from html import escape

from appliance.words import N_, Message
from console.translations.speaking import Speaker
from plugins.notify.texts import Part, Text

FOOT = N_("Your Everpx station wrote this by itself. What it tells you, and when, you choose there under Messages.")
MORE = Message(N_("The rest stands in the station’s console."))
SHORT_BYTES = 3000  # ntfy takes 4,096, Telegram 4,096 characters
STYLE = "font-family:system-ui,sans-serif;font-size:16px;line-height:1.5;color:#222;max-width:38em;margin:1.5em auto"


@dataclass(frozen=True)
class Written:
    """A message as it leaves the house."""

    subject: str
    plain: str
    html: str


def write(text: Text, speaker: Speaker) -> Written:
    """Say it."""
    subject = " ".join(say(speaker, text.subject).split())
    blocks = [_plain(part, speaker) for part in text.parts]
    plain = "\n\n".join([*blocks, "-- \n" + speaker.say(FOOT)]) + "\n"
    inner = "".join(_html(part, speaker) for part in text.parts)
    foot = f'<p style="color:#666;font-size:14px">{escape(speaker.say(FOOT))}</p>'
    page = (
        f'<!doctype html><html lang="{speaker.language}"><head><meta charset="utf-8"><title>{escape(subject)}</title>'
        f'</head><body style="{STYLE}"><h1 style="font-size:22px">{escape(subject)}</h1>{inner}<hr>{foot}</body></html>'
    )
    return Written(subject, plain, page)


def short(text: Text, speaker: Speaker) -> str:
    """For a phone's notification: no footer, and no more than every service takes."""
    whole = "\n\n".join(_plain(part, speaker) for part in text.parts)
    if len(whole.encode()) <= SHORT_BYTES:
        return whole
    cut = whole.encode()[:SHORT_BYTES].decode(errors="ignore").rstrip()
    return f"{cut} …\n\n{say(speaker, MORE)}"


def say(speaker: Speaker, message: Message) -> str:
    """In the person's language; a name on an old drive need not be UTF-8, and nothing takes it as it is."""
    return speaker.say(message).encode("utf-8", "replace").decode()


def _plain(part: Part, speaker: Speaker) -> str:
    lines = [say(speaker, part.head).upper()] if part.head else []
    lines += [say(speaker, line) for line in part.lines]
    return "\n".join(lines + ([say(speaker, part.hint)] if part.hint else []))


def _html(part: Part, speaker: Speaker) -> str:
    head = f'<h2 style="font-size:18px">{escape(say(speaker, part.head))}</h2>' if part.head else ""
    said = [escape(say(speaker, line)) for line in part.lines]
    if part.head:
        body = "<ul>" + "".join(f"<li>{line}</li>" for line in said) + "</ul>"
    else:
        body = "".join(f"<p><strong>{line}</strong></p>" for line in said)
    hint = f"<p>{escape(say(speaker, part.hint))}</p>" if part.hint else ""
    return head + body + hint
