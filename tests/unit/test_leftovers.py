"""What a plugin that is no longer installed left: kept until an admin says so, and then gone, with nothing else."""

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from appliance import leftovers, manifest, plugin
from appliance.db import Database
from appliance.drives import switches
from appliance.drives.health import may_be_switched_off, switch_lost
from appliance.drives.models import Drive, DriveRole
from appliance.errors import Conflict, NotFound
from appliance.events import Event
from appliance.health import service as health
from appliance.health.elsewhere import gone, without_root
from appliance.health.models import Issue, Severity
from appliance.jobs import kinds, schedule, service
from appliance.jobs.models import Job, JobLog, JobState, Schedule
from appliance.jobs.plan import Plan, Rhythm
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from appliance.plugin import PluginRow
from appliance.settings import SettingRow
from appliance.words import Message
from tests.browsers import Browser
from tests.callers import PASSWORD

TABLES = (PluginRow, SettingRow, Schedule, Job, JobLog, Issue, Drive)


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "_loaded", None)


def leave(db: Database, places: Places, name: str) -> int:
    """All that a plugin may leave; returns its job."""
    with db.writing() as session:
        session.add(PluginRow(name=name, enabled=True, options={"relay": "1"}))
        session.add(SettingRow(key=f"{name}.colour", value="red"))
        schedule.upsert(session, f"{name}.blink", f"{name}.blink", Plan(Rhythm.DAILY), title=Message("Blink"))
        job = service.start(session, f"{name}.blink", title=Message("Blink"), lock=f"{name}.blink")
        session.flush()
        session.add(JobLog(job_id=job.id, message=Message("Blinking")))
        text = (Severity.WARNING, Message("Silent."), Message("Wait."))
        for code, subject in ((f"{name}.silent", ""), ("check_failed", f"{name}.relay"), ("plugin_failed", name)):
            health.tell(session, health.Finding(code, *text, subject))
        session.add(cold(name))
        session.flush()
        number = job.id
    (plugin.own_folder(places, name) / "relay.json").write_text("{}")
    return number


def cold(switched_by: str) -> Drive:
    """A COLD drive."""
    return Drive(
        role=DriveRole.COLD,
        number=len(switched_by),
        name=f"Green {switched_by}",
        power_driver=switched_by,
        marker_id=f"marker-{switched_by}",
        filesystem="ext4",
        filesystem_uuid=f"uuid-{switched_by}",
        model="Disk",
        serial=switched_by,
        size=1,
        colour="green",
    )


def count(db: Database) -> dict[str, int]:
    with db.reading() as session:
        return {t.__tablename__: session.scalar(select(func.count()).select_from(t)) or 0 for t in TABLES}


def test_what_one_left_goes_when_an_admin_says_so_and_nothing_else(db: Database, places: Places) -> None:
    leave(db, places, "lamp_two")
    before = count(db)
    leave(db, places, "lamp")
    with db.reading() as session:
        assert leftovers.absent(session, places) == ["lamp", "lamp_two"]
        left = leftovers.left_by(session, places, "lamp")
    assert left == leftovers.Left("lamp", settings=2, plans=1, jobs=1, issues=3, files=1, drives=("Green lamp",))
    assert len(list(left.lines())) == 6
    with db.writing() as session:
        leftovers.forget(session, places, "lamp")
    places.compiled_pages.mkdir()
    (places.compiled_pages / "page").write_bytes(b"everpx_lamp")
    leftovers.sweep(places, "lamp")
    assert not places.compiled_pages.exists()
    assert count(db) == before | {"drive": 2}
    with db.reading() as session:
        drivers = {one.name: one.power_driver for one in session.scalars(select(Drive))}
        assert drivers == {"Green lamp": "people", "Green lamp_two": "lamp_two"}
        assert session.scalars(select(Event.kind).where(Event.kind == "plugin.forgotten")).all() == ["plugin.forgotten"]
        assert leftovers.absent(session, places) == ["lamp_two"]
        with pytest.raises(NotFound):
            leftovers.left_by(session, places, "lamp")
    assert [path.name for path in (places.data / "plugins").iterdir()] == ["lamp_two"]


def test_files_that_a_power_cut_left_are_found_again(db: Database, places: Places) -> None:
    leave(db, places, "lamp")
    with db.writing() as session:
        leftovers.forget(session, places, "lamp")
    with db.reading() as session:  # the plug was pulled before its files were removed
        assert leftovers.absent(session, places) == ["lamp"]
        assert [str(line) for line in leftovers.left_by(session, places, "lamp").lines()] == [
            "Files in its own folder: 1"
        ]


