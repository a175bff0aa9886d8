"""The power driver: a drive hangs on a plug, a plug on the home's network, and both may do what they like.

Believed is only what was read afterwards: the plug's own state, its meter, and (by the core) that the drive is gone.
Every switching is a row.  Plugs that do not answer are an error with words; what follows from it is the core's business
(people are asked, or the drive stays powered and it is tried again).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance import plugin
from appliance.db import now
from appliance.drives import inventory as live
from appliance.drives.models import Drive
from appliance.drives.switches import Circuit, Means, PowerDriver
from appliance.errors import ApplianceError
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.words import N_, Message
from plugins.smart_plugs import asking, energy
from plugins.smart_plugs.models import PlugDrive, SmartPlug, Switching

NAME = "smart_plugs"
DRIVER = "smart_plug"
REST_S = 10.0  # between off and on: a motor that is still turning, capacitors that are still full
LEARN_FROM = 5
PATIENCE_S, PATIENCE_LEAST_S, PATIENCE_TIMES = 90.0, 30.0, 3.0
METER_SETTLES_S = 20.0
SAMPLE_FIRST_S, SAMPLE_EVERY_S = 20.0, 300.0


#: What is over as soon as it answers; the rest when it switches as it should.
OVER_WHEN_IT_ANSWERS = {error.code for error in asking.ERRORS.values()} - {asking.PlugDisobeys.code}


class NoPlug(ApplianceError):
    """The drive's plug was removed."""

    code, status = "no_plug", 409
    template = N_("no plug is chosen for it")


class PlugRests(ApplianceError):
    """Something goes wrong again and again."""

    code, status = "plug_rests", 429
    template = N_("The plug “{plug}” was switched on {times} times within a day, so it rests.")
    hint = N_("It goes on by itself after some hours. Look at Activity for what failed so often.")


class StillDraws(ApplianceError):
    """It says off, and its meter says something else."""

    code, status = "plug_still_draws", 502
    template = N_("The plug “{plug}” says that it is off, but it still draws {watts} W.")
    hint = N_("Its switch may be worn out. Pull the plug out of its socket by hand.")


class NotOurs(ApplianceError):
    """The plug was on before, and the drive did not come: maybe something else hangs on it."""

    code, status = "plug_not_ours", 409
    template = N_("The plug “{plug}” was on before, and the drive did not come by it, so it was left on.")
    hint = N_("Make sure that it is the right plug for this drive.")


