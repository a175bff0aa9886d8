"""Being found: what is announced follows what is so, and somebody looks whether it can be heard.

The name that is wanted is an option; the one in force is avahi's answer, because another device may have it already
(then it is ``everpx-2``).  Nothing is stored but the options.
"""

import contextlib
import socket
import time
from collections.abc import Iterable

from sqlalchemy.orm import Session

from appliance import announced, identity, plugin, starts
from appliance.broker.client import Broker
from appliance.db import now
from appliance.errors import ApplianceError, Invalid
from appliance.health.guides import GUIDES, Guide
from appliance.health.models import Severity
from appliance.health.service import Finding, HealthContext
from appliance.hookspecs import Announced
from appliance.jobs import service as jobs
from appliance.jobs.models import Job
from appliance.places import Places, places
from appliance.words import N_, Message
from plugins.discovery import multicast, state
from plugins.discovery.privileged import name_problem, workgroup_problem
from plugins.discovery.state import Other, State

NAME = "discovery"
KIND = "_everpx._tcp"
NAME_WITHIN_S = 6.0  # how long avahi may take to find a name that nobody else has
ANSWER_WITHIN_S = 1.0
GUIDES["network_name"] = Guide(
    N_("Have the station found on the network"),
    (
        N_("Under “Found on the network”, see the name and address that the station has now."),
        N_("Give it another name there. Two devices of one name get in each other's way."),
        N_("If another program on this computer announces names as well, end it, or switch this plugin off."),
        N_("Check the network cable. The station can always be opened by its address."),
    ),
    page="/plugins/discovery/",
    opens=N_("Open “Found on the network”"),
)
SHORT_ID = 12  # letters of the station's id that are announced: enough to tell stations apart


def ourselves() -> list[Announced]:
    """The console, and that this is an Everpx; nothing where only this computer reaches it."""
    port = announced.console_port()
    if port is None:
        return []
    with contextlib.suppress(FileNotFoundError, KeyError, ValueError):
        mark, started = identity.load(places()).station_id[:SHORT_ID], starts.load(places()).latest
        start = () if started is None else (f"start={started.mark}",)
        return [
            Announced("_http._tcp", port, txt=("path=/",)),
            Announced(KIND, port, txt=(f"id={mark}", *start, "path=/")),
        ]
    return []


def names(here: Places) -> list[str]:
    """What browsers may call this station."""
    found = state.load(here)
    return [f"{name}.local" for name in dict.fromkeys((found.name, found.wanted)) if name]


def settle(session: Session, broker: Broker, here: Places, *, sees_network: bool = True) -> State:
    """Announce what is offered now, and write down under which name and addresses that is.

    The console sees no network (its unit): there the addresses stay as the worker last saw them.
    """
    chosen = plugin.options(session, NAME)
    wanted = chosen["name"] if name_problem(chosen["name"]) is None else "everpx"
    workgroup = chosen["workgroup"] if workgroup_problem(chosen["workgroup"]) is None else "WORKGROUP"
    port = announced.console_port()
    offers = announced.collect(session) if port is not None else []
    before = state.load(here)
    in_force = before.name if before.wanted == wanted and before.name else wanted
    request = {
        "host_name": wanted,
        "windows_name": in_force,
        "workgroup": workgroup,
        "offers": [_as_facts(one) for one in offers],
    }
    told = {"wanted": wanted, "port": port, "addresses": _addresses() if sees_network else before.addresses}
    try:
        answer = broker("discovery.apply", request)
        name = name_in_force(here, NAME_WITHIN_S if answer["changed"] else ANSWER_WITHIN_S) if offers else ""
        if name and name != in_force and answer["windows"]:
            broker("discovery.apply", request | {"windows_name": name})
    except ApplianceError as error:
        problem = {"code": error.code, "message": error.message.as_json(), "hint": error.hint}
        return state.change(here, **told, name="", kinds=(), windows=False, problem=problem)
    kinds = tuple(dict.fromkeys(one.kind for one in offers))
    return state.change(here, **told, name=name, kinds=kinds, windows=answer["windows"], problem=None)


def _as_facts(one: Announced) -> dict[str, object]:
    return {"kind": one.kind, "port": one.port, "name": one.name, "txt": list(one.txt), "subtypes": list(one.subtypes)}


def _addresses() -> tuple[str, ...]:
    return tuple(dict.fromkeys(interface.address for interface in multicast.interfaces()))


def name_in_force(here: Places, within: float) -> str:
    """What avahi calls this station, once it knows; "" when it does not say.

    It does not say before it has made sure that nobody else has the name.
    """
    end = time.monotonic() + within
    while True:
        answer = _asked(here, "RESOLVE-ADDRESS 127.0.0.1", max(0.2, end - time.monotonic()))
        if answer.endswith(".local"):
            return answer.removesuffix(".local")
        if time.monotonic() > end:
            return ""
        time.sleep(0.2)


