"""Schedules: plain words, cron, and the clock rules."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import clock as believed
from appliance.db import Database
from appliance.errors import Invalid
from appliance.jobs import plan, schedule
from appliance.jobs.models import Job, JobState, Schedule
from appliance.jobs.plan import HOURS, Plan, Rhythm
from appliance.settings import UnreadableSetting
from appliance.words import Message

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "Pacific/Apia", "UTC"]
NIGHTLY = Plan(Rhythm.DAILY, 3)

plans = st.one_of(
    st.builds(Plan, st.just(Rhythm.DAILY), st.integers(0, 23), st.integers(0, 59)),
    st.builds(
        Plan,
        st.just(Rhythm.WEEKLY),
        st.integers(0, 23),
        st.integers(0, 59),
        days=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    ),
    st.builds(Plan, st.just(Rhythm.MONTHLY), st.integers(0, 23), st.integers(0, 59), day=st.integers(1, 28)),
    st.builds(Plan, st.just(Rhythm.HOURLY), st.just(3), st.integers(0, 59), every=st.sampled_from(HOURS)),
)
moments = st.integers(0, 6 * 365 * 24 * 60).map(lambda n: datetime(2027, 1, 1, tzinfo=UTC) + timedelta(minutes=n))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def make(db: Database, chosen: Plan, moment: datetime) -> None:
    with db.writing() as session:
        schedule.TIME_ZONE.set(session, "Europe/Berlin")
        schedule.upsert(session, "backup.run", "cold:1", chosen, title=Message("Copy"), moment=moment)


def tick(db: Database, moment: datetime) -> int:
    """What the chores do at this moment; the job is over at once.  Returns how many were started."""
    with db.writing() as session:
        jobs = list(schedule.start_due(session, moment))
        for job in jobs:
            job.state, job.started, job.finished = JobState.DONE, moment, moment
    return len(jobs)


@given(plans)
def test_a_plan_survives_its_cron_text_and_can_be_said(chosen: Plan) -> None:
    assert Plan.from_cron(chosen.cron()) == chosen
    assert str(chosen.words())


def test_plans_are_said_in_plain_words() -> None:
    assert str(NIGHTLY.words()) == "Every day at 03:00"
    assert str(Plan(Rhythm.WEEKLY, 3, days=(6,)).words()) == "Every Sunday at 03:00"
    assert str(Plan(Rhythm.WEEKLY, 3, days=(0, 2, 6)).words()) == "Every Monday, Wednesday and Sunday at 03:00"
    assert str(Plan(Rhythm.MONTHLY, 4, day=1).words()) == "Every month on day 1 at 04:00"
    assert str(Plan(Rhythm.HOURLY, every=6).words()) == "Every 6 hours"
    assert str(Plan(Rhythm.BY_HAND).words()) == "Only when somebody starts it"


def test_a_form_becomes_a_plan() -> None:
    assert plan.parse({"rhythm": "weekly", "time": "4:30"}, ["sunday", "wednesday"]) == Plan(
        Rhythm.WEEKLY, 4, 30, days=(2, 6)
    )
    assert plan.parse({"rhythm": "weekly", "time": "04:30", "days": "Sunday, Wednesday"}).days == (2, 6)
    assert plan.parse({"rhythm": "by_hand", "time": "nonsense"}) == Plan(Rhythm.BY_HAND)


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ({}, {"rhythm"}),
        ({"rhythm": "whenever"}, {"rhythm"}),
        ({"rhythm": "daily", "time": "24:00"}, {"time"}),
        ({"rhythm": "daily", "time": "٠٣:٠٠"}, {"time"}),
        ({"rhythm": "weekly", "time": "", "days": ""}, {"time", "days"}),
        ({"rhythm": "weekly", "time": "03:00", "days": "sunday,someday"}, {"days"}),
        ({"rhythm": "monthly", "time": "03:00", "day": "31"}, {"day"}),
        ({"rhythm": "hourly", "every": "1"}, {"every"}),
        ({"rhythm": "hourly", "every": "9" * 5000}, {"every"}),
    ],
)
def test_a_bad_form_names_each_wrong_field(form: dict[str, str], fields: set[str]) -> None:
    with pytest.raises(Invalid) as caught:
        plan.parse(form)
    assert set(caught.value.problems) == fields


@given(plans, moments, st.sampled_from(ZONES))
@settings(max_examples=80, deadline=None)
def test_the_next_time_is_later_and_as_the_plan_says(chosen: Plan, moment: datetime, name: str) -> None:
    coming = schedule.next_after(chosen.cron(), moment, ZoneInfo(name))
    assert moment < coming <= moment + timedelta(days=33)
    local = coming.astimezone(ZoneInfo(name))
    if chosen.rhythm is not Rhythm.HOURLY and local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
        lateness = local.replace(tzinfo=None) - local.replace(tzinfo=None, hour=chosen.hour, minute=chosen.minute)
        # in the gap of summer time a run moves to the gap's end, which may be up to a day away (Apia skipped one)
        assert lateness == timedelta() or timedelta() < lateness <= timedelta(hours=1)


def test_a_time_that_summer_time_skips_is_run_right_after_it() -> None:
    coming = schedule.next_after("30 2 * * *", at("2027-03-28T00:30:00"), BERLIN)
    assert coming == at("2027-03-28T01:00:00")  # 03:00 summer time, the end of the gap
    assert schedule.next_after("30 2 * * *", coming, BERLIN) == at("2027-03-29T00:30:00")


def test_a_time_that_comes_twice_is_run_once(db: Database) -> None:
    make(db, Plan(Rhythm.DAILY, 2, 30), at("2027-10-30T12:00:00"))
    started = [m for m in range(0, 6 * 60, 10) if tick(db, at("2027-10-30T23:00:00") + timedelta(minutes=m))]
    assert started == [90]  # 00:30 UTC, the first half past two


@given(plans, moments, st.lists(st.tuples(st.integers(-400 * 24, 400 * 24), st.integers(1, 36)), max_size=3))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_the_clock_jumps_runs_keep_two_hours_apart(
    db: Database, chosen: Plan, moment: datetime, jumps: list[tuple[int, int]]
) -> None:
    with db.writing() as session:
        for row in [*session.query(Schedule), *session.query(Job)]:
            session.delete(row)
    make(db, chosen, moment)
    ran: list[datetime] = []
    clock = moment
    for jump, hours in [(0, 26), *jumps]:
        clock += timedelta(hours=jump)
        for _ in range(hours):
            clock += timedelta(minutes=55)
            if tick(db, clock):
                assert all(not timedelta() <= clock - before < schedule.GAP for before in ran)
                ran.append(clock)
    if believed.read(moment=clock).is_wrong:
        return
    with db.reading() as session:
        (row,) = session.query(Schedule)
        assert row.next_due is not None
        assert row.next_due <= schedule.next_after(row.cron, clock, BERLIN) + schedule.GAP


def test_a_missed_run_is_caught_up_once(db: Database) -> None:
    make(db, NIGHTLY, at("2027-05-01T12:00:00"))
    assert tick(db, at("2027-05-20T10:00:00")) == 1
    assert tick(db, at("2027-05-20T10:01:00")) == 0
    assert tick(db, at("2027-05-20T18:00:00")) == 0
    assert tick(db, at("2027-05-21T01:00:00")) == 1


def test_a_run_right_before_the_next_one_puts_it_off(db: Database) -> None:
    make(db, NIGHTLY, at("2027-05-01T12:00:00"))  # 01:00 UTC
    assert tick(db, at("2027-05-03T00:30:00")) == 1  # caught up
    assert tick(db, at("2027-05-03T01:00:00")) == 0
    assert tick(db, at("2027-05-03T02:29:00")) == 0
    assert tick(db, at("2027-05-03T02:31:00")) == 1
    assert tick(db, at("2027-05-03T05:00:00")) == 0


def test_a_run_by_hand_counts(db: Database) -> None:
    make(db, NIGHTLY, at("2027-05-01T12:00:00"))
    with db.writing() as session:
        session.add(
            Job(
                kind="backup.run",
                lock="cold:1",
                title=Message("Copy"),
                state=JobState.DONE,
                started=at("2027-05-02T00:00:00"),
                finished=at("2027-05-02T00:10:00"),
            )
        )
    assert tick(db, at("2027-05-02T01:00:00")) == 0
    assert tick(db, at("2027-05-02T02:01:00")) == 1


def test_a_run_dated_in_the_future_never_happened(db: Database) -> None:
    make(db, NIGHTLY, at("2027-05-01T12:00:00"))
    assert tick(db, at("2040-01-01T10:00:00")) == 1  # the clock was wrong for a moment
    assert tick(db, at("2027-05-01T13:00:00")) == 0
    assert tick(db, at("2027-05-02T01:00:00")) == 1


def test_a_clock_before_this_version_starts_nothing(db: Database) -> None:
    make(db, NIGHTLY, at("2027-05-01T12:00:00"))
    assert tick(db, at("2000-01-02T05:00:00")) == 0
    with db.reading() as session:
        assert session.query(Schedule).one().next_due == at("2027-05-02T01:00:00")


def test_a_job_still_under_way_counts_as_the_run(db: Database) -> None:
    make(db, NIGHTLY, at("2027-05-01T12:00:00"))
    with db.writing() as session:
        session.add(Job(kind="backup.run", lock="cold:1", title=Message("Copy"), state=JobState.PAUSED))
    assert tick(db, at("2027-05-02T01:00:00")) == 0
    assert tick(db, at("2027-05-02T01:01:00")) == 0


def test_by_hand_is_never_due(db: Database) -> None:
    make(db, Plan(Rhythm.BY_HAND), at("2027-05-01T12:00:00"))
    assert tick(db, at("2029-05-02T01:00:00")) == 0
    with db.writing() as session:
        (row,) = schedule.listing(session)
        assert schedule.plan_of(row).rhythm is Rhythm.BY_HAND
        assert schedule.change(session, row.id, NIGHTLY).next_due is not None
        schedule.remove(session, "cold:1")
    with db.reading() as session:
        assert not schedule.listing(session)


def test_another_time_zone_moves_the_next_run(db: Database) -> None:
    make(db, NIGHTLY, at("2027-05-01T12:00:00"))
    with db.writing() as session:
        schedule.TIME_ZONE.set(session, "Asia/Shanghai")
    assert tick(db, at("2027-05-01T13:00:00")) == 0
    with db.reading() as session:
        assert session.query(Schedule).one().next_due == at("2027-05-01T19:00:00")


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe", "x" * 5000, "\0"])
def test_a_bad_time_zone_is_refused(db: Database, name: str) -> None:
    with db.writing() as session, pytest.raises(Invalid):
        schedule.TIME_ZONE.set(session, name)


def test_an_unreadable_time_zone_stops_schedules_but_no_page(db: Database) -> None:
    make(db, NIGHTLY, at("2027-05-01T12:00:00"))
    with db.writing() as session:
        from appliance.settings import SettingRow

        session.merge(SettingRow(key="station.time_zone", value="Mars/Olympus"))
    with db.reading() as session:
        assert schedule.time_zone_name(session) == schedule.machine_zone()
    with pytest.raises(UnreadableSetting):
        tick(db, at("2027-05-02T01:00:00"))
