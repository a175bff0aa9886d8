"""Jobs as rows: one per lock, wishes, interruption, progress, and how a runner ends."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from appliance.db import Database
from appliance.errors import Conflict, NotFound, OutOfSpace
from appliance.jobs import kinds, progress, runner, service, standing, tick
from appliance.jobs.models import ACTIVE, Job, JobLog, JobState, Wish
from appliance.jobs.progress import Cancelled, Interrupted, Paused, Progress
from appliance.places import Places
from appliance.words import Message


def no_root(verb: str, request: object) -> dict[str, object]:
    raise AssertionError(verb)


def queue(db: Database, lock: str = "cold:1", kind: str = "trial.job") -> Job:
    with db.writing() as session:
        return service.start(session, kind, title=Message("Copy to {drive}", {"drive": "Blue"}), lock=lock)


def get(db: Database, job_id: int) -> Job:
    with db.reading() as session:
        return session.get_one(Job, job_id)


def work(db: Database, places: Places, body: kinds.Body, job: Job | None = None) -> Job:
    """Claim and run a job here, as its own process would."""
    job = job or queue(db)
    kinds.KINDS["trial.job"] = kinds.Kind("trial.job", "Trial", body, nice=0)
    claimed = runner.claim(db, job.id)
    assert claimed is not None
    runner.run(db, Progress(db, no_root, places, claimed), claimed)
    del kinds.KINDS["trial.job"]
    return get(db, job.id)


def test_a_second_job_for_one_lock_is_refused_and_named(db: Database) -> None:
    queue(db)
    with pytest.raises(service.AlreadyRunning, match="Copy to Blue"):
        queue(db)
    queue(db, "cold:2")


def test_a_refused_job_leaves_the_callers_transaction_usable(db: Database) -> None:
    queue(db)
    with db.writing() as session:
        with pytest.raises(service.AlreadyRunning):
            service.start(session, "x", title=Message("x"), lock="cold:1")
        service.start(session, "x", title=Message("x"), lock="cold:9")
    with db.reading() as session:
        assert len(service.active(session)) == 2


def test_the_database_itself_allows_one_active_job_per_lock(db: Database) -> None:
    queue(db)
    with pytest.raises(IntegrityError), db.writing() as session:
        session.add(Job(kind="x", lock="cold:1", title=Message("x"), state=JobState.PAUSED))


def test_a_job_is_claimed_once(db: Database) -> None:
    job = queue(db)
    assert runner.claim(db, job.id) is not None
    assert runner.claim(db, job.id) is None
    assert runner.claim(db, 12345) is None


def test_a_job_that_waits_can_be_paused_resumed_and_cancelled(db: Database) -> None:
    job = queue(db)
    with db.writing() as session:
        assert service.wish(session, job.id, Wish.PAUSE).state is JobState.PAUSED
    assert runner.claim(db, job.id) is None
    with db.writing() as session:
        assert service.wish(session, job.id, Wish.RUN).state is JobState.WAITING
        assert service.wish(session, job.id, Wish.CANCEL).state is JobState.CANCELLED
    with pytest.raises(Conflict), db.writing() as session:
        service.wish(session, job.id, Wish.RUN)
    with pytest.raises(NotFound), db.writing() as session:
        service.wish(session, 999, Wish.RUN)


@pytest.mark.parametrize(("wanted", "state"), [(Wish.PAUSE, JobState.PAUSED), (Wish.CANCEL, JobState.CANCELLED)])
def test_a_running_job_hears_a_wish_once_and_may_still_let_go(
    db: Database, places: Places, wanted: Wish, state: JobState
) -> None:
    let_go = []

    def body(running: Progress) -> None:
        with db.writing() as session:
            service.wish(session, running.job_id, wanted)
        try:
            running.listen()
        finally:
            running.step("Letting go")
            running.listen()
            let_go.append(True)

    job = work(db, places, body)
    assert (job.state, let_go, job.pid) == (state, [True], None)
    assert (job.finished is None) == (state is JobState.PAUSED)


def test_resuming_while_it_still_pauses_is_not_lost(db: Database, places: Places) -> None:
    def body(running: Progress) -> None:
        with db.writing() as session:
            service.wish(session, running.job_id, Wish.PAUSE)
        try:
            running.listen()
        finally:
            with db.writing() as session:
                service.wish(session, running.job_id, Wish.RUN)

    assert work(db, places, body).state is JobState.WAITING


def test_a_shutdown_interrupts_and_costs_no_attempt(db: Database, places: Places) -> None:
    def body(running: Progress) -> None:
        running.keep(done=3)
        running.stopping = True
        running.step("More")

    job = work(db, places, body)
    assert (job.state, job.attempts, job.checkpoint) == (JobState.INTERRUPTED, 0, {"done": 3})


def test_an_expected_failure_keeps_its_words_and_a_bug_is_a_number(db: Database, places: Places) -> None:
    def full(_: Progress) -> None:
        raise OutOfSpace(drive="Blue", needed="2 GB", free="1 GB")

    job = work(db, places, full)
    assert (job.state, job.error_code) == (JobState.FAILED, "out_of_space")
    assert "Blue has no room" in str(job.error)

    def bug(_: Progress) -> None:
        raise KeyError("secret-detail")

    job = work(db, places, bug)
    assert job.error_code == "bug"
    assert "secret" not in str(job.error) and str(job.id) in str(job.error)


def die(db: Database, places: Places, job: Job, body: Callable[[Progress], None]) -> Job:
    """An attempt whose process ends without a word after ``body``."""
    claimed = runner.claim(db, job.id)
    assert claimed is not None
    body(Progress(db, no_root, places, claimed))
    with db.writing() as session:
        session.get_one(Job, job.id).pid = None
        service.recover(session)
    return get(db, job.id)


def test_a_job_that_dies_at_one_place_is_given_up_after_five_times(db: Database, places: Places) -> None:
    job = queue(db)
    states = [die(db, places, job, lambda running: running.keep(at="the same")).state for _ in range(6)]
    assert states == [JobState.INTERRUPTED] * 5 + [JobState.FAILED]  # the first note was a step ahead
    assert "5 times in a row without getting any further" in str(get(db, job.id).error)


def test_interruptions_do_not_end_a_job_that_gets_on_each_time(db: Database, places: Places) -> None:
    job = queue(db)
    for _ in range(service.MOST_ATTEMPTS - 1):
        assert die(db, places, job, Progress.got_on).state is JobState.INTERRUPTED
    job = die(db, places, job, Progress.got_on)  # but what others change each time must not keep it going forever
    assert (job.state, job.error_code) == (JobState.FAILED, "interrupted_too_often")


def test_saying_how_far_it_is_does_not_count_as_getting_on(db: Database, places: Places) -> None:
    job = queue(db)
    for at in range(service.MOST_IN_VAIN):
        job = die(db, places, job, lambda running, at=at: running.step("Copying", at, 10))
    assert job.state is JobState.FAILED


def test_a_resumed_job_finds_its_checkpoint(db: Database, places: Places) -> None:
    job = queue(db)
    with db.writing() as session:
        session.get_one(Job, job.id).checkpoint = {"done": 7}
    seen = []
    work(db, places, lambda running: seen.append(running.checkpoint), job)
    assert seen == [{"done": 7}]


def test_an_interrupted_job_waits_again_unless_somebody_wished_otherwise(db: Database) -> None:
    endings = {Wish.RUN: JobState.INTERRUPTED, Wish.PAUSE: JobState.PAUSED, Wish.CANCEL: JobState.CANCELLED}
    for wanted, state in endings.items():
        job = queue(db, lock=wanted)
        runner.claim(db, job.id)
        with db.writing() as session:
            row = session.get_one(Job, job.id)
            row.wish, row.pid = wanted, 2**22 + 1
            service.recover(session)
            assert row.state is state


def test_a_job_whose_process_lives_is_not_recovered(db: Database) -> None:
    job = queue(db)
    runner.claim(db, job.id)
    pretender = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(30)", "appliance.jobs.runner", str(job.id)]
    )
    try:
        while not Path(f"/proc/{pretender.pid}/cmdline").read_bytes():
            time.sleep(0.01)  # the kernel is still loading it
        with db.writing() as session:
            session.get_one(Job, job.id).pid = pretender.pid
            assert service.recover(session) == []
    finally:
        pretender.kill()
        pretender.wait()
    with db.writing() as session:
        assert [j.id for j in service.recover(session)] == [job.id]


def test_a_job_that_never_survives_is_given_up(db: Database) -> None:
    job = queue(db)
    for _ in range(service.MOST_IN_VAIN):
        assert runner.claim(db, job.id) is not None
        with db.writing() as session:
            session.get_one(Job, job.id).pid = 2**22 + 1
        tick.interrupted(db, job.id)
    assert get(db, job.id).state is JobState.FAILED
    assert get(db, job.id).error_code == "interrupted_too_often"


def test_a_job_whose_process_never_gets_so_far_is_given_up(db: Database) -> None:
    job = queue(db)
    for _ in range(service.MOST_IN_VAIN):
        assert get(db, job.id).state in ACTIVE
        tick.interrupted(db, job.id)
    assert get(db, job.id).state is JobState.FAILED


def test_progress_is_written_sparingly(db: Database, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    told = []

    def body(running: Progress) -> None:
        for done in range(101):
            running.step("Copying", done * 10_000, 1_000_000, share=(10, 90))
            clock[0] += 0.1
            told.append(get(db, running.job_id).percent)
        assert get(db, running.job_id).percent >= 80
        row = get(db, running.job_id)
        assert row.rate == pytest.approx(100_000, rel=0.02)
        assert row.seconds_left is not None and row.seconds_left <= 2

    assert work(db, places, body).state is JobState.DONE
    assert 8 <= len(set(told)) <= 12


def test_a_log_line_and_a_better_title_are_kept(db: Database, places: Places) -> None:
    def body(running: Progress) -> None:
        running.log("{file} was left out", {"file": "a\udcff".encode("utf-8", "replace").decode()})
        running.retitle(Message("Copy 3 files"))

    job = work(db, places, body)
    with db.reading() as session:
        assert str(service.log_of(session, job.id)[0].message) == "a? was left out"
    assert str(job.title) == "Copy 3 files"


def test_old_jobs_are_forgotten_with_their_lines(db: Database, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "KEEP_FINISHED", 3)
    for _ in range(5):
        work(db, places, lambda running: running.log("a line"))
    with db.reading() as session:
        assert len(service.recent(session)) == 3
        assert len(session.scalars(select(JobLog)).all()) == 3


def _dead_process(db: Database, job_id: int) -> None:
    with db.writing() as session:
        session.get_one(Job, job_id).pid = 2**22 + 1


def _wish(db: Database, job_id: int, wanted: Wish) -> None:
    with db.writing() as session:
        if session.get_one(Job, job_id).state in ACTIVE:
            service.wish(session, job_id, wanted)


def _recover(db: Database) -> None:
    with db.writing() as session:
        service.recover(session)


def _claim(db: Database, job_id: int) -> None:
    if runner.claim(db, job_id) is not None:
        _dead_process(db, job_id)


def _obey(db: Database, job_id: int) -> None:
    """What a runner does at its next step."""
    row = get(db, job_id)
    endings = {Wish.RUN: JobState.DONE, Wish.PAUSE: JobState.PAUSED, Wish.CANCEL: JobState.CANCELLED}
    if row.state is JobState.RUNNING:
        runner.finish(db, job_id, {"state": endings[row.wish]})


STORY = {
    "pause": lambda db, job_id: _wish(db, job_id, Wish.PAUSE),
    "go on": lambda db, job_id: _wish(db, job_id, Wish.RUN),
    "cancel": lambda db, job_id: _wish(db, job_id, Wish.CANCEL),
    "claim": _claim,
    "obey": _obey,
    "power cut": lambda db, job_id: _recover(db),
    "death": lambda db, job_id: tick.interrupted(db, job_id),
}


@given(st.lists(st.sampled_from(sorted(STORY)), max_size=10))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_a_job_never_gets_stuck(db: Database, story: list[str]) -> None:
    with db.writing() as session:
        for old in session.scalars(select(Job)):
            session.delete(old)
    job_id = queue(db).id
    for event in story:
        STORY[event](db, job_id)
    row = get(db, job_id)
    if row.state in (JobState.WAITING, JobState.INTERRUPTED):
        assert row.wish is Wish.RUN  # the worker takes it up
    if row.state is JobState.PAUSED:
        assert row.wish is Wish.PAUSE  # and a person can let it go on
    if row.state not in ACTIVE:
        assert row.finished is not None and row.pid is None


def test_previews_are_queued_once_for_what_waits(db: Database) -> None:
    with db.writing() as session:
        standing.start_previews(session)
        assert not service.active(session)


def test_the_worker_loads_neither_the_orm_nor_the_web() -> None:
    code = (
        "import sys, appliance.jobs.worker\n"
        "heavy = {'sqlalchemy', 'flask', 'PIL', 'alembic', 'pydantic', 'asyncio', 'kasa', 'cronsim'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"


def test_the_worker_reads_the_names_that_the_orm_writes(db: Database, places: Places) -> None:
    from appliance.jobs import worker

    job = queue(db)
    rows = sqlite3.connect(places.database)
    assert rows.execute(worker.QUEUE).fetchall() == [(job.id, "trial.job")]
    assert rows.execute(worker.NEXT_DUE).fetchone() == (None,)
    assert rows.execute(worker.PREVIEWS_WAIT).fetchone() == (0,)
    with db.writing() as session:
        service.wish(session, job.id, Wish.PAUSE)
    assert rows.execute(worker.QUEUE).fetchall() == []
    assert rows.execute(worker.STATE, (job.id,)).fetchone() == ("PAUSED",)
    rows.close()


def test_stopping_is_no_ordinary_exception() -> None:
    for stopped in (Cancelled, Paused, Interrupted):
        assert not issubclass(stopped, Exception)


def test_a_lost_job_row_does_not_upset_the_aftermath(db: Database) -> None:
    tick.interrupted(db, 4711)
