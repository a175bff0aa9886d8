"""Public links: an address that shows one album to whoever has it, without signing in.

The token is 128 random bits, shown once; the table keeps its SHA-256.  A link ends when its time is over, when its
owner ends it, when the album is deleted, and while its owner may not sign in.  Whoever guesses its password is slowed
down per source and per link.  With "upload here" guests' photos become the album's owner's, through the same door as
any upload.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance import clock
from appliance.db import Database, now
from appliance.errors import Invalid, NotFound
from appliance.library.albums import service
from appliance.library.albums.models import Album, PublicLink
from appliance.people import passwords, throttle
from appliance.people.audit import By, note
from appliance.people.models import User, UserState
from appliance.words import N_, Message

MOST = 50  # links to one album
DAYS = (1, 7, 30, 90, 365)
SHORTEST_PASSWORD = 4  # it is told aloud at a wedding; guessing is slowed down, and 128 bits stand before it
TOUCH_EVERY = timedelta(minutes=5)


class WrongLinkPassword(Invalid):
    """Not the password of this link."""

    code = "wrong_link_password"


@dataclass(frozen=True)
class Opened:
    """A link that holds: what it leads to and whose it is."""

    link: PublicLink
    album: Album
    owner: User


def create(
    session: Session, by: By, person: User, album_id: int, *, days: int | None, password: str, may_upload: bool
) -> tuple[PublicLink, str]:
    """A new link to one's own album and, this once, its token; ``days`` None is for good.  Raises Invalid."""
    album = service.own(session, person, album_id)
    problems: dict[str, Message | str] = {}
    if days is not None and days not in DAYS:
        problems["days"] = N_("Choose how long the link holds.")
    if password and not SHORTEST_PASSWORD <= len(password) <= passwords.LONGEST:
        problems["password"] = Message(N_("Use at least {shortest} characters."), {"shortest": SHORTEST_PASSWORD})
    if album.filter is not None:  # what matches is each viewer's own question; a guest has none
        problems["days"] = N_("This album fills itself. Put its photos in another album to show them to guests.")
    if (session.scalar(select(func.count()).where(PublicLink.album_id == album.id)) or 0) >= MOST:
        problems["days"] = N_("There are too many links to this album already. End one of them.")
    if problems:
        raise Invalid(problems)
    token = secrets.token_urlsafe(16)
    link = PublicLink(
        token_hash=_hash(token),
        album_id=album.id,
        user_id=person.id,
        password_hash=passwords.make_hash(password) if password else "",
        may_upload=may_upload,
        expires=now() + timedelta(days=days) if days else None,
    )
    session.add(link)
    session.flush()
    note(
        session,
        by,
        "link_created",
        N_("{name} made a link to the album “{album}”."),
        name=person.name,
        album=album.title,
    )
    return link, token


def listing(session: Session, person: User, album_id: int) -> Sequence[PublicLink]:
    """The links to one's own album, newest first.  Raises NotFound."""
    album = service.own(session, person, album_id)
    return session.scalars(
        select(PublicLink).where(PublicLink.album_id == album.id).order_by(PublicLink.id.desc())
    ).all()


def end(session: Session, by: By, person: User, album_id: int, link_id: int) -> None:
    """From now on the link leads nowhere.  Raises NotFound."""
    album = service.own(session, person, album_id)
    link = session.get(PublicLink, link_id)
    if link is None or link.album_id != album.id:
        raise NotFound(what="link")
    session.delete(link)
    note(
        session,
        by,
        "link_ended",
        N_("{name} ended a link to the album “{album}”."),
        name=person.name,
        album=album.title,
    )


def opened(session: Session, token: str) -> Opened:
    """What a token leads to.  Raises NotFound for one that never was, is over, or whose album or owner is gone."""
    row = session.execute(
        select(PublicLink, Album, User)
        .join(Album, Album.id == PublicLink.album_id)
        .join(User, User.id == Album.user_id)
        .where(PublicLink.token_hash == _hash(token), Album.deleted.is_(None), User.state == UserState.ACTIVE)
        .where(PublicLink.user_id == Album.user_id)
    ).first()
    if row is None or (row[0].expires is not None and row[0].expires <= clock.read().likely):
        raise NotFound(what="link")
    return Opened(*row)


def unlock(db: Database, link: PublicLink, password: str, address: str) -> None:
    """Raises WrongLinkPassword, or TooManyGuesses.  The hash is computed while nothing waits for the database."""
    keys = [throttle.source(address, "guest"), f"link:{link.id}"]
    with db.reading() as session:
        throttle.check(session, keys)
    right = passwords.matches(link.password_hash, password)
    with db.writing() as session:
        if right:
            throttle.forgive(session, keys[0])
        else:
            throttle.failed(session, keys)
    if not right:
        raise WrongLinkPassword({"password": N_("This is not the password of this album.")})


def is_stale(link: PublicLink) -> bool:
    """Whether ``touch`` is due."""
    return link.last_used is None or abs(now() - link.last_used) >= TOUCH_EVERY


def touch(session: Session, link_id: int) -> None:
    """Write down that a link is in use."""
    if row := session.get(PublicLink, link_id):
        row.last_used = now()


def proof(link: PublicLink) -> str:
    """Changes with the password; a browser that has shown it keeps this, signed."""
    return hashlib.sha256(f"{link.id}:{link.password_hash}".encode()).hexdigest()[:32]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
