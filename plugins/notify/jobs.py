"""The job that sends, in a process of its own, and the one that writes the letter.  Nothing else waits for them."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import select

from appliance import identity, reach, sealed
from appliance.db import now
from appliance.jobs import schedule
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.people.models import User, UserState
from appliance.words import N_
from plugins.notify import failures, heartbeat, letter, outbox, service, web
from plugins.notify.failures import NotDelivered
from plugins.notify.models import DeliveryState, NotifyChannel, NotifyDelivery, NotifyStation
from plugins.notify.sending import WHOLE_WITHIN_S, Sender
from plugins.notify.service import PURPOSE

SOON = timedelta(seconds=90)  # what may be tried again so soon is waited for; the rest is the next tick's
LONGEST_S = 600.0


@job_kind("notify.send", N_("Send messages"))
def send(progress: Progress) -> dict[str, int]:
    """Until nothing is due."""
    sent, end = 0, time.monotonic() + LONGEST_S
    with _alone(progress):
        while time.monotonic() < end:
            progress.step(N_("Sending"))
            _sign_of_life(progress)
            done = _one(progress)
            if done is None and not _wait(progress):
                break
            sent += bool(done)
    return {"sent": sent}


@job_kind("notify.letter", N_("Write the monthly letter"))
def write_letter(progress: Progress) -> dict[str, int]:
    """To everybody who wants it; once a month, however often this runs."""
    moment = now()
    with progress.db.writing() as session:
        key = f"{moment.astimezone(schedule.zone(session)):%Y-%m}"
        users = session.scalars(select(User).where(User.state == UserState.ACTIVE)).all()
        written = sum(
            service.post_letter(session, channel, letter.write(session, progress.places, user, moment), key)
            for user in users
            for channel in service.channels(session, user.id)
            if channel.letter
        )
        if written:
            outbox.queue(session)
    return {"written": written}


@contextmanager
def _alone(progress: Progress) -> Iterator[None]:
    """One at a time; a second waits, so that it looks after the first has ended."""
    with (progress.places.run / "notify.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                progress.wait(0.5)
        yield


def _one(progress: Progress) -> bool | None:
    """Try the next delivery: whether it arrived; None when none is due."""
    with progress.db.writing() as session:
        moment = now()
        outbox.plan(session, moment)
        envelope = outbox.take(session, moment)
        station = session.get(NotifyStation, heartbeat.STATION)
    if envelope is None:
        return None
    sender = Sender(progress.places, station, identity.load(progress.places).station_id)
    try:
        sender.send(envelope)
    except NotDelivered as why:
        with progress.db.writing() as session:
            outbox.failed(session, envelope, why.message, slow=why.slow, moment=now())
        return False
    with progress.db.writing() as session:
        outbox.arrived(session, envelope, now())
    progress.got_on()
    return True


def _wait(progress: Progress) -> bool:
    """Wait for what may be tried again very soon; False when there is nothing of the kind."""
    moment = now()
    with progress.db.reading() as session:
        soon = session.scalars(
            select(NotifyDelivery.next_try)
            .join(NotifyChannel, NotifyChannel.id == NotifyDelivery.channel_id)
            .where(NotifyDelivery.state == DeliveryState.WAITING, NotifyDelivery.next_try > moment)
            .where(NotifyDelivery.next_try <= moment + SOON, NotifyDelivery.attempts <= 1)
            .order_by(NotifyDelivery.next_try)
            .limit(1)
        ).first()
    if soon is None:
        return False
    progress.wait(max(0.1, (soon - moment).total_seconds()))
    return True


def _call(address: str) -> None:
    with reach.outside(public_only=False):
        web.call("GET", address)


def _sign_of_life(progress: Progress) -> None:
    """Count the try, give the sign, note what came of it."""
    with progress.db.writing() as session:
        moment = now()
        if not heartbeat.is_due(session, moment):
            return
        row = session.get_one(NotifyStation, heartbeat.STATION)
        row.signal_tried = moment
        why, sealed_address, shown = heartbeat.not_well(session), row.signal, row.signal_shown
    if why is None:
        assert sealed_address is not None
        address = sealed.unseal(progress.places, PURPOSE, sealed_address)
        try:
            if address is None:
                raise NotDelivered(N_("The address was kept on another memory card. Enter it again."))
            failures.within(WHOLE_WITHIN_S, lambda: _call(address), shown)
            problem = None
        except NotDelivered as error:
            problem = error.message
    with progress.db.writing() as session:
        row = session.get_one(NotifyStation, heartbeat.STATION)
        if why is not None:
            row.signal_problem, row.signal_failing = why, None  # held back, not failing
        elif problem is not None:
            row.signal_problem, row.signal_failing = problem, row.signal_failing or now()
        else:
            row.signal_problem = row.signal_failing = None
            row.signal_arrived = now()