def _asked(here: Places, question: str, within: float) -> str:
    """avahi's answer to one line, "" when it has none."""
    with contextlib.suppress(OSError, UnicodeDecodeError), socket.socket(socket.AF_UNIX) as ask:
        ask.settimeout(within)
        ask.connect(str(here.run / "discovery/run/socket"))
        ask.sendall(f"{question}\n".encode())
        words = ask.recv(1024).decode().split()
        return words[-1] if words[:1] == ["+"] else ""
    return ""


def look_around(here: Places) -> State:
    """Ask the network for Everpx stations; those that are not this one are shown, also one that says it is this one."""
    found = multicast.browse(KIND, multicast.interfaces(), 2.0)
    try:
        mark = identity.load(here).station_id[:SHORT_ID]
    except (OSError, KeyError, ValueError):
        mark = ""
    others = tuple(
        Other(one.name, one.host, one.addresses[0], one.port, says_it_is_us=one.txt.get("id") == mark)
        for one in found
        if one.addresses and one.port and not _is_this_one(here, one, mark)
    )
    return state.change(here, others=others, looked=now().isoformat())


def _is_this_one(here: Places, seen: multicast.Seen, mark: str) -> bool:
    """Two signs must speak against it: another start than ours (ours may be announced late) and no address of ours."""
    if seen.txt.get("id") != mark:
        return False
    started = starts.load(here).latest
    another = started is not None and seen.txt.get("start", started.mark) != started.mark
    return not another or bool({*seen.addresses} & {*_addresses()})


def start_looking(session: Session, asked_by: int | None = None) -> Job:
    """Look around now.  Raises AlreadyRunning."""
    title = Message(N_("Looking around on the network"))
    return jobs.start(session, "discovery.look", title=title, lock="discovery.look", asked_by=asked_by)


def rename(session: Session, broker: Broker, here: Places, *, name: str, workgroup: str) -> State:
    """Choose the name and Windows' workgroup, and announce them.  Raises Invalid; on any failure nothing is kept."""
    name, workgroup = name.strip().lower().removesuffix(".local"), workgroup.strip().upper()
    problems: dict[str, Message | str] = {}
    if problem := name_problem(name):
        problems["name"] = problem
    if problem := workgroup_problem(workgroup):
        problems["workgroup"] = problem
    if problems:
        raise Invalid(problems)
    plugin.configure(session, NAME, {"name": name, "workgroup": workgroup})
    found = settle(session, broker, here, sees_network=False)
    announced.refresh(session)  # the certificate speaks for the new name soon
    return found


def not_announced(context: HealthContext) -> Iterable[Finding]:
    """Another program is in the way, avahi does not run, or another device has the name."""
    here = state.load(context.places)
    if here.problem is not None:
        yield Finding(
            code="not_announced",
            severity=Severity.WARNING,
            message=Message.from_json(here.problem["message"]),
            hint=Message(N_("Files are safe, and the station can be opened by its address. {hint}"),
                         {"hint": Message(here.problem["hint"])}),
            guide="network_name",
        )  # fmt: skip
    if here.name and here.name != here.wanted:
        yield Finding(
            code="name_taken",
            severity=Severity.NOTICE,
            message=Message(
                N_("Another device on this network is already called {wanted}.local. This station is {name}.local."),
                {"wanted": here.wanted, "name": here.name},
            ),
            hint=Message(N_("Both work. Give this station a name of its own, so that it stays the same.")),
            guide="network_name",
        )


def not_heard(context: HealthContext) -> Iterable[Finding]:
    """Announced, but the name does not lead here: asked as this computer's own resolver would ask."""
    here = state.load(context.places)
    addresses = _addresses()
    if not here.name or not addresses:
        return
    found = _asked(context.places, f"RESOLVE-HOSTNAME-IPV4 {here.host}", NAME_WITHIN_S)
    if found not in (*addresses, "127.0.0.1"):
        yield Finding(
            code="not_heard",
            severity=Severity.WARNING,
            message=Message(N_("The name {host} does not lead to this station."), {"host": here.host}),
            hint=Message(N_("It can be opened by its address. If this stays, give the station another name.")),
            guide="network_name",
        )
    look_around(context.places)


def seen_twice(context: HealthContext) -> Iterable[Finding]:
    """Another box that says it is this station, in the last look around."""
    for other in state.load(context.places).others:
        if other.says_it_is_us:
            yield Finding(
                code="station_twice",
                severity=Severity.WARNING,  # anybody on the network can say so
                subject=other.address,
                message=Message(
                    N_("Another box on this network says that it is this station. Its address is {address}."),
                    {"address": other.address},
                ),
                hint=Message(
                    N_(
                        "The card of one is a copy of the other's. Phones may send to either, and photos then lie in "
                        "two places. Switch one off until you know which is the right one."
                    )
                ),
                guide="copied_card",
            )