class SmartPlugDriver(PowerDriver):
    """See ``appliance.drives.switches``."""

    name = DRIVER
    title = N_("A smart plug switches it on and off")
    question = N_("Is it on a smart plug?")
    address = f"/plugins/{NAME}/"

    def on(self, drive: Drive, means: Means) -> None:
        """Raises one of ``asking.ERRORS``, NoPlug, PlugRests."""
        with means.db.reading() as session:
            plug = plug_of(session, drive)
            last = last_switching(session, plug.id)
            try:
                _may_switch_on(session, plug)
            except PlugRests as error:
                rests: PlugRests | None = error
            else:
                rests = None
        if rests is not None:
            _note_problem(means, plug, rests)
            raise rests
        _rest(last)
        self._switch(means, plug, drive, True)

    def off(self, drive: Drive, means: Means) -> None:
        """Raises one of ``asking.ERRORS``, NoPlug, StillDraws, NotOurs."""
        with means.db.reading() as session:
            plug = plug_of(session, drive)
            last = last_switching(session, plug.id)
        brought = last is not None and last.on and last.done
        if last is not None and brought and last.was_on and last.arrived_s is None and not _is_here(means, drive):
            _note_problem(means, plug, NotOurs(plug=plug.name))
            raise NotOurs(plug=plug.name)
        said = self._switch(means, plug, drive, False)
        with means.db.writing() as session:
            if brought and said["was_on"] is False:
                health.tell(session, _cut_in_use(plug, drive))
            elif said["was_on"]:
                health.settle(session, "plug_cut_in_use", f"plug:{plug.id}")

    def _switch(self, means: Means, plug: SmartPlug, drive: Drive, on: bool) -> dict[str, Any]:
        try:
            said = switch(means, plug, drive.id, on)
        except ApplianceError as error:
            _note_problem(means, plug, error)
            raise
        with means.db.writing() as session:
            row = session.get_one(SmartPlug, plug.id)
            drew = row.problem_code == StillDraws.code and said["proven"]
            if row.problem_code in OVER_WHEN_IT_ANSWERS or said["was_on"] is not on or drew:
                row.problem_code, row.problem = "", None
        return said

    def is_on(self, drive: Drive, means: Means) -> bool | None:
        """Asks it.  Raises one of ``asking.ERRORS``."""
        with means.db.reading() as session:
            plug = plug_of(session, drive)
        on: bool | None = look(means, plug)["on"]
        return on

    def circuit(self, drive: Drive, means: Means) -> Circuit | None:
        """Everything that hangs on its plug, also a HOT drive that once went with it."""
        with means.db.reading() as session:
            row = session.get(PlugDrive, drive.id)
            if row is None:
                return Circuit(f"plug-none-{drive.id}", frozenset((drive.id,)))
            plug = session.get_one(SmartPlug, row.plug_id)
            ids = set(session.scalars(select(PlugDrive.drive_id).where(PlugDrive.plug_id == plug.id)))
        hot = set() if plug.carries_hot is None else {plug.carries_hot}
        return Circuit(f"plug-{plug.id}", frozenset(ids | hot))

    def patience(self, drive: Drive, means: Means) -> float:
        """Three times what it usually takes."""
        with means.db.reading() as session:
            usual = usual_arrival(session, drive.id)
        return PATIENCE_S if usual is None else max(PATIENCE_LEAST_S, PATIENCE_TIMES * usual)

    def arrived(self, drive: Drive, means: Means, seconds: float) -> None:
        """Kept with the switching that brought it."""
        with means.db.writing() as session:
            row = session.get(PlugDrive, drive.id)
            last = last_switching(session, row.plug_id) if row is not None else None
            if last is not None and last.on and last.done and last.arrived_s is None:
                last.arrived_s = seconds

    def cut_hot(self, drive: Drive, means: Means, hot: Drive) -> None:
        """This plug is never cut again."""
        with means.db.writing() as session:
            row = session.get(PlugDrive, drive.id)
            if row is not None:
                session.get_one(SmartPlug, row.plug_id).carries_hot = hot.id

    def watching(self, drive: Drive, means: Means) -> AbstractContextManager[object]:
        """The meter is read now and then."""
        return _sampling(drive, means)

    def refuses(self, session: Session, drive: Drive) -> Message | None:
        """Not without a plug."""
        return None if session.get(PlugDrive, drive.id) else Message(N_("Choose its plug first."))

    def says(self, session: Session, drive: Drive) -> Message | None:
        """The plug's name, and how long the drive takes."""
        row = session.get(PlugDrive, drive.id)
        if row is None:
            return Message(N_("No plug is chosen for it, so people are asked."))
        plug = session.get_one(SmartPlug, row.plug_id)
        usual = usual_arrival(session, drive.id)
        if usual is None:
            return Message(N_("The plug “{plug}” switches it."), {"plug": plug.name})
        fields = {"plug": plug.name, "usual_seconds": max(1, round(usual))}
        return Message(N_("The plug “{plug}” switches it. It is here {usual_seconds} later, usually."), fields)


def plug_of(session: Session, drive: Drive) -> SmartPlug:
    """Raises NoPlug."""
    row = session.get(PlugDrive, drive.id)
    if row is None:
        raise NoPlug()
    return session.get_one(SmartPlug, row.plug_id)


def last_switching(session: Session, plug_id: int) -> Switching | None:
    """The newest that was done or tried."""
    return session.scalar(select(Switching).where(Switching.plug_id == plug_id).order_by(Switching.id.desc()).limit(1))


def usual_arrival(session: Session, drive_id: int) -> float | None:
    """Seconds from on until the drive is here: the median of the last ones, None before the first."""
    wanted = select(Switching.arrived_s).where(
        Switching.drive_id == drive_id, Switching.arrived_s.is_not(None), Switching.was_on.is_not(True)
    )
    last = [one for one in session.scalars(wanted.order_by(Switching.id.desc()).limit(LEARN_FROM)) if one is not None]
    import statistics  # not in a console that only shows plugs

    return statistics.median(last) if last else None


def _may_switch_on(session: Session, plug: SmartPlug) -> None:
    most = plugin.options(session, NAME)["most_a_day"]
    recent = select(func.count()).where(
        Switching.plug_id == plug.id,
        Switching.on,
        Switching.done,
        Switching.was_on.is_not(True),
        Switching.at > now() - timedelta(days=1),
    )
    times = session.scalar(recent) or 0
    last = last_switching(session, plug.id)
    if times >= most and not (last is not None and last.on and last.done):
        raise PlugRests(plug=plug.name, times=times)