def test_nothing_goes_while_it_is_installed_broken_or_at_work(
    db: Database, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = leave(db, places, "lamp")
    with db.writing() as session:
        plugin.switch(session, "station_report", on=False)
    with db.writing() as session:
        with pytest.raises(Conflict, match="“station_report” is installed"):
            leftovers.forget(session, places, "station_report")
        monkeypatch.setitem(manifest.BROKEN, "lamp", "TOMLDecodeError")
        assert leftovers.absent(session, places) == []
        with pytest.raises(Conflict, match="“lamp” is installed"):
            leftovers.forget(session, places, "lamp")
        monkeypatch.delitem(manifest.BROKEN, "lamp")
        session.get_one(Job, number).state = JobState.RUNNING
        with pytest.raises(Conflict, match="under way"):
            leftovers.forget(session, places, "lamp")
    assert count(db)["job"] == 1


def test_what_is_missing_is_told_and_its_drive_is_switched_by_people(db: Database, places: Places) -> None:
    leave(db, places, "lamp")
    plugin.load(db)
    with db.reading() as session:
        context = health.HealthContext(session, lambda verb, request: {"loaded": [], "left_out": {}}, places, None)
        assert [(one.code, one.subject) for one in gone(context)] == [("plugin_gone", "lamp")]
        (lost,) = switch_lost(context)
        assert (lost.code, lost.fix) == ("switch_lost", "drives.by_people")
        assert str(lost.message) == "What switched Green lamp on and off is no longer there (“lamp”)."
        assert list(may_be_switched_off(context)) == []
        drive = session.scalars(select(Drive)).one()
        assert switches.driver_of(drive).name == "people"
    with db.writing() as session:
        health.FIXES["drives.by_people"].run(session, context.broker, places, drive_id=drive.id)
    with db.reading() as session:
        assert session.scalars(select(Drive.power_driver)).all() == ["people"]


def test_its_plan_rests_and_its_work_says_why_it_cannot_be_done(db: Database, places: Places) -> None:
    leave(db, places, "lamp")
    plugin.load(db)
    with db.writing() as session:
        plan = session.scalars(select(Schedule)).one()
        assert plan.next_due is not None
        late = plan.next_due.replace(year=plan.next_due.year + 1)
        due = plan.next_due
        assert list(schedule.start_due(session, late)) == []
        assert plan.next_due == due  # what was missed is caught up when it is back
    with pytest.raises(kinds.PluginMissing, match="“lamp”, which is switched off or no longer installed"):
        kinds.find("lamp.blink")


def test_what_root_left_out_is_told_of_plugins_that_are_on(
    db: Database, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {"title": "Lamp", "description": "A lamp.", "version": 1, "verbs": ("x.y",)}
    both = {n: manifest.Manifest(n, f"everpx_{n}", **facts) for n in ("lamp", "late", "fine")}  # type: ignore[arg-type]
    monkeypatch.setattr(plugin, "found", lambda: both)
    why = Message("{path} belongs to {owner}, not to root.", {"path": "/opt/x", "owner": "eve"})

    def broker(verb: str, request: object) -> dict[str, object]:
        return {"loaded": ["fine"], "left_out": {"lamp": why.as_json()}}

    told = plugin.missing_from_root(broker)
    assert told == {"lamp": why, "late": Message("It was installed while the station ran. Restart the station.")}
    with db.writing() as session:
        assert list(without_root(health.HealthContext(session, broker, places, None))) == []  # both are off
        plugin.switch(session, "lamp", on=True)
        session.flush()
        (one,) = without_root(health.HealthContext(session, broker, places, None))
    assert str(one.message).endswith("cannot do what needs root: /opt/x belongs to eve, not to root.")


def test_the_page_shows_what_one_left_and_removes_it(app: Flask, db: Database, places: Places) -> None:
    with db.writing() as session:
        people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
    leave(db, places, "lamp")
    anna = Browser(app, "Anna")
    page = anna.get("/system/plugins").text
    assert 'id="left-lamp"' in page and "Green lamp is switched by it" in page
    page = anna.follow(anna.post("/system/plugins/lamp/forget"))
    assert 'id="left-lamp"' not in page and not (places.data / "plugins" / "lamp").exists()
    refused = anna.post("/system/plugins/station_report/forget")
    assert refused.status_code == 409 and "is installed" in refused.text


def test_a_stranger_names_what_it_declares_after_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lamp = manifest.Manifest("lamp", "everpx_lamp", "Lamp", "A lamp.", 1)
    monkeypatch.setattr(plugin, "found", lambda: {"lamp": lamp})

    def body(progress: object) -> None: ...

    body.__module__ = "everpx_lamp.jobs"
    with pytest.raises(ValueError, match="jobs of this plugin are called lamp"):
        kinds.job_kind("drives.more", "More")(body)
    assert plugin.may_call("lamp", "lamp") and plugin.may_call("lamp", "lamp.two")
    assert not plugin.may_call("lamp", "people") and not plugin.may_call("lamp", "lamp_two")
