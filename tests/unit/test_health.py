"""Health: what is found becomes an issue with a way out, and unknown is never shown as healthy."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from appliance import events, plugin, settings
from appliance.db import Database
from appliance.errors import BrokerUnavailable, NotFound, RefusedByRoot
from appliance.health import database, look, service, station
from appliance.health.models import Issue, Severity
from appliance.health.service import Check, Finding, HealthContext
from appliance.places import Places
from appliance.words import Message


def root(verb: str, request: object) -> dict[str, object]:
    if verb == "services.state":
        return {"services": []}
    raise RefusedByRoot(why="unknown verb")


def finding(code: str = "drive_missing", severity: Severity = Severity.WARNING, **more: object) -> Finding:
    return Finding(code, severity, Message("{drive} is missing.", {"drive": "Blue"}), Message("Plug it in."), **more)  # type: ignore[arg-type]


Run = Callable[..., list[Issue]]


@pytest.fixture
def run(db: Database, places: Places, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run(check, …)`` looks at exactly these and returns the issues, quiet ones too."""

    def run_these(*checks: Check) -> list[Issue]:
        monkeypatch.setattr(service, "gather", lambda: [(check, None) for check in checks])
        service.run_all(db, root, places)
        with db.reading() as session:
            return list(service.issues(session, with_quiet=True))

    return run_these


def kinds_of_events(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(events.Event.kind).order_by(events.Event.id)))


def test_what_is_found_becomes_an_issue_and_goes_when_it_is_over(db: Database, run: Run) -> None:
    found: list[Finding] = [finding(), finding(subject="drive:2")]
    check = Check("drives", lambda context: found)
    assert [issue.subject for issue in run(check)] == ["", "drive:2"]
    first = run(check)[0]
    assert str(first.message) == "Blue is missing."
    found.pop()
    assert [issue.id for issue in run(check)] == [first.id]
    found.clear()
    assert run(check) == []
    assert kinds_of_events(db) == ["health.found", "health.found", "health.solved", "health.solved"]


def test_a_look_that_finds_nothing_new_writes_nothing(db: Database, run: Run) -> None:
    check = Check("drives", lambda context: [finding(fix="x", fix_arguments={"a": 1})])
    run(check)
    with db.engine.connect() as watching:
        before = watching.exec_driver_sql("pragma data_version").scalar()
        run(check)
        assert watching.exec_driver_sql("pragma data_version").scalar() == before


def test_a_check_that_cannot_look_says_so_and_what_it_found_before_stays(run: Run, places: Places) -> None:
    broken = False

    def check(context: HealthContext) -> Iterable[Finding]:
        if broken:
            raise OSError("nothing to see")
        yield finding()

    run(Check("drives", check, "Drives"))
    broken = True
    issues = run(Check("drives", check, "Drives"))
    assert {issue.code for issue in issues} == {"drive_missing", "check_failed"}
    assert "Drives" in str(next(i.message for i in issues if i.code == "check_failed"))
    seen = look.last(places)
    assert seen is not None and seen.unable == {"drives"}
    broken = False
    assert {issue.code for issue in run(Check("drives", check))} == {"drive_missing"}


@pytest.mark.parametrize(
    "nonsense",
    [None, 7, ["text"], [finding(fix_arguments={"a": object()})], [finding(severity="terrible")]],  # type: ignore[arg-type]
)
def test_a_check_that_answers_nonsense_could_not_look(run: Run, nonsense: object) -> None:
    good = Check("good", lambda context: [finding()])
    issues = run(Check("bad", lambda context: nonsense), good)  # type: ignore[arg-type, return-value]
    assert {(issue.code, issue.check) for issue in issues} == {("check_failed", "bad"), ("drive_missing", "good")}


def test_two_checks_that_find_the_same_make_one_issue(run: Run) -> None:
    assert len(run(Check("a", lambda c: [finding()]), Check("b", lambda c: [finding()]))) == 1


def test_an_issue_told_by_a_room_stays_until_it_is_settled(db: Database, run: Run) -> None:
    with db.writing() as session:
        service.tell(session, finding("switch_on", Severity.NOTICE))
        service.tell(session, finding("switch_on", Severity.NOTICE))
    assert [issue.code for issue in run()] == ["switch_on"]
    with db.writing() as session:
        service.settle(session, "switch_on")
        service.settle(session, "switch_on")
    assert run() == []


def test_issues_of_a_check_that_is_gone_go_with_it(run: Run) -> None:
    run(Check("plugin.check", lambda c: [finding()]))
    assert run() == []


def test_the_most_dangerous_comes_first_and_a_quiet_one_is_left_out(db: Database, run: Run) -> None:
    levels = [Severity.NOTICE, Severity.DANGER, Severity.WARNING]
    issues = run(Check("a", lambda c: [finding(s.value, s) for s in levels]))
    assert [issue.severity for issue in issues] == [Severity.DANGER, Severity.WARNING, Severity.NOTICE]
    with db.writing() as session:
        service.quiet(session, issues[1].id, 7)
    with db.reading() as session:
        assert [issue.code for issue in service.issues(session)] == ["danger", "notice"]
    with db.writing() as session:
        service.quiet(session, issues[1].id, 0)
    with db.reading() as session:
        assert len(service.issues(session)) == 3
    with pytest.raises(NotFound), db.writing() as session:
        service.quiet(session, 999, 1)


