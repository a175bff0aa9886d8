"""F20, F21: plugs that are deaf, lie, toggle, move or cut the wrong drive; hubs that carry several; slow drives.

Whatever a plug does, nothing that is in use loses its power by us, people are told in words, and it comes right again.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from appliance.backup.models import RunState
from appliance.db import now
from appliance.drives import circuits, power, waiting
from appliance.drives.leases import lease
from appliance.drives.models import Drive, DriveRole, PowerState
from appliance.drives.switches import Means
from appliance.errors import ApplianceError, RefusedByRoot
from appliance.health.models import Issue
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState
from appliance.jobs.progress import Cancelled
from appliance.words import Message
from plugins.smart_plugs import asking, driver, service
from plugins.smart_plugs.models import SmartPlug, Switching
from tests.backup_bed import files_below
from tests.component.health_page import HealthPage
from tests.component.loop_drives import until
from tests.component.plugs.home import PASSWORD, USER, Home
from tests.component.plugs.web_plugs import ShellyPlug, TasmotaPlug
from tests.component.plugs.xor_plug import XorPlug
from tests.component.test_backup_station import Pair

pytestmark = pytest.mark.component


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds where a station takes minutes."""
    monkeypatch.setattr(waiting, "FIRST_RETRY_S", 1.0)
    monkeypatch.setattr(waiting, "LAST_RETRY_S", 2.0)
    monkeypatch.setattr(circuits, "GONE_S", 4.0)


def rest(home: Home) -> None:
    """What the chores do."""
    power.rest_cold(home.db, home.station.root, home.station.places)


def helper(home: Home, deed: Callable[[], Any]) -> threading.Thread:
    """Somebody who acts while a job waits; a failure shows in the test that joins."""
    thread = threading.Thread(target=deed)
    thread.start()
    return thread


def cancel_all(home: Home) -> None:
    """So that no test waits for a day."""
    from appliance.jobs.models import Wish

    with home.db.writing() as session:
        for job in jobs.active(session):
            jobs.wish(session, job.id, Wish.CANCEL)


def test_a_deaf_plug_makes_people_the_switch_and_is_tried_until_it_hears(home: Home) -> None:
    cold = home.cold()
    relay = home.relay("cold")
    home.one_of("shelly", relay, cold)
    (emulator,) = home.emulators
    emulator.stop()

    def later() -> None:
        try:
            until(lambda: "switch_on" in home.issues())
            assert home.issues()["switch_on"] == "Please switch on Cold by hand: The plug “Plug” does not answer."
            home.lan.inside(emulator.start)
        except BaseException:
            cancel_all(home)
            raise

    hand = helper(home, later)
    with home.use(cold) as mount:
        mount.check()
        assert "switch_on" not in home.issues()
    hand.join()
    assert (relay.switched, relay.on, home.state(cold)) == ([True, False], False, "off")
    first, *others = home.switchings()
    assert (first.on, first.done, str(first.why)) == (True, False, "The plug “Plug” does not answer.")
    assert [(one.on, one.done) for one in others] == [(True, True), (False, True)]


def test_a_person_may_plug_the_drive_in_while_its_plug_is_deaf(home: Home) -> None:
    cold = home.cold()
    relay = home.relay("cold")
    plug = home.one_of("xor", relay, cold)
    (emulator,) = home.emulators
    emulator.stop()

    def later() -> None:
        try:
            until(lambda: "switch_on" in home.issues())
            relay.turn(True)
        except BaseException:
            cancel_all(home)
            raise

    hand = helper(home, later)
    with home.use(cold) as mount:
        mount.check()
    hand.join()
    assert home.state(cold) == "unmounted" and relay.on, "left powered, not lied about"
    assert home.issues()["drive_still_on"] == "Cold could not be switched off: The plug “Plug” does not answer."
    home.lan.inside(emulator.start)
    rest(home)
    assert (home.state(cold), relay.on, home.issues()) == ("off", False, {})
    assert home.plug(plug.id).problem_code == ""


