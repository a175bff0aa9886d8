"""What guests bring through a link: how much within an hour, and which uploads are whose.

Counted in the database when an upload begins, so that neither a second process nor a restart forgives anything.
"""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from appliance import clock
from appliance.db import now
from appliance.errors import ApplianceError, NotFound
from appliance.library.albums import service
from appliance.library.albums.links import Opened
from appliance.library.albums.models import GuestGift
from appliance.library.models import Media, Upload
from appliance.words import N_

HOUR = timedelta(hours=1)
KEPT = timedelta(days=100)  # longer than any upload may be continued
MOST_FILES, MOST_BYTES = 500, 5 * 10**9  # that one link may bring in an hour
LARGEST = 4 * 10**9  # bytes of a film


class EnoughForNow(ApplianceError):
    """A link has brought as much as it may in an hour."""

    code, status = "enough_for_now", 429
    template = N_("This link has brought in very much within an hour.")
    hint = N_("What was sent is safe. Go on in an hour.")


def ask(session: Session, link_id: int, size: int, upload_id: str | None = None) -> None:
    """Count a file in the caller's writing transaction.  Raises EnoughForNow instead when it is one too many."""
    moment = now()
    session.execute(
        delete(GuestGift).where(GuestGift.link_id == link_id, GuestGift.brought < clock.read().passed - KEPT)
    )
    lately = (GuestGift.link_id == link_id, GuestGift.brought > moment - HOUR)
    count, brought = session.execute(
        select(func.count(), func.coalesce(func.sum(GuestGift.size), 0)).where(*lately)
    ).one()
    if count >= MOST_FILES or brought + size > MOST_BYTES:
        raise EnoughForNow()
    session.add(GuestGift(link_id=link_id, size=size, upload_id=upload_id))


def name_upload(session: Session, link_id: int, upload_id: str, size: int) -> None:
    """An upload that begins is this link's.  Raises EnoughForNow."""
    ask(session, link_id, size, upload_id)


def check(session: Session, link_id: int, upload_id: str) -> None:
    """Raises NotFound for an upload that did not come through this link, whoever else's it is."""
    mine = select(GuestGift.id).where(GuestGift.link_id == link_id, GuestGift.upload_id == upload_id)
    if session.scalar(mine) is None:
        raise NotFound(what="upload")


def into_album(session: Session, found: Opened, upload_id: str) -> None:
    """A finished upload's photo is in the album from now on; again and again the same."""
    wanted = select(Media.id).join(Upload, Upload.file_id == Media.file_id)
    media_id = session.scalar(wanted.where(Upload.id == upload_id, Upload.user_id == found.owner.id))
    if media_id is not None:
        service.add(session, found.owner, found.album.id, [media_id])
