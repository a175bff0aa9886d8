"""The real worker with real runners, chores and root daemon: started, killed, stopped, started again."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image
from sqlalchemy import func, select

from appliance import recovery
from appliance.db import Database
from appliance.health.models import Issue
from appliance.jobs import schedule, service
from appliance.jobs import worker as worker_module
from appliance.jobs.models import Job, JobState, Schedule, Wish
from appliance.jobs.plan import Plan, Rhythm
from appliance.library.arrivals import Arrival
from appliance.library.ingest import Ingest
from appliance.library.models import Media, PreviewState
from appliance.places import Places
from appliance.upgrade import trial
from appliance.words import Message
from tests import strangers_plugin
from tests.hot_drive import hand_over, person
from tests.unit.test_library_ingest import spooled

pytestmark = pytest.mark.component


class Running:
    """The worker process, its log, and what the database says."""

    def __init__(self, db: Database, places: Places, environment: dict[str, str]) -> None:
        self.db, self.places, self.environment = db, places, environment
        self.log = places.data.parent / "worker.log"
        self.process = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "appliance.jobs.worker"],
                env=self.environment,
                stdout=out,
                stderr=out,
            )
        return self.process

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(40)

    def queue(self, kind: str, lock: str = "trial", **arguments: Any) -> int:
        with self.db.writing() as session:
            return service.start(session, kind, title=Message(kind), lock=lock, arguments=arguments).id

    def job(self, job_id: int) -> Job:
        with self.db.reading() as session:
            return session.get_one(Job, job_id)

    def until(self, what: Callable[[], Any], seconds: float = 20) -> Any:
        end = time.monotonic() + seconds
        while not (answer := what()):
            assert time.monotonic() < end, self.log.read_text()[-4000:]
            time.sleep(0.05)
        return answer

    def ends(self, job_id: int, state: JobState, seconds: float = 20) -> Job:
        self.until(lambda: self.job(job_id).state is state, seconds)
        return self.job(job_id)


@pytest.fixture
def root_daemon(places: Places, tmp_path: Path) -> Iterator[None]:
    with (tmp_path / "broker.log").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.broker.daemon", "--socket", str(places.broker_socket), "--user", "root"],
            env=os.environ | {"EVERPX_LOOP_DRIVES": str(tmp_path / "none")},
            stderr=out,
        )
    end = time.monotonic() + 10
    while not places.broker_socket.exists():
        assert time.monotonic() < end, (tmp_path / "broker.log").read_text()
        time.sleep(0.02)
    yield
    process.terminate()
    process.wait(10)


@pytest.fixture
def worker(db: Database, places: Places, root_daemon: None, tmp_path: Path) -> Iterator[Running]:
    path = strangers_plugin.install(tmp_path / "site")
    environment = os.environ | {"PYTHONPATH": f"{path}:{Path.cwd()}", "PYTHONDONTWRITEBYTECODE": "1"}
    running = Running(db, places, environment)
    yield running
    if running.process.poll() is None:
        running.stop()


def test_a_job_starts_promptly_and_its_end_is_noted(worker: Running, tmp_path: Path) -> None:
    worker.until(lambda: "ready" in worker.log.read_text())
    job = worker.ends(worker.queue("trial.count", to=3, note=str(tmp_path / "note")), JobState.DONE)
    assert job.started is not None and (job.started - job.created).total_seconds() < 8  # 1 s on an idle machine
    assert job.result == {"counted": 3}
    assert (job.percent, job.pid, job.attempts, job.error_code) == (100, None, 0, None)


def test_a_version_on_trial_begins_no_job_until_it_is_kept(worker: Running, places: Places, tmp_path: Path) -> None:
    worker.until(lambda: "ready" in worker.log.read_text())
    worker.stop()
    trial.begin(places)
    job_id = worker.queue("trial.count", to=3, note=str(tmp_path / "note"))
    already = worker.log.read_text().count("ready")
    worker.start()
    worker.until(lambda: worker.log.read_text().count("ready") > already)
    time.sleep(3)  # three rounds
    assert worker.job(job_id).state is JobState.WAITING
    trial.end(places)
    worker.ends(job_id, JobState.DONE)


def test_photos_that_come_one_after_the_other_all_get_their_previews(worker: Running, tmp_path: Path) -> None:
    hot, anna = hand_over(worker.db, worker.places, tmp_path / "hot"), person(worker.db)
    worker.until(lambda: "ready" in worker.log.read_text())

    def send(number: int) -> None:
        Image.new("RGB", (640, 480), (80 * number, 0, 0)).save(tmp_path / "photo.jpg")
        photo = spooled(hot, (tmp_path / "photo.jpg").read_bytes())
        Ingest(worker.db, worker.places).take(hot, photo, Arrival(anna.id, "Anna", f"{number}.jpg"))

    def ready() -> int:
        with worker.db.reading() as session:
            return session.scalar(select(func.count(Media.id)).where(Media.preview == PreviewState.READY)) or 0

    for number in range(3):  # the second comes when the first has just been looked after
        send(number)
        worker.until(lambda want=number + 1: ready() == want, 40)


def test_a_killed_job_goes_on_where_it_was(worker: Running, tmp_path: Path) -> None:
    number = worker.queue("trial.count", to=60, note=str(tmp_path / "note"))
    worker.until(lambda: worker.job(number).checkpoint.get("done", 0) > 5)
    os.kill(worker.job(number).pid or 0, signal.SIGKILL)
    job = worker.ends(number, JobState.DONE, 30)
    assert job.result == {"counted": 60}
    starts = (tmp_path / "note").read_text().split("\n")
    assert starts[0] == "from 0" and int(starts[1].removeprefix("from ")) > 5


def test_a_killed_worker_takes_its_jobs_with_it_and_the_next_one_goes_on(worker: Running, tmp_path: Path) -> None:
    number = worker.queue("trial.count", to=80, note=str(tmp_path / "note"))
    worker.until(lambda: worker.job(number).checkpoint.get("done", 0) > 5)
    pid = worker.job(number).pid or 0
    worker.stop(signal.SIGKILL)
    worker.until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 5)
    assert worker.job(number).state is JobState.RUNNING
    worker.start()
    assert worker.ends(number, JobState.DONE, 30).result == {"counted": 80}


def test_a_stopped_worker_lets_jobs_let_go_and_they_go_on_later(worker: Running, tmp_path: Path) -> None:
    number = worker.queue("trial.count", to=80, note=str(tmp_path / "note"))
    worker.until(lambda: worker.job(number).checkpoint.get("done", 0) > 5)
    assert worker.stop() == 0
    job = worker.job(number)
    assert (job.state, job.pid, job.attempts) == (JobState.INTERRUPTED, None, 0)
    assert "let go" in (tmp_path / "note").read_text()
    worker.start()
    assert worker.ends(number, JobState.DONE, 30).result == {"counted": 80}


def test_pause_cancel_and_going_on_are_honoured(worker: Running, tmp_path: Path) -> None:
    number = worker.queue("trial.count", to=100_000, note=str(tmp_path / "note"))
    worker.until(lambda: worker.job(number).state is JobState.RUNNING)
    for wanted, state in (
        (Wish.PAUSE, JobState.PAUSED),
        (Wish.RUN, JobState.RUNNING),
        (Wish.CANCEL, JobState.CANCELLED),
    ):
        with worker.db.writing() as session:
            service.wish(session, number, wanted)
        worker.ends(number, state)
    assert (tmp_path / "note").read_text().count("let go") == 2


def test_a_bug_in_a_job_is_shown_as_a_number(worker: Running) -> None:
    job = worker.ends(worker.queue("trial.bug"), JobState.FAILED)
    assert job.error_code == "bug" and str(job.id) in str(job.error)


def test_a_job_that_nobody_knows_fails_in_words(worker: Running) -> None:
    job = worker.ends(worker.queue("trial.unheard"), JobState.FAILED)
    assert job.error_code == "not_found"


def test_a_job_that_always_dies_is_given_up(worker: Running, places: Places) -> None:
    with worker.db.writing() as session:
        number = service.start(session, "trial.die", title=Message("Dying"), lock="die").id
        session.get_one(Job, number).in_vain = service.MOST_IN_VAIN - 2
    job = worker.ends(number, JobState.FAILED, 30)
    assert job.error_code == "interrupted_too_often"


def test_what_is_due_starts_by_itself(worker: Running, tmp_path: Path) -> None:
    worker.until(lambda: "ready" in worker.log.read_text())
    with worker.db.writing() as session:
        schedule.upsert(
            session,
            "trial.count",
            "cold:1",
            Plan(Rhythm.DAILY),
            title=Message("Copy"),
            arguments={"to": 2, "note": str(tmp_path / "note")},
        ).next_due = schedule._now()
    worker.until(lambda: (tmp_path / "note").exists())
    with worker.db.reading() as session:
        row = session.scalars(select(Schedule).where(Schedule.kind == "trial.count")).one()
        assert row.next_due and row.next_due > schedule._now() and row.last_started


def test_health_is_looked_at_and_a_broken_check_is_an_issue(worker: Running) -> None:
    def codes() -> set[tuple[str, str]]:
        with worker.db.reading() as session:
            return {(issue.code, issue.subject) for issue in session.scalars(select(Issue))}

    worker.until(lambda: {("trial", ""), ("check_failed", "trial.broken")} <= codes(), 90)


def test_there_is_one_worker_per_station(worker: Running) -> None:
    worker.until(lambda: (worker.places.run / "worker.lock").exists())
    other = subprocess.run(
        [sys.executable, "-m", "appliance.jobs.worker"],
        env=worker.environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert other.returncode == 1
    assert "another worker" in other.stderr
    assert worker.process.poll() is None
    assert service.worker_runs(worker.places)
    worker.stop(signal.SIGKILL)
    worker.until(lambda: not service.worker_runs(worker.places))  # a child that was just being started held it, too


def test_work_that_people_wait_for_is_not_behind_cold_drives_that_wait() -> None:
    assert {worker_module.lane_of(kind) for kind in ("backup.run", "adoption.take_over", "people.hand_over")} == {
        ("work", 4)
    }
    assert worker_module.lane_of("library.previews") == ("library.previews", 1)
    assert worker_module.lane_of("trial.count") == ("trial", 2)


def test_a_damaged_database_is_noted_for_the_next_start(worker: Running, places: Places) -> None:
    worker.until(lambda: "ready" in worker.log.read_text())
    worker.until(lambda: not psutil.Process(worker.process.pid).children(), 40)
    worker.db.close()
    content = bytearray(places.database.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    for journal in places.data.glob("everpx.db-*"):
        journal.write_bytes(b"")
    places.database.write_bytes(content)
    worker.stop(signal.SIGKILL)
    worker.start()
    assert worker.process.wait(40) == 1
    assert recovery.suspect_stamp(places).exists()


def wakings(process: psutil.Process) -> int:
    """How often any of its threads went to sleep, so far."""
    status = "".join(path.read_text() for path in Path(f"/proc/{process.pid}/task").glob("*/status"))
    return sum(int(count) for count in re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE))


def test_a_job_wakes_a_worker_that_sleeps(worker: Running, tmp_path: Path) -> None:
    worker.until(lambda: "ready" in worker.log.read_text())
    worker.until(lambda: not psutil.Process(worker.process.pid).children(), 40)
    time.sleep(worker_module.SETTLE_S + 2)
    job = worker.ends(worker.queue("trial.count", to=3, note=str(tmp_path / "note")), JobState.DONE, 10)
    assert job.started is not None and (job.started - job.created).total_seconds() < 8  # 0.5 s on an idle machine


def test_the_idle_worker_is_small_and_does_nothing(worker: Running) -> None:
    worker.until(lambda: "ready" in worker.log.read_text())
    process = psutil.Process(worker.process.pid)
    worker.until(lambda: not process.children(), 40)
    time.sleep(worker_module.SETTLE_S + 2)

    def sleeps() -> bool:
        before = wakings(process)
        time.sleep(5)
        return wakings(process) - before <= 2

    worker.until(sleeps, 120)  # devices of other tests come and go meanwhile, and it hears of them
    assert process.memory_full_info().pss < 24_000_000
    loaded = Path(f"/proc/{process.pid}/maps").read_text()
    assert "sqlalchemy" not in loaded
