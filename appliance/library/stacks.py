"""Photos that belong together are shown as one: a Live Photo and its film, RAW and JPEG, a burst.

One of them is shown; the others name it (``Media.stack_id``) and are a step away in the viewer.  Files are not touched,
and nobody loses anything when the guess is wrong.  Decided when a preview is made, when all that it takes is known.

What their owner says counts more than the guess (``Media.grouping``, in the file beside the photo): alone, or with all
of the same word.  Halves of a Live Photo carry the same identifier, whatever they are called and wherever they lie.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session

from appliance.library import likeness, visible
from appliance.library.models import Media, MediaKind, StoredFile
from appliance.library.notes import ALONE
from appliance.library.timeline import Item
from appliance.people.models import User

RAW = frozenset(
    {
        "dng",
        "cr2",
        "cr3",
        "crw",
        "nef",
        "nrw",
        "arw",
        "sr2",
        "srf",
        "raf",
        "orf",
        "rw2",
        "pef",
        "srw",
        "raw",
        "rwl",
        "iiq",
        "3fr",
        "erf",
        "mrw",
        "x3f",
    }
)
LIVE, WITH_RAW, BURST, SAID = "live", "raw", "burst", "said"
TOGETHER = timedelta(seconds=15)  # a phone notes the picture's and the film's moment a little apart
LONGEST_LIVE_S = 10.0
BURST_GAP = timedelta(seconds=1)
BURST_ALIKE = 12  # bits that may differ between neighbours of a burst
MOST = 200


class _One(NamedTuple):
    """What decides."""

    id: int
    user_id: int
    kind: MediaKind
    taken: Any
    seconds: float | None
    camera: str
    width: int | None
    height: int | None
    likeness: int | None
    stack_id: int | None
    stack: str
    grouping: str
    content_id: str | None
    folder_id: int
    name: bytes
    digest: bytes | None

    @property
    def is_raw(self) -> bool:
        return self.name.rpartition(b".")[2].decode("utf-8", "replace").lower() in RAW

    @property
    def is_video(self) -> bool:
        return self.kind is MediaKind.VIDEO

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """The one to show has the lowest: a picture every browser knows, then RAW, then a film."""
        return self.is_video, self.is_raw, self.id


_COLUMNS: list[Any] = [getattr(Media, name) for name in _One._fields[:13]]
_COLUMNS += [StoredFile.folder_id, StoredFile.name, StoredFile.digest]
_GUESSED = Media.grouping == ""
_QUERY: Select[Any] = select(*_COLUMNS).join(StoredFile, StoredFile.id == Media.file_id).limit(MOST)


def join(session: Session, media_id: int) -> None:
    """Put a photo together with what belongs to it; what was so before is decided anew."""
    before = session.scalars(select(Media.id).where(Media.stack_id == media_id)).all()
    session.execute(update(Media).where(Media.stack_id == media_id).values(stack_id=None))
    session.execute(update(Media).where(Media.id == media_id).values(stack_id=None, stack=""))
    for each in (media_id, *before):
        _join(session, each)


def _join(session: Session, media_id: int) -> None:
    found = _all(session, _QUERY.where(Media.id == media_id))
    if not found:
        return
    one = found[0]
    if one.grouping:
        _as_said(session, one)
        return
    if mates := [*_same_name(session, one), *_same_identifier(session, one)]:
        top = min([one, *mates], key=lambda each: each.rank)
        _put_under(session, top, [each for each in [one, *mates] if each.id != top.id], _kind([one, *mates]))
    if not one.is_video and not one.is_raw and (near := _burst(session, one)):
        first = min([one, *near], key=lambda each: (not each.stack, each.taken, each.id))
        root = next((each.stack_id for each in near if each.stack_id), first.id)
        _gather(session, root, [each.id for each in [one, *near] if each.id != root])


def _as_said(session: Session, one: _One) -> None:
    """As its owner says: by itself, or with all photos of the same word."""
    if one.grouping == ALONE:
        return
    mine = (Media.user_id == one.user_id, Media.grouping == one.grouping)
    together = _all(session, _QUERY.where(*mine))
    if len(together) > 1:
        top = min(together, key=lambda each: each.rank)
        others = [each.id for each in together if each.id != top.id]
        session.execute(update(Media).where(Media.id.in_(others)).values(stack_id=top.id, stack=""))
        kind = LIVE if sorted(each.is_video for each in together) == [False, True] else SAID
        session.execute(update(Media).where(Media.id == top.id).values(stack_id=None, stack=kind))


def _same_identifier(session: Session, one: _One) -> list[_One]:
    """The other half of a Live Photo, by the word that the phone wrote into both."""
    if not one.content_id:
        return []
    same = (Media.content_id == one.content_id, Media.user_id == one.user_id, Media.id != one.id, _GUESSED)
    return [mate for mate in _all(session, _QUERY.where(*same)) if mate.is_video != one.is_video]


def _all(session: Session, query: Select[Any]) -> list[_One]:
    return [_One(*row) for row in session.execute(query)]


def _same_name(session: Session, one: _One) -> list[_One]:
    """Beside it and named alike but for the ending: a film of its moment, or its RAW."""
    stem = one.name.rpartition(b".")[0]
    if not stem:
        return []
    beside = (StoredFile.folder_id == one.folder_id, StoredFile.name > stem + b".", StoredFile.name < stem + b"/")
    rows = _all(session, _QUERY.where(*beside, Media.user_id == one.user_id, Media.id != one.id, _GUESSED))
    return [mate for mate in rows if _belong(one, mate)]


def _belong(one: _One, other: _One) -> bool:
    if one.is_video != other.is_video:
        film = one if one.is_video else other
        return abs(one.taken - other.taken) <= TOGETHER and (film.seconds or 0) <= LONGEST_LIVE_S
    return not one.is_video and one.is_raw != other.is_raw


def _kind(together: Sequence[_One]) -> str:
    return LIVE if any(each.is_video for each in together) else WITH_RAW


def _burst(session: Session, one: _One) -> list[_One]:
    """Of the same camera, size and second, and looking alike; not the same bytes once more."""
    if not one.camera or one.likeness is None or not likeness.is_telling(one.likeness):
        return []
    near = (Media.user_id == one.user_id, Media.taken.between(one.taken - BURST_GAP, one.taken + BURST_GAP))
    alike = (Media.camera == one.camera, Media.kind == MediaKind.PHOTO, Media.likeness.is_not(None), Media.id != one.id)
    return [
        other
        for other in _all(session, _QUERY.where(*near, *alike, _GUESSED))
        if not other.is_raw
        and (other.width, other.height) == (one.width, one.height)
        and (one.digest is None or other.digest != one.digest)
        and likeness.distance(one.likeness, other.likeness or 0) <= BURST_ALIKE
    ]


def _put_under(session: Session, top: _One, others: Sequence[_One], kind: str) -> None:
    root = top.stack_id or top.id
    session.execute(update(Media).where(Media.id.in_([each.id for each in others])).values(stack_id=root, stack=""))
    session.execute(update(Media).where(Media.id == top.id).values(stack=kind))


def _gather(session: Session, root: int, others: Sequence[int]) -> None:
    """All of them, and what is under each, under one."""
    session.execute(update(Media).where(or_(Media.id.in_(others), Media.stack_id.in_(others))).values(stack_id=root))
    session.execute(update(Media).where(Media.id == root).values(stack_id=None))
    session.execute(update(Media).where(Media.id == root, Media.stack == "").values(stack=BURST))


def together(session: Session, viewer: User, media_id: int) -> list[Item]:
    """What is shown as one with this photo and may be seen, itself among them; empty when it is alone."""
    root = session.scalar(select(Media.stack_id).where(Media.id == media_id)) or media_id
    columns: list[Any] = [getattr(Media, name) for name in Item._fields]
    query = select(*columns).where(or_(Media.id == root, Media.stack_id == root), visible.by_person(viewer))
    rows: Sequence[Any] = session.execute(query.order_by(Media.taken, Media.id).limit(MOST)).all()
    return [Item(*row) for row in rows] if len(rows) > 1 else []
