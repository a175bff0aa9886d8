"""What a running job holds: where it says how far it is, and where it hears that it should stop."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from appliance.broker.client import Broker
from appliance.db import Database
from appliance.jobs.models import Job, JobLog, Wish
from appliance.places import Places
from appliance.words import Message

LISTEN_EVERY_S = 0.5  # how long a wish may go unheard
TELL_EVERY_S = 1.0  # rate and time left change often; the row does not
RATE_OVER_S = 20.0


class Stopped(BaseException):
    """A person asked the job to stop.  Not an Exception: no handler on the way may swallow it."""


class Cancelled(Stopped):
    """For good; what is half-done is cleaned up."""


class Paused(Stopped):
    """For now; the checkpoint is kept."""


class Interrupted(Stopped):
    """The station is shutting down: let go of drives properly; the job goes on at the next start."""


class Progress:
    """A running job's row, written sparingly: when the stage or whole percent changes, or a second has passed.

    A wish is raised once; what then lets go of a drive may still say how far it is.
    """

    def __init__(self, db: Database, broker: Broker, places: Places, job: Job) -> None:
        self.db, self.broker, self.places = db, broker, places
        self.job_id, self.checkpoint = job.id, dict(job.checkpoint)
        self.attempt, self.asked_by = job.attempts, job.asked_by
        self.stopping = False  # set by the runner's signal handler, heard at the next step
        self._heard = self._got_on = False
        self._stage: Message | None = None
        self._percent = -1
        self._told = self._listened = 0.0
        self._passed: deque[tuple[float, float]] = deque()
        self._total = 0.0

    def step(
        self,
        stage: Message | str,
        done: float = 0,
        total: float = 0,
        *,
        unit: str = "B",
        share: tuple[int, int] = (0, 100),
    ) -> None:
        """Say how far the job is; raises Cancelled, Paused or Interrupted when it should stop.

        ``done`` of ``total`` is in ``unit`` ("B" for bytes, else a plural noun); ``share`` is the part of the whole
        bar, in percent, that this stage fills.
        """
        if self.stopping:
            self._obey(Wish.RUN)
        stage = Message(stage) if isinstance(stage, str) else stage
        low, high = share
        fraction = min(1.0, done / total) if total else 0.0
        percent = int(low + (high - low) * fraction)
        moment = time.monotonic()
        if stage != self._stage:
            self._passed.clear()
        new_stage = self._stage is None or stage.template != self._stage.template
        self._passed.append((moment, done))
        while moment - self._passed[0][0] > RATE_OVER_S:
            self._passed.popleft()
        if new_stage or moment - self._told >= TELL_EVERY_S or (percent != self._percent and percent >= 100):
            self._tell(stage, percent, done, total, unit)
            self._told = self._listened = moment
        elif moment - self._listened >= LISTEN_EVERY_S:
            self._listened = moment
            self.listen()
        self._stage, self._percent = stage, percent

    def listen(self) -> None:
        """Raise Cancelled or Paused when a person asked for it, Interrupted when the station shuts down."""
        with self.db.reading() as session:
            job = session.get_one(Job, self.job_id)
        self._obey(job.wish)

    def wait(self, seconds: float) -> None:
        """Sleep, still hearing wishes."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.listen()
            time.sleep(min(left, LISTEN_EVERY_S))

    def keep(self, **notes: Any) -> None:
        """Merge notes into the checkpoint and commit it: what a resumed job will find.  New notes are a step ahead."""
        fresh = self.checkpoint | notes
        is_new, self.checkpoint = fresh != self.checkpoint, fresh
        with self.db.writing() as session:
            session.execute(update(Job).where(Job.id == self.job_id).values(checkpoint=dict(fresh)))
        if is_new:
            self.got_on()

    def got_on(self) -> None:
        """Something is done for good that no attempt has to do again.  Call after it is durable, as often as you like.

        The count of attempts in vain begins anew, so that many interruptions do not end a job that gets on.
        """
        if not self._got_on:
            with self.db.writing() as session:
                session.execute(update(Job).where(Job.id == self.job_id).values(in_vain=0))
            self._got_on = True

    def log(self, template: str, fields: Mapping[str, Any] | None = None) -> None:
        """Add a line to the job's log, for people."""
        with self.db.writing() as session:
            session.add(JobLog(job_id=self.job_id, message=Message(template, fields or {})))

    def retitle(self, title: Message) -> None:
        """Name the job better once more is known."""
        with self.db.writing() as session:
            session.execute(update(Job).where(Job.id == self.job_id).values(title=title))

    def _obey(self, wish: Wish) -> None:
        if self._heard:
            return
        self._heard = self.stopping or wish is not Wish.RUN
        if self.stopping:
            raise Interrupted
        if wish is Wish.CANCEL:
            raise Cancelled
        if wish is Wish.PAUSE:
            raise Paused

    def _tell(self, stage: Message, percent: int, done: float, total: float, unit: str) -> None:
        rate, left = self._rate(done, total)
        with self.db.writing() as session:
            job = session.get_one(Job, self.job_id)
            job.stage, job.percent, job.rate, job.rate_unit, job.seconds_left = (
                stage,
                percent,
                rate,
                unit,
                left,
            )
            wish = job.wish
        self._obey(wish)

    def _rate(self, done: float, total: float) -> tuple[float | None, int | None]:
        (first, start), (last, end) = self._passed[0], self._passed[-1]
        if last - first < 1 or end <= start:
            return None, None
        rate = (end - start) / (last - first)
        return rate, round((total - done) / rate) if total else None