@pytest.mark.finding("drive_still_on", "plug_silent")
def test_a_plug_that_is_deaf_at_off_leaves_the_drive_powered_and_is_tried_again(
    home: Home, health_page: HealthPage
) -> None:
    cold = home.cold()
    relay = home.relay("cold")
    plug = home.one_of("tasmota", relay, cold)
    (emulator,) = home.emulators
    with home.use(cold):
        emulator.stop()
    assert home.moves(cold)[-1] == "unmounted" and relay.on
    assert not (home.station.places.mounts / "COLD-1").is_mount()
    assert {"drive_still_on", "plug_silent"} <= set(health_page.look())
    rest(home)
    rest(home)
    assert len([one for one in home.switchings() if not one.done]) == 1, "one row, however often it is tried"
    home.lan.inside(emulator.start)
    rest(home)
    assert (home.moves(cold)[-1], relay.on) == ("off", False)
    health_page.no_longer("drive_still_on", "plug_silent")
    assert home.plug(plug.id).is_on is False


@pytest.mark.parametrize("kind", ["shelly", "xor", "tapo"])
@pytest.mark.parametrize("trouble", ["garbage", "half", "slow", "deaf", "endless", "redirect"])
def test_whatever_a_plug_answers_it_ends_in_words_and_in_time(
    home: Home, kind: str, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "xor" and trouble in ("endless", "redirect"):
        trouble = "garbage"
    cold = home.cold()
    relay = home.relay("cold")
    plug = home.one_of(kind, relay, cold)
    (emulator,) = home.emulators
    monkeypatch.setattr(asking, "SWITCH_S", 8)
    monkeypatch.setattr(asking, "FINDABLE", ())  # calling for it everywhere is another test
    emulator.trouble = trouble
    began = time.monotonic()
    with pytest.raises(waiting.NotSwitchedOn) as failed, home.use(cold, within_s=1):
        pytest.fail("never here")
    assert failed.value.code == "drive_not_switched_on" and time.monotonic() - began < 60
    code = home.plug(plug.id).problem_code
    assert code in ("plug_garbled", "plug_silent"), code
    assert relay.switched == [] and not relay.on
    emulator.trouble = ""
    monkeypatch.setattr(asking, "SWITCH_S", 75)  # the short limit was for the trouble, not for a busy machine
    rest(home)
    with home.use(cold) as mount:
        mount.check()
    assert home.state(cold) == "off" and home.plug(plug.id).problem_code == ""


@pytest.mark.finding("plug_locked")
def test_a_wrong_password_is_said_as_that(home: Home, health_page: HealthPage) -> None:
    cold = home.cold()
    plug = home.one_of("tapo", home.relay("cold"), cold)
    with home.db.writing() as session:
        service.keep_account(session, home.station.places, USER, "old password")
    with pytest.raises(waiting.NotSwitchedOn), home.use(cold, within_s=1):
        pytest.fail("never here")
    assert home.plug(plug.id).problem_code == "plug_locked"
    assert str(health_page.sees("plug_locked").issue.message) == "The plug “Plug” does not accept the password."
    with home.db.writing() as session:
        service.change(session, home.station.places, plug.id, {"name": "Cellar", "user": USER, "password": PASSWORD})
    assert home.test(plug).result["off"] is True
    health_page.no_longer("plug_locked")


def test_a_liar_at_on_is_noticed_because_the_drive_does_not_come(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "PATIENCE_S", 1.5)
    cold = home.cold()
    relay = home.relay("cold", lies=True)
    home.one_of("shelly", relay, cold)
    said: list[str] = []

    def later() -> None:
        try:
            until(lambda: "switch_on" in home.issues())
            said.append(home.issues()["switch_on"])
        finally:
            cancel_all(home)

    hand = helper(home, later)
    with pytest.raises(Cancelled), home.use(cold):
        pytest.fail("never here")
    hand.join()
    assert said == ["Cold is switched on, but it does not come."]
    assert "switch_on" not in home.issues() and home.state(cold) == "off"


@pytest.mark.finding("plug_not_ours")
def test_a_plug_that_was_on_already_and_brought_nothing_is_left_on(home: Home, health_page: HealthPage) -> None:
    """Maybe the router hangs on it: it is not ours to cut."""
    cold = home.cold()
    home.station.loops.pull("cold")
    home.station.look()
    router = home.relay()
    router.on = True
    home.one_of("shelly", router, cold)
    with pytest.raises(waiting.NotSwitchedOn), home.use(cold, within_s=1):
        pytest.fail("never here")
    assert router.switched == [] and router.on
    assert "was on before, and the drive did not come by it" in home.issues()["drive_still_on"]
    health_page.sees("plug_not_ours")
    rest(home)
    assert router.switched == []
    router.turn(False)  # the router got another socket, the drive has this one
    router.plug = lambda: (home.station.loops.plug("cold"), home.station.look())
    router.pull = lambda: (home.station.loops.pull("cold"), home.station.look())
    with home.use(cold):
        pass
    assert router.switched == [True, False]
    health_page.no_longer("plug_not_ours", "drive_still_on")


@pytest.mark.finding("plug_still_draws")
def test_a_plug_that_says_off_and_goes_on_drawing_is_not_believed(
    home: Home, monkeypatch: pytest.MonkeyPatch, health_page: HealthPage
) -> None:
    monkeypatch.setattr(driver, "METER_SETTLES_S", 2.0)
    cold = home.cold()
    relay = home.relay("cold", draws=6.0)
    home.one_of("shelly", relay, cold)
    with home.use(cold):
        relay.lies = True
    assert (home.state(cold), relay.on) == ("unmounted", True)
    assert "it still draws 6.0 W" in home.issues()["drive_still_on"]
    health_page.sees("plug_still_draws")
    rest(home)
    assert home.state(cold) == "unmounted"
    relay.lies, relay.shown = False, None
    rest(home)
    health_page.no_longer("plug_still_draws", "drive_still_on")
    assert (home.state(cold), relay.on, set(home.issues())) == ("off", False, set())


def test_a_meter_that_is_slow_is_waited_for(home: Home) -> None:
    cold = home.cold()
    relay = home.relay("cold", draws_off=5.0)
    home.one_of("shelly", relay, cold)

    def sinks() -> None:
        until(lambda: relay.switched == [True, False])
        time.sleep(2)
        relay.draws_off = 0.3

    hand = helper(home, sinks)
    with home.use(cold):
        pass
    hand.join()
    assert home.state(cold) == "off" and home.switchings()[-1].proven is True


def test_a_drive_that_stays_although_its_plug_is_off_hangs_somewhere_else(home: Home) -> None:
    cold = home.cold()
    other = home.relay(on=False)
    home.one_of("shelly", other, cold)
    with home.use(cold):
        pass
    assert home.state(cold) == "unmounted"
    wanted = "Cold could not be switched off: its switch says off, but the drive is still here"
    assert home.issues()["drive_still_on"] == wanted


@pytest.mark.finding("plug_disobeys")
def test_a_plug_that_takes_orders_and_does_nothing(home: Home, health_page: HealthPage) -> None:
    cold = home.cold()
    relay = home.relay("cold", stuck=True)
    plug = home.one_of("tasmota", relay, cold)
    with pytest.raises(waiting.NotSwitchedOn), home.use(cold, within_s=1):
        pytest.fail("never here")
    health_page.sees("plug_disobeys")
    relay.stuck = False
    home.test(plug)
    health_page.no_longer("plug_disobeys")


@pytest.mark.parametrize(
    "again",
    [pytest.param(False, marks=pytest.mark.finding("plug_cut_in_use"), id="off by an app"),
     pytest.param(True, id="off and on by itself")],
)  # fmt: skip
def test_a_plug_that_cuts_in_mid_copy_is_a_pulled_drive_and_nothing_is_lost(
    home: Home, again: bool, health_page: HealthPage
) -> None:
    pair = Pair(home.station)
    pair.fill(12, 4_000_000)
    relay = home.relay("cold")
    home.one_of("shelly", relay, pair.cold)

    def app() -> None:
        incoming = home.station.places.mounts / "COLD-1/.everpx/incoming/1"
        end = time.monotonic() + 60
        while not incoming.exists() and time.monotonic() < end:
            time.sleep(0.01)
        relay.turn(False)
        if again:
            relay.turn(True)

    hand = helper(home, app)
    ended = pair.copy()
    hand.join()
    assert ended.state is JobState.FAILED and ended.error_code in {"drive_gone", "cold_failing"}, ended.error
    assert (pair.power(), relay.on) == (PowerState.OFF, False)
    if not again:
        said = str(health_page.sees("plug_cut_in_use").issue.message)
        assert said == "The plug “Plug” was switched off while Blue was in use."
    done = pair.copy()
    assert done.state is JobState.DONE, done.error
    assert pair.last().state is RunState.PROVEN and "plug_cut_in_use" not in health_page.look()
    home.station.loops.plug("cold")
    assert pair.on_cold() == files_below(pair.top)


def test_a_plug_that_moved_is_found_and_the_one_in_its_place_is_not_switched(home: Home) -> None:
    cold = home.cold()
    relay, neighbour = home.relay("cold"), home.relay()
    plug = home.one_of("xor", relay, cold)
    (mine,) = home.emulators
    old, new = mine.address, home.address()
    mine.stop()
    mine.address = new
    home.lan.inside(mine.start)
    home.emulate(XorPlug, neighbour, old, "Lamp of the neighbour")
    with home.use(cold) as mount:
        mount.check()
    assert (relay.switched, neighbour.switched) == ([True, False], [])
    assert home.plug(plug.id).host == new


@pytest.mark.finding("another_plug")
@pytest.mark.parametrize("kind", ["shelly", "tasmota"])
def test_another_plug_at_the_address_is_not_switched_when_ours_is_nowhere(
    home: Home, kind: str, health_page: HealthPage
) -> None:
    cold = home.cold()
    neighbour = home.relay()
    plug = home.one_of(kind, home.relay("cold"), cold)
    (mine,) = home.emulators
    mine.stop()
    other = ShellyPlug if kind == "shelly" else TasmotaPlug
    home.emulate(other, neighbour, mine.address, 80, PASSWORD)
    with pytest.raises(waiting.NotSwitchedOn), home.use(cold, within_s=1):
        pytest.fail("never here")
    assert neighbour.switched == []
    health_page.sees("another_plug")
    home.emulators[-1].stop()
    home.lan.inside(mine.start)
    home.test(plug)
    health_page.no_longer("another_plug")


def test_of_several_plugs_with_one_name_the_right_one_is_switched(home: Home) -> None:
    one, two = home.cold("one"), home.cold("two")
    first, second = home.relay("one"), home.relay("two")
    home.emulate(XorPlug, first, home.address(), "Smart Plug")
    home.emulate(XorPlug, second, home.address(), "Smart Plug")
    home.search()
    keys = [emulator.mac.replace(":", "") for emulator in home.emulators]
    plugs = [home.add(keys[0], one), home.add(keys[1], two)]
    assert [plug.name for plug in plugs] == ["Smart Plug", "Smart Plug 2"]
    with home.use(two):
        assert (first.on, second.on) == (False, True)
    assert (first.switched, second.switched) == ([], [True, False])


def hub(home: Home, kind: str = "shelly") -> tuple[Drive, Drive, Any, SmartPlug]:
    """Two COLD drives on a powered hub with one plug."""
    one, two = home.cold("one"), home.cold("two")
    relay = home.relay("one", "two")
    return one, two, relay, home.one_of(kind, relay, one, two)


def test_a_hub_is_cut_only_when_the_last_of_its_drives_has_finished(home: Home) -> None:
    one, two, relay, _ = hub(home)
    with home.use(one):
        with home.use(two):
            pass
        assert (home.state(two), relay.switched, home.issues()) == ("unmounted", [True], {})
    assert (home.state(one), home.state(two), relay.switched) == ("off", "off", [True, False])
    assert home.moves(two) == ["spinning_up", "mounted", "flushing", "unmounted", "off"]


def test_two_jobs_on_a_hub_that_end_together_leave_it_off(home: Home) -> None:
    one, two, relay, _ = hub(home)
    ready = threading.Barrier(2)

    def work(drive: Drive) -> None:
        with home.use(drive, f"work:{drive.id}"):
            ready.wait(60)

    workers = [threading.Thread(target=work, args=(drive,)) for drive in (one, two)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    rest(home)
    assert (home.state(one), home.state(two), relay.on) == ("off", "off", False)
    assert relay.switched == [True, False]


def test_a_neighbour_that_is_being_repaired_keeps_its_power(home: Home) -> None:
    """Its lease is held while it is unmounted and its row says off."""
    one, two, relay, _ = hub(home)
    with lease(home.station.places, two.id), home.use(one):
        pass
    assert (home.state(one), relay.on) == ("unmounted", True)
    rest(home)
    assert (home.state(one), relay.on) == ("off", False)


def test_nothing_is_cut_while_a_new_drive_is_being_prepared(home: Home) -> None:
    cold = home.cold()
    relay = home.relay("cold")
    home.one_of("shelly", relay, cold)
    with home.use(cold), home.db.writing() as session:
        job = jobs.start(session, "drives.format", title=Message("Erase"), lock="disk:loop99")
        job.state = JobState.RUNNING
    assert (home.state(cold), relay.on) == ("unmounted", True)
    with home.db.writing() as session:
        session.execute(update(Job).where(Job.id == job.id).values(state=JobState.DONE))
    rest(home)
    assert (home.state(cold), relay.on) == ("off", False)


@pytest.mark.finding("switch_cuts_hot", "plug_carries_hot")
def test_a_plug_that_takes_a_hot_drive_along_is_switched_on_again_and_never_used(
    home: Home, health_page: HealthPage
) -> None:
    hot = home.station.adopt(home.station.make("hot"), DriveRole.HOT, name="Family")
    cold = home.cold()
    relay = home.relay("cold")
    plug = home.one_of("shelly", relay, cold)
    alone, both = relay.pull, home.relay("hot", "cold", on=True)

    def pull() -> None:
        alone()
        both.pull()

    def push() -> None:
        both.plug()

    relay.pull, relay.plug = pull, push
    with home.use(cold):
        pass
    assert relay.on and relay.switched == [True, False, True] and "hot" in home.station.loops.devices
    said = str(health_page.sees("switch_cuts_hot").issue.message)
    assert said == "The switch of Cold also cuts the power of Family."
    health_page.sees("plug_carries_hot")
    assert home.plug(plug.id).carries_hot == hot.id and home.state(cold) == "unmounted"
    home.station.settle()
    assert home.station.mount(hot.id)
    rest(home)
    with home.use(cold):
        pass
    assert relay.switched == [True, False, True], "never again"
    with home.db.writing() as session:
        service.hot_is_elsewhere(session, plug.id)
    relay.pull = alone
    rest(home)
    assert (home.state(cold), relay.on) == ("off", False)
    health_page.no_longer("switch_cuts_hot", "plug_carries_hot")


def test_power_is_not_cut_while_mounted_nor_after_an_unmount_that_failed(home: Home) -> None:
    cold = home.cold()
    relay = home.relay("cold")
    plug = home.one_of("shelly", relay, cold)
    with pytest.raises(RefusedByRoot, match="still using"), home.use(cold) as mount:
        held = (mount.path / "held").open("w")
        with home.db.writing() as session:
            job = service.start_switch(session, plug.id, on=False)
        helper(home, lambda: (time.sleep(2), cancel_all(home)))
        assert home.station.run(job).state is JobState.CANCELLED, "waits for the drive, does not cut"
        assert relay.switched == [True]
    assert (home.state(cold), relay.on, "drive_stuck" in home.issues()) == ("flushing", True, True)
    rest(home)
    assert relay.on
    held.close()
    rest(home)
    assert (home.state(cold), relay.on, home.issues()) == ("off", False, {})


HOLD = """
import sys
from appliance import plugin
from appliance.broker.client import SocketBroker
from appliance.db import Database
from appliance.drives.power import cold_drive
from appliance.jobs import runner
from appliance.jobs.progress import Progress
from appliance.places import places
here = places()
db = Database(here.database)
job = runner.claim(db, int(sys.argv[1]))
plugin.load(db)
with cold_drive(Progress(db, SocketBroker(here.broker_socket), here, job), int(sys.argv[2])) as mount:
    (mount.path / "half").write_text("x")
    print("holding", flush=True)
    sys.stdin.read()
"""


def test_after_a_killed_job_the_plug_is_switched_off_by_the_next_start(home: Home) -> None:
    cold = home.cold(filesystem="exfat")
    relay = home.relay("cold")
    home.one_of("shelly", relay, cold)
    with home.db.writing() as session:
        job = jobs.start(session, "trial", title=Message("A trial"), lock="cold:1")
    command = [sys.executable, "-c", HOLD, str(job.id), str(cold.id)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert holder.stdout is not None and holder.stdout.readline() == b"holding\n"
    holder.kill()
    holder.communicate()
    assert relay.on and home.state(cold) == "mounted"
    with home.db.writing() as session:
        jobs.recover(session)
    power.resume_power(home.db, home.station.root, home.station.places)
    assert (home.state(cold), relay.on) == ("off", False)
    assert home.moves(cold) == ["spinning_up", "mounted", "flushing", "unmounted", "off"]


def test_a_plug_that_came_back_on_with_the_power_is_switched_off_after_a_while(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = home.cold()
    relay = home.relay("cold")
    home.one_of("shelly", relay, cold)
    with home.use(cold):
        pass
    relay.turn(True)
    rest(home)
    rest(home)
    assert relay.on, "a person may want to look at it"
    monkeypatch.setattr(power, "FOUND_ON_S", 0.0)
    time.sleep(0.1)
    rest(home)
    assert (home.state(cold), relay.on, home.issues()) == ("off", False, {})


def test_a_slow_drive_is_waited_for_without_bothering_anybody(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """F21, with less than its sixty seconds."""
    cold = home.cold()
    relay = home.relay("cold", start_s=7.0)
    home.one_of("shelly", relay, cold)
    stages: set[str] = set()
    asked_people: list[bool] = []

    def watch() -> None:
        while not relay.on or "cold" not in home.station.loops.devices:
            with home.db.reading() as session:
                stages.update(str(job.stage) for job in jobs.active(session) if job.stage)
                asked_people.append(session.scalar(select(Issue.id).where(Issue.code == "switch_on")) is not None)
            time.sleep(0.2)

    hand = helper(home, watch)
    with home.use(cold):
        pass
    hand.join()
    assert "Waiting for Cold to start" in stages and not any(asked_people)
    usual = home.usual(cold)
    assert usual is not None and 6.5 < usual < 30 and relay.switched == [True, False]


@pytest.mark.finding("plug_rests")
def test_a_plug_rests_after_too_many_times_and_people_are_asked(home: Home, health_page: HealthPage) -> None:
    cold = home.cold()
    relay = home.relay("cold")
    plug = home.one_of("shelly", relay, cold)
    with home.db.writing() as session:
        for number in range(20):
            session.add(Switching(plug_id=plug.id, drive_id=cold.id, on=True, was_on=False, done=True))
            session.add(Switching(plug_id=plug.id, drive_id=cold.id, on=False, was_on=True, done=True))
            assert number < 20
    with pytest.raises(waiting.NotSwitchedOn), home.use(cold, within_s=1):
        pytest.fail("never here")
    assert relay.switched.count(True) == 0
    health_page.sees("plug_rests")
    with home.db.writing() as session:
        for row in session.scalars(select(Switching)):
            row.at -= timedelta(days=1, minutes=1)
    with home.use(cold):
        pass
    assert relay.switched.count(True) == 1
    health_page.no_longer("plug_rests")


@pytest.mark.finding("plug_garbled", "plug_not_allowed", "plug_unheard", "plug_on_idle")
def test_what_a_plug_says_or_does_not_say_is_on_the_health_page(home: Home, health_page: HealthPage) -> None:
    cold = home.cold()
    relay = home.relay("cold")
    plug = home.one_of("shelly", relay, cold)
    (emulator,) = home.emulators
    emulator.trouble = "garbage"
    _ask(home, plug)
    health_page.sees("plug_garbled")
    emulator.trouble = ""
    _change(home, plug, host="8.8.8.8")
    _ask(home, plug)
    assert "plug_garbled" not in health_page.look() and "plug_not_allowed" in health_page.seen
    _change(home, plug, host=emulator.address)
    _ask(home, plug)
    health_page.no_longer("plug_garbled", "plug_not_allowed")
    _change(home, plug, answered=now() - timedelta(days=3))
    health_page.sees("plug_unheard")
    relay.turn(True)  # by the button on it
    _ask(home, plug)
    health_page.press(health_page.sees("plug_on_idle"))
    with home.db.reading() as session:
        waiting_jobs = list(session.scalars(select(Job).where(Job.state == JobState.WAITING).order_by(Job.id)))
    for job in waiting_jobs:
        home.station.run(job)
    health_page.no_longer("plug_unheard", "plug_on_idle")
    assert not relay.on


def _ask(home: Home, plug: SmartPlug) -> None:
    """As the chores ask it some times a day."""
    with suppress(ApplianceError):
        driver.look(Means(home.db, home.station.root, home.station.places), home.plug(plug.id))


def _change(home: Home, plug: SmartPlug, **values: Any) -> None:
    """As if it were so."""
    with home.db.writing() as session:
        session.execute(update(SmartPlug).where(SmartPlug.id == plug.id).values(**values))


def test_a_silent_mqtt_plug_obeys_and_is_proven_by_the_drive(home: Home, program: Callable[[str], str]) -> None:
    program("mosquitto")
    cold = home.cold()
    relay = home.relay("cold")
    plug = home.one_of("mqtt", relay, cold)
    with home.db.writing() as session:
        row = session.get_one(SmartPlug, plug.id)
        row.place = row.place | {"state_topic": "", "ask_topic": ""}
    assert home.test(plug).result == {"drives": 1, "off": True, "proven": None}
    with home.db.writing() as session:
        service.change(session, home.station.places, plug.id, {"name": "Zigbee", "user": "everpx", "password": "no"})
    with pytest.raises(asking.PlugLocked):
        driver.switch(power.Means(home.db, home.station.root, home.station.places), home.plug(plug.id), None, True)


def test_a_driver_that_breaks_ends_no_job(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = home.cold()
    relay = home.relay("cold")
    home.one_of("shelly", relay, cold)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(driver.SmartPlugDriver, "on", broken)
    with pytest.raises(waiting.NotSwitchedOn), home.use(cold, within_s=1):
        pytest.fail("never here")
    assert home.state(cold) == "off"
