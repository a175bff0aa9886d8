"""Smart plugs that speak the real protocols switch real (loop) drives: found, tried, a planned copy from off to off."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from appliance.backup import service as backup
from appliance.backup.models import RunState
from appliance.drives.models import DriveRole
from appliance.jobs import schedule
from appliance.jobs import service as jobs
from appliance.jobs.models import JobState, Schedule
from appliance.jobs.plan import Plan, Rhythm
from plugins.smart_plugs import driver, energy, service
from plugins.smart_plugs.models import Reading
from tests.component.plugs.home import PASSWORD, USER, Home
from tests.component.plugs.klap_plug import KlapKasa, KlapPlug
from tests.component.plugs.web_plugs import ShellyPlug, TasmotaPlug
from tests.component.plugs.xor_plug import XorPlug
from tests.component.test_backup_station import Pair

pytestmark = pytest.mark.component


def test_everything_in_the_network_is_found_with_and_without_a_password(home: Home) -> None:
    shelly = home.emulate(ShellyPlug, home.relay(), home.address())
    locked = home.emulate(ShellyPlug, home.relay(), home.address(), 80, "hidden")
    tasmota = home.emulate(TasmotaPlug, home.relay(), home.address())
    xor = home.emulate(XorPlug, home.relay(), home.address(), "Keller 🔌")
    tapo = home.emulate(KlapPlug, home.relay(), home.address(), USER, PASSWORD)
    kasa = home.emulate(KlapKasa, home.relay(), home.address(), USER, PASSWORD)
    keys = {
        f"{shelly.mac}:0": False,
        f"{locked.mac}:0": True,
        f"{tasmota.mac}:1": False,
        xor.mac.replace(":", ""): False,
        tapo.mac: True,
        kasa.mac: True,
    }
    assert {one.seen["key"]: one.seen["locked"] for one in home.search()} == keys
    found = {one.seen["key"]: one.seen for one in home.search(user=USER, password=PASSWORD)}
    assert {key: seen["locked"] for key, seen in found.items()} == keys | {tapo.mac: False, kasa.mac: False}
    assert found[xor.mac.replace(":", "")]["name"] == "Keller 🔌" and found[tapo.mac]["meter"]
    with home.db.reading() as session:
        stored = session.connection().exec_driver_sql("select result, arguments from job").fetchall()
        kept = session.connection().exec_driver_sql("select secret from smart_plugs_account").scalar_one()
    assert PASSWORD not in str(stored) and PASSWORD.encode() not in kept


@pytest.mark.parametrize("kind", ["xor", "tapo", "klap kasa", "shelly", "tasmota", "mqtt", "webhook"])
def test_every_kind_brings_a_drive_and_takes_it_away_with_proof(
    home: Home, kind: str, program: Callable[[str], str]
) -> None:
    if kind == "mqtt":
        program("mosquitto")
    cold = home.cold()
    relay = home.relay("cold")
    plug = home.one_of(kind, relay)
    with home.db.writing() as session:
        service.assign(session, plug.id, {cold.id})
    assert home.station.drive(cold.id).power_driver == "smart_plug"
    job = home.test(plug)
    assert job.state is JobState.DONE, job.error
    metered = kind != "webhook"
    assert job.result == {"drives": 1, "off": True, "proven": True if metered else None}
    assert relay.switched == [True, False] and not relay.on
    assert home.moves(cold) == ["spinning_up", "mounted", "flushing", "unmounted", "off"]
    on, off = home.switchings()
    assert (on.on, on.done, on.was_on, off.on, off.done, off.was_on) == (True, True, False, False, True, True)
    assert on.arrived_s is not None and home.usual(cold) == on.arrived_s
    assert (off.proven, off.watts) == ((True, 0.0) if metered else (None, None))
    assert home.station.issues() == set() and home.plug(plug.id).problem_code == ""


def test_a_planned_copy_from_off_to_off(home: Home) -> None:
    """The whole story: due, plug on, here, mounted, copied, proven, unmounted, off, and its meter agrees."""
    pair = Pair(home.station)
    pair.fill(20, 50_000)
    relay = home.relay("cold", start_s=2.0)
    plug = home.one_of("xor", relay)
    with home.db.writing() as session:
        service.assign(session, plug.id, {pair.cold.id})
        backup.schedule(session, pair.cold.id, Plan(Rhythm.DAILY, 3, 0))
        row = session.scalars(select(Schedule)).one()
        row.next_due = datetime.now(UTC) - timedelta(minutes=5)
    with home.db.writing() as session:
        (job,) = schedule.start_due(session, datetime.now(UTC))
    ended = home.station.run(job)
    assert ended.state is JobState.DONE, ended.error
    assert (ended.result["copied"], pair.last().state) == (20, RunState.PROVEN)
    assert home.moves(pair.cold) == ["spinning_up", "mounted", "flushing", "unmounted", "off"]
    on, off = home.switchings()
    assert on.arrived_s is not None and 1.5 < on.arrived_s < 20
    assert (off.proven, relay.on, home.issues()) == (True, False, {})
    with home.db.reading() as session:
        readings = session.scalars(select(Reading).order_by(Reading.id)).all()
        assert [reading.on for reading in readings][-2:] == [True, False]
        told = energy.year(session)
    (hours,) = told.drives
    assert hours.by_plug and 0 < sum(hours.hours.values()) < 0.1
    assert pair.copy().result == {"nothing_to_do": True, "files": 20} and relay.switched == [True, False]
    home.station.loops.plug("cold")
    assert len(pair.on_cold()) == 20


def test_the_meter_is_read_while_a_drive_is_in_use(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "SAMPLE_FIRST_S", 0.2)
    monkeypatch.setattr(driver, "SAMPLE_EVERY_S", 0.2)
    cold = home.cold()
    relay = home.relay("cold", draws=3000.0)
    plug = home.one_of("shelly", relay)
    with home.db.writing() as session:
        service.assign(session, plug.id, {cold.id})
    with home.use(cold):
        end = time.monotonic() + 60
        while time.monotonic() < end and home.db and len(_readings(home)) < 5:
            time.sleep(0.1)
    assert len(_readings(home)) >= 5
    with home.db.reading() as session:
        (use,) = energy.year(session).plugs
    assert sum(use.kwh.values()) == pytest.approx((relay.wh - 1000.0) / 1000, rel=0.2)


def _readings(home: Home) -> list[Reading]:
    with home.db.reading() as session:
        return list(session.scalars(select(Reading)))


def test_the_wait_is_learned_from_the_last_times(home: Home) -> None:
    cold = home.cold()
    relay = home.relay("cold")
    plug = home.one_of("shelly", relay)
    with home.db.writing() as session:
        service.assign(session, plug.id, {cold.id})
    for seconds in (0.0, 3.0, 3.0):
        relay.start_s = seconds
        with home.use(cold):
            pass
    usual = home.usual(cold)
    assert usual is not None and 2.5 < usual < 15
    with home.db.reading() as session:
        said = str(driver.SmartPlugDriver().says(session, cold))
    assert said.startswith("The plug “Plug” switches it. It is here ")


def test_a_person_may_switch_by_hand_and_is_told_of_a_plug_without_drives(home: Home) -> None:
    relay = home.relay()
    plug = home.one_of("tasmota", relay)
    job = home.test(plug)
    assert (job.state, job.result) == (JobState.DONE, {"drives": 0, "off": True, "proven": True})
    assert relay.switched == [True, False]
    for on in (True, False):
        with home.db.writing() as session:
            job = service.start_switch(session, plug.id, on=on)
        assert home.station.run(job).state is JobState.DONE and relay.on is on


def test_a_drive_that_is_always_on_is_refused_with_words(home: Home) -> None:
    hot = home.station.adopt(home.station.make("hot"), DriveRole.HOT, name="Family")
    plug = home.one_of("tasmota", home.relay())
    from appliance.drives import service as drives
    from appliance.errors import Invalid

    with home.db.writing() as session, pytest.raises(Invalid) as refused:
        service.assign(session, plug.id, {hot.id})
    assert "Family is always on" in str(refused.value.problems["drives"])
    with home.db.writing() as session, pytest.raises(Invalid) as refused:
        drives.change(session, hot.id, power_driver="smart_plug")
    assert "always on" in str(refused.value.problems["power_driver"])


def test_plugs_are_asked_some_times_a_day_and_the_readings_do_not_grow(home: Home) -> None:
    cold = home.cold()
    plug = home.one_of("shelly", home.relay("cold"))
    with home.db.writing() as session:
        service.look_now_and_then(session)
        assert list(jobs.active(session)) == [], "nothing hangs on it"
        service.assign(session, plug.id, {cold.id})
        service.look_now_and_then(session)
        (job,) = jobs.active(session)
    assert home.station.run(job).result == {"asked": 1, "silent": 0}
    with home.db.writing() as session:
        service.look_now_and_then(session)
        assert list(jobs.active(session)) == []
        assert session.scalars(select(Reading)).all() != []
        for reading in session.scalars(select(Reading)):
            reading.at -= timedelta(days=63)
        session.flush()
        energy.prune(session)
        assert session.scalars(select(Reading)).all() == []
