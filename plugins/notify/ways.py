"""The ways to reach somebody: what the form asks for, and what is wrong with what was typed.

Members reach the outside world only.  A server's address is something the station then talks to, from inside the home
network, where routers and printers believe whoever is there; so only an admin may name a place at home (their own ntfy
server, home automation), or an address of a kind that nobody here can look through (``other``).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from appliance.errors import Invalid
from appliance.words import N_, Message
from plugins.notify.addresses import is_mail

TOPIC = re.compile(r"[A-Za-z0-9_-]{1,64}")
BOT = re.compile(r"[0-9]{6,12}:[A-Za-z0-9_-]{30,50}")
CHAT = re.compile(r"-?[0-9]{3,20}|@[A-Za-z][A-Za-z0-9_]{4,31}")
APPRISE = re.compile(r"[a-z0-9_+-]{2,40}://\S.*")
LONGEST = 2000


@dataclass(frozen=True)
class Field:
    """One thing to type.  A secret one is never shown again; left empty, the one before stays."""

    name: str
    title: str
    help: str = ""
    secret: bool = False
    needed: bool = True
    example: str = ""


@dataclass(frozen=True)
class Way:
    """A kind of channel."""

    name: str
    title: str
    help: str
    icon: str
    fields: tuple[Field, ...]
    admin: bool = False
    wakes: bool = True  # somebody may be asleep at the other end


WAYS = {
    way.name: way
    for way in (
        Way(
            "mail",
            N_("E-mail"),
            N_("Sent through the mail server that an admin has set up for the station."),
            "mail",
            (Field("address", N_("E-mail address"), example="anna@example.org"),),
        ),
        Way(
            "ntfy",
            N_("ntfy (push to a phone)"),
            N_("Install the free ntfy app, subscribe to a topic with a name that nobody guesses, and enter it here."),
            "bell",
            (
                Field("server", N_("Server"), example="https://ntfy.sh"),
                Field("topic", N_("Topic"), N_("Letters and digits. Whoever knows it can read along."), secret=True),
                Field("token", N_("Access token"), N_("Only if the server asks for one."), secret=True, needed=False),
            ),
        ),
        Way(
            "telegram",
            N_("Telegram"),
            N_("Write to @BotFather to make a bot, send it a first message, and ask @userinfobot for your number."),
            "send",
            (
                Field("token", N_("The bot’s token"), secret=True, example="123456789:AAE…"),
                Field("chat", N_("Your number, or the group’s"), example="987654321"),
            ),
        ),
        Way(
            "webhook",
            N_("Webhook (for programs)"),
            N_("Sends signed JSON to an address of yours: home automation, a script."),
            "link",
            (
                Field("address", N_("Address"), secret=True, example="https://home.example.org/hook"),
                Field("secret", N_("Secret for the signature"), N_("16 characters or more; make one up."), secret=True),
            ),
            admin=True,
            wakes=False,
        ),
        Way(
            "other",
            N_("Another service"),
            N_("Signal, Matrix, Pushover, Discord, SMS and a hundred more, by an address as Apprise writes it."),
            "puzzle",
            (Field("address", N_("Apprise address"), secret=True, example="matrixs://user:pass@host/#room"),),
            admin=True,
        ),
    )
}


def checked(way: Way, form: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """What was typed, tidy; an empty secret stays as it was.  Raises Invalid with every problem."""
    given, problems = {}, {}
    for field in way.fields:
        text = form.get(field.name, "").strip() or (before.get(field.name, "") if field.secret else "")
        problem = _problem(field, text, RULES.get((way.name, field.name), _anything))
        if problem:
            problems[field.name] = problem
        given[field.name] = text
    if problems:
        raise Invalid(dict(problems))
    return given


def _problem(field: Field, text: str, rule: "Rule") -> str:
    if not text:
        return N_("This is needed.") if field.needed else ""
    if len(text) > LONGEST or not text.isprintable():
        return N_("This cannot be right.")
    return rule(text)


def web_problem(text: str) -> str:
    """What is wrong with an address of the web, or ""."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("https", "http") and parts.hostname and not parts.username and parts.port != 0
        good = good and text.isprintable() and " " not in text and len(text) <= LONGEST
    except ValueError:
        good = False
    return "" if good else N_("Write an address like https://example.org.")


def _server_problem(text: str) -> str:
    """The same, of a server without anything behind it."""
    parts = urlsplit(text) if not web_problem(text) else None
    bare = parts and parts.path in ("", "/") and not parts.query and not parts.fragment
    return "" if bare else N_("Write only the server, like https://ntfy.sh.")


def _mail_problem(text: str) -> str:
    return "" if is_mail(text) else N_("Write an address like anna@example.org.")


def _like(pattern: re.Pattern[str], otherwise: str) -> "Rule":
    return lambda text: "" if pattern.fullmatch(text) else otherwise


def _anything(text: str) -> str:
    return ""


Rule = Callable[[str], str]
RULES: dict[tuple[str, str], Rule] = {
    ("mail", "address"): _mail_problem,
    ("ntfy", "server"): _server_problem,
    ("ntfy", "topic"): _like(TOPIC, N_("Use up to 64 letters, digits, - and _.")),
    ("telegram", "token"): _like(BOT, N_("A bot’s token has digits, a colon and some 35 letters.")),
    ("telegram", "chat"): _like(CHAT, N_("Enter a number, or the name of a channel like @family.")),
    ("webhook", "address"): web_problem,
    ("webhook", "secret"): _like(re.compile(r".{16,}"), N_("Use 16 characters or more.")),
    ("other", "address"): _like(APPRISE, N_("It begins with the service, like matrixs://")),
}


def shown(way: Way, given: Mapping[str, str]) -> str:
    """What pages call a channel; tells no secret."""
    match way.name:
        case "mail":
            return given["address"]
        case "ntfy":
            return f"ntfy · {urlsplit(given['server']).hostname}"
        case "telegram":
            return f"Telegram · {given['chat']}"
        case "webhook":
            return f"Webhook · {urlsplit(given['address']).hostname}"
    return given["address"].partition("://")[0]


def inside_problem() -> Message:
    """What a member reads who names a place at home."""
    return Message(N_("This is a place in the home network. Only an admin may have messages sent there."))