def _rest(last: Switching | None) -> None:
    if last is not None and not last.on and last.done:
        ago = (now() - last.at).total_seconds()
        if 0 <= ago < REST_S:
            time.sleep(REST_S - ago)


def switch(means: Means, plug: SmartPlug, drive_id: int | None, on: bool) -> dict[str, Any]:
    """Order it and write down what became of it.  Raises one of ``asking.ERRORS``, StillDraws."""
    with means.db.reading() as session:
        off_watts = plugin.options(session, NAME)["off_watts"]
    try:
        said = asking.Line(means.db, means.places, plug).switch(on, off_watts, METER_SETTLES_S)
    except ApplianceError as error:
        _write_failure(means, plug, drive_id, on, error)
        raise
    with means.db.writing() as session:
        energy.note(session, session.get_one(SmartPlug, plug.id), said)
    if said["proven"] is False:
        draws = StillDraws(plug=plug.name, watts=round(said["watts"], 1))
        _write_failure(means, plug, drive_id, on, draws)
        raise draws
    with means.db.writing() as session:
        if not (on and _expected_on(session, plug.id)):  # said again while the drive is waited for
            session.add(
                Switching(
                    plug_id=plug.id,
                    drive_id=drive_id,
                    on=on,
                    was_on=said["was_on"],
                    done=True,
                    watts=said["watts"],
                    proven=said["proven"],
                )
            )
    return said


def _write_failure(means: Means, plug: SmartPlug, drive_id: int | None, on: bool, error: ApplianceError) -> None:
    """One row for a failure, however often it is tried again."""
    with means.db.writing() as session:
        last = last_switching(session, plug.id)
        if last is not None and (last.on, last.done, last.why) == (on, False, error.message):
            last.at = now()
        else:
            session.add(Switching(plug_id=plug.id, drive_id=drive_id, on=on, done=False, why=error.message))


def _expected_on(session: Session, plug_id: int) -> bool:
    """Whether the last thing that was done to it was to switch it on."""
    wanted = select(Switching).where(Switching.plug_id == plug_id, Switching.done).order_by(Switching.id.desc())
    row = session.scalar(wanted.limit(1))
    return row is not None and row.on


def _is_here(means: Means, drive: Drive) -> bool:
    try:
        return bool(live.load(means.places).by_marker(drive.marker_id))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def look(means: Means, plug: SmartPlug) -> dict[str, Any]:
    """Read it, and keep what it says or why it does not.  Raises one of ``asking.ERRORS``."""
    try:
        said = asking.Line(means.db, means.places, plug).read()
    except ApplianceError as error:
        _note_problem(means, plug, error)
        raise
    with means.db.writing() as session:
        row = session.get_one(SmartPlug, plug.id)
        energy.note(session, row, said)
        if row.problem_code in OVER_WHEN_IT_ANSWERS:
            row.problem_code, row.problem = "", None
    return said


def _note_problem(means: Means, plug: SmartPlug, error: ApplianceError) -> None:
    with means.db.writing() as session:
        row = session.get_one(SmartPlug, plug.id)
        row.problem_code, row.problem = error.code, error.message


def _cut_in_use(plug: SmartPlug, drive: Drive) -> health.Finding:
    fields = {"plug": plug.name, "drive": drive.name}
    return health.Finding(
        "plug_cut_in_use",
        Severity.WARNING,
        Message(N_("The plug “{plug}” was switched off while {drive} was in use."), fields),
        Message(N_("What was proven before is safe, and the next copy does the rest. Look for a timer in its app.")),
        f"plug:{plug.id}",
        guide="plug",
    )


@contextmanager
def _sampling(drive: Drive, means: Means) -> Iterator[None]:
    """Read the meter in a thread; a plug that does not answer is only not sampled."""
    over = threading.Event()

    def sample() -> None:
        pause = SAMPLE_FIRST_S
        while not over.wait(pause):
            pause = SAMPLE_EVERY_S
            try:
                with means.db.reading() as session:
                    plug = plug_of(session, drive)
                if not plug.has_meter:
                    return
                look(means, plug)
            except ApplianceError:
                continue

    thread = threading.Thread(target=sample, name="plug meter", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(asking.READ_S + 5)
