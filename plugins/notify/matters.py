"""What concerns whom.  Admins look after the station, so every issue is theirs; a member hears of their own photos.

A member's own matters are asked of the rows each time, as a check is, and need no issue: an admin has no business with
them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import false, func, select
from sqlalchemy.orm import Session

from appliance.health import service as health
from appliance.health.models import Severity
from appliance.library.models import Media, StoredFile
from appliance.people.models import Role, User
from appliance.phones.models import Phone, PhoneRound
from appliance.words import N_, Message
from plugins.notify.models import NotifyChannel

ALONE_FOR = timedelta(days=14)
SILENT_FOR = timedelta(days=21)
FORGOTTEN_AFTER = timedelta(days=90)  # a phone that nobody uses any more
OWN_FAILURE = "notify_failing"  # what ``health`` calls messages that do not arrive


@dataclass(frozen=True)
class Matter:
    """Something that somebody may have to be told."""

    code: str
    subject: str
    severity: Severity
    message: Message
    hint: Message
    aside: bool = False  # somebody put it off: still so, and not told


def of_station(session: Session, moment: datetime) -> list[Matter]:
    """Every open issue."""
    return [
        Matter(
            issue.code,
            issue.subject,
            issue.severity,
            issue.message,
            issue.hint,
            aside=issue.quiet_until is not None and issue.quiet_until > moment,
        )
        for issue in health.issues(session, with_quiet=True)
    ]


def of_person(session: Session, user: User, moment: datetime) -> Iterator[Matter]:
    """What only this person can do something about."""
    alone = session.scalar(
        select(func.count())
        .select_from(StoredFile)
        .join(Media, Media.file_id == StoredFile.id)
        .where(StoredFile.copied == false(), Media.user_id == user.id, StoredFile.added < moment - ALONE_FOR)
    )
    if alone and user.role is not Role.ADMIN:  # an admin hears of the copy itself
        yield Matter(
            "own_photos_alone",
            "",
            Severity.WARNING,
            Message(N_("{count} of your photos have been on one drive only for two weeks."), {"count": alone}),
            Message(N_("They are stored. Ask whoever looks after the station to switch on the second drive.")),
        )
    for phone_id, name, heard in session.execute(
        select(Phone.id, Phone.name, func.max(PhoneRound.heard))
        .join(PhoneRound, PhoneRound.phone_id == Phone.id)
        .where(Phone.user_id == user.id)
        .group_by(Phone.id)
    ):
        if SILENT_FOR < moment - heard < FORGOTTEN_AFTER:
            yield Matter(
                "own_phone_silent",
                f"phone:{phone_id}",
                Severity.WARNING,
                Message(N_("{phone} has sent no photos for three weeks."), {"phone": name}),
                Message(N_("Open the station’s page on that phone, so that it sends what is new.")),
            )


def of_channel(channel: NotifyChannel, station: Sequence[Matter], own: Sequence[Matter], role: Role) -> list[Matter]:
    """What this channel tells of, apart from its own failing: it could only say so once it does not fail."""
    order = list(Severity)
    every = [*(station if role is Role.ADMIN else ()), *own]
    return [
        matter
        for matter in every
        if order.index(matter.severity) <= order.index(channel.least)
        and (matter.code, matter.subject) != (OWN_FAILURE, f"channel:{channel.id}")
    ]
