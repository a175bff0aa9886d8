"""Asking a plug something: a short process each time, killed when its time is up, and its answer in words.

The process carries python-kasa and whatever a plug throws at it; the job that asks carries neither.
"""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import select

from appliance.db import Database
from appliance.errors import ApplianceError
from appliance.places import Places
from appliance.words import N_, Message
from plugins.smart_plugs import secrets
from plugins.smart_plugs.models import Account, PlugKind, SmartPlug

log = logging.getLogger("everpx.plugs")
READ_S, SWITCH_S, DISCOVER_S = 30, 75, 60
CALL_S = 4  # how long TP-Link plugs may take to answer a call
FINDABLE = (PlugKind.KASA, PlugKind.SHELLY, PlugKind.TASMOTA)  # by their key, wherever they are
ROOT = Path(__file__).parents[2]


class PlugSilent(ApplianceError):
    """It cannot be reached."""

    code, status = "plug_silent", 504
    template = N_("The plug “{plug}” does not answer.")
    hint = N_("Check that it is in its socket and in the home’s Wi-Fi. The drive can be switched by hand meanwhile.")


class PlugLocked(ApplianceError):
    """It wants another password."""

    code, status = "plug_locked", 502
    template = N_("The plug “{plug}” does not accept the password.")
    hint = N_("Enter it again on the plug’s page. For TP-Link it is the one of the Kasa or Tapo app.")


class PlugGarbled(ApplianceError):
    """It answers, but not in a way that makes sense."""

    code, status = "plug_garbled", 502
    template = N_("The plug “{plug}” answers in a way that the station does not understand.")
    hint = N_("Pull it out of its socket for ten seconds. If this stays, its firmware may have changed.")


class PlugDisobeys(ApplianceError):
    """It takes the order and does not do it."""

    code, status = "plug_disobeys", 502
    template = N_("The plug “{plug}” takes the order, but does not switch.")
    hint = N_("Try its button, and look for a timer or a lock in its app.")


class AnotherPlug(ApplianceError):
    """A router gave its address to another one."""

    code, status = "another_plug", 502
    template = N_("Another plug answers in the place of “{plug}”, so nothing was switched.")
    hint = N_("The station looks for it under its new address. If it does not find it, look for plugs again.")


class PlugNotAllowed(ApplianceError):
    """Not an address of the home."""

    code, status = "plug_not_allowed", 422
    template = N_("The address of “{plug}” is not in the home’s network, so it is not used.")
    hint = N_("Plugs must be in the same home network. Only a webhook with https may lead elsewhere.")


class PlugUnsupported(ApplianceError):
    """It is something else."""

    code, status = "plug_unsupported", 422
    template = N_("“{plug}” is not a plug that the station can switch.")


ERRORS: dict[str, type[ApplianceError]] = {
    "no_answer": PlugSilent,
    "wrong_password": PlugLocked,
    "garbage": PlugGarbled,
    "disobeys": PlugDisobeys,
    "not_that_plug": AnotherPlug,
    "not_allowed": PlugNotAllowed,
    "unsupported": PlugUnsupported,
}


def ask(question: dict[str, Any], name: str, seconds: float) -> dict[str, Any]:
    """One question, one process.  Raises one of ERRORS."""
    argv = [sys.executable, "-m", "plugins.smart_plugs.protocols.asked"]
    try:
        done = subprocess.run(
            argv, input=json.dumps(question), text=True, capture_output=True, timeout=seconds, cwd=ROOT, check=False
        )
    except subprocess.TimeoutExpired:
        raise PlugSilent(plug=name) from None
    try:
        told = json.loads(done.stdout)
    except ValueError:
        log.warning("%s: %s", name, done.stderr[-2000:])
        raise PlugGarbled(plug=name) from None
    if "error" in told:
        log.info("%s: %s (%s)", name, told["error"], told["detail"])
        raise ERRORS.get(told["error"], PlugGarbled)(plug=name)
    answer: dict[str, Any] = told["ok"]
    return answer


class Line:
    """To one plug: what it needs to be asked is read once, with its secrets, and it is found again where it went."""

    def __init__(self, db: Database, places: Places, plug: SmartPlug) -> None:
        self.db, self.places, self.plug = db, places, plug

    def read(self) -> dict[str, Any]:
        """How it is.  Raises one of ERRORS."""
        return self._ask({"do": "read"}, READ_S)

    def switch(self, on: bool, off_watts: float, settles_s: float) -> dict[str, Any]:
        """The state afterwards, ``was_on`` and ``proven``.  Raises one of ERRORS."""
        return self._ask({"do": "on" if on else "off", "off_watts": off_watts, "settles_s": settles_s}, SWITCH_S)

    def _ask(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        try:
            return ask(question | {"plug": self._facts()}, self.plug.name, seconds)
        except (PlugSilent, AnotherPlug) as error:
            if self.plug.kind not in FINDABLE or not self._find_again():
                raise
            log.info("%s is at %s now (%s)", self.plug.name, self.plug.host, error.code)
            return ask(question | {"plug": self._facts()}, self.plug.name, seconds)

    def _facts(self) -> dict[str, Any]:
        return facts(self.db, self.places, self.plug)

    def _find_again(self) -> bool:
        """Whether it answers somewhere else now; then its row says so."""
        for seen in discover(self.db, self.places):
            if (seen["kind"], seen["key"]) == (self.plug.kind.value, self.plug.key) and seen["host"] != self.plug.host:
                with self.db.writing() as session:
                    row = session.get_one(SmartPlug, self.plug.id)
                    row.host, row.place = seen["host"], row.place | seen["place"]
                self.plug = row
                return True
        return False


def facts(db: Database, places: Places, plug: SmartPlug) -> dict[str, Any]:
    """What the asking process needs."""
    private = secrets.opened(places, plug.secret)
    user, password = plug.user, private.pop("password", "")
    if plug.kind is PlugKind.KASA and not user:
        user, password = account(db, places)
    return {
        "kind": plug.kind.value,
        "key": plug.key,
        "host": plug.host,
        "place": plug.place,
        "user": user,
        "password": password,
        "private": private,
    }


def account(db: Database, places: Places) -> tuple[str, str]:
    """The family's TP-Link user and password, ("", "") when there is none."""
    with db.reading() as session:
        row = session.scalar(select(Account).where(Account.kind == PlugKind.KASA))
    if row is None:
        return "", ""
    return row.user, secrets.opened(places, row.secret).get("password", "")


def discover(db: Database, places: Places) -> list[dict[str, Any]]:
    """Everything that answers in the home's networks, as ``answers.Seen``.  Raises one of ERRORS."""
    user, password = account(db, places)
    question = {"do": "discover", "user": user, "password": password, "seconds": CALL_S}
    seen: list[dict[str, Any]] = ask(question, str(Message(N_("all plugs"))), DISCOVER_S)["seen"]
    return seen


def look(db: Database, places: Places, kind: str, host: str, port: int) -> list[dict[str, Any]]:
    """What answers at one address.  Raises one of ERRORS."""
    user, password = account(db, places)
    plug = {"kind": kind, "host": host, "place": {"port": port}, "user": user, "password": password}
    seen: list[dict[str, Any]] = ask({"do": "look", "plug": plug}, host, READ_S)["seen"]
    return seen