def test_a_quiet_issue_that_becomes_dangerous_is_heard_again(db: Database, run: Run) -> None:
    level = Severity.WARNING
    check = Check("a", lambda c: [finding("x", level)])
    issue_id = run(check)[0].id
    with db.writing() as session:
        service.quiet(session, issue_id, 300)
    level = Severity.DANGER
    run(check)
    with db.reading() as session:
        assert len(service.issues(session)) == 1


def test_a_fix_is_a_button_that_does_something(db: Database, run: Run, places: Places) -> None:
    pressed = []

    @service.fix("test.fix", "Repair it")
    def repair(session: object, broker: object, places: object, *, drive: int) -> Message:
        pressed.append(drive)
        return Message("Done.")

    (issue,) = run(Check("a", lambda c: [finding(fix="test.fix", fix_arguments={"drive": 3})]))
    assert str(service.label_of(issue)) == "Repair it"
    with db.writing() as session:
        assert str(service.apply_fix(session, root, places, issue.id)) == "Done."
    assert pressed == [3]
    assert "health.fix" in kinds_of_events(db)
    del service.FIXES["test.fix"]
    with pytest.raises(NotFound), db.writing() as session:
        service.apply_fix(session, root, places, issue.id)


def test_a_plugins_checks_carry_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "call_named", lambda hook: [("smb", [Check("stopped", lambda c: ())]), ("x", None)])
    monkeypatch.setattr(service, "CORE_CHECKS", ("appliance.no_such_room",))
    assert [(c.name, e is None) for c, e in service.gather()] == [
        ("appliance.no_such_room", False),
        ("smb.stopped", True),
    ]


@pytest.fixture
def context(db: Database, places: Places) -> Iterable[HealthContext]:
    with db.reading() as session:
        yield HealthContext(session, root, places, None)


def codes(check: Callable[[HealthContext], Iterable[Finding]], context: HealthContext) -> list[str]:
    found = list(check(context))
    for one in found:
        assert str(one.message) and str(one.hint)
    return [one.code for one in found]


def test_a_new_station_is_healthy(context: HealthContext) -> None:
    for check in station.CHECKS:
        assert codes(check.run, context) == [], check.name


def test_a_full_own_disk_is_told(context: HealthContext, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, severity in ((100_000_000, Severity.WARNING), (10_000_000, Severity.DANGER)):
        monkeypatch.setattr(station.shutil, "disk_usage", lambda path, free=free: type("U", (), {"free": free}))
        (found,) = station.own_disk_full(context)
        assert found.severity is severity


def test_a_wrong_clock_is_told(context: HealthContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station.clock, "BUILT", "2999-01-01")
    assert codes(station.clock_wrong, context) == ["clock_wrong"]


def test_an_unreadable_setting_is_told_and_stays(db: Database, context: HealthContext) -> None:
    with db.writing() as session:
        session.add(settings.SettingRow(key="station.time_zone", value=7))
        session.add(settings.SettingRow(key="of.a.plugin.that.is.gone", value=7))
    (found,) = station.unreadable_settings(context)
    assert (found.code, found.subject) == ("setting_unreadable", "station.time_zone")
    assert "Time zone" in str(found.message)


def test_a_silent_root_is_told(context: HealthContext, places: Places) -> None:
    def silent(verb: str, request: object) -> dict[str, object]:
        raise BrokerUnavailable()

    deaf = HealthContext(context.session, silent, places, None)
    assert codes(station.root_silent, deaf) == ["root_silent"]


def test_work_that_nobody_starts_is_told(db: Database, context: HealthContext) -> None:
    from appliance.jobs import service as jobs
    from appliance.jobs.models import Job

    with db.writing() as session:
        jobs.start(session, "x", title=Message("x"), lock="x")
    assert codes(station.jobs_not_started, context) == []
    context.session.rollback()
    with db.writing() as session:
        session.scalars(select(Job)).one().created = datetime.now(UTC) - timedelta(hours=1)
    assert codes(station.jobs_not_started, context) == ["jobs_not_started"]


def test_the_database_is_read_once_a_week(db: Database, places: Places, context: HealthContext) -> None:
    database.check_weekly(places)
    last = database.last_check(places)
    assert last is not None and last["problem"] == ""
    assert (places.data / "everpx.db.good").stat().st_size > 0
    (places.data / "everpx.db.good").unlink()
    database.check_weekly(places)
    assert not (places.data / "everpx.db.good").exists()
    for text in ('{"at": "2000-01-01T00:00:00+00:00", "problem": ""}', '{"at": "2999-01-01T00:00:00+00:00"}', "{", ""):
        database.stamp(places).write_text(text)
        database.check_weekly(places)
        assert (places.data / "everpx.db.good").exists()
        (places.data / "everpx.db.good").unlink()
    assert codes(station.database_damaged, context) == []


def test_a_weekly_copy_needs_room(db: Database, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.shutil, "disk_usage", lambda path: type("U", (), {"free": 1000}))
    assert database.check(places) == ""
    assert not list(places.data.glob("everpx.db.good*"))
