"""Groups of photos that look the same, for somebody to look at: nothing is deleted from here by itself."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from appliance.library import visible
from appliance.library.models import Folder, LikenessPair, Media, MediaKind, PreviewState, StoredFile
from appliance.people.models import User

PAIRS = 300  # of one page


class Look(NamedTuple):
    """One of a group."""

    id: int
    user_id: int
    kind: MediaKind
    width: int | None
    height: int | None
    preview: PreviewState
    title: str
    favourite: bool
    rating: int
    stack_id: int | None
    name: bytes
    size: int
    digest: bytes | None

    @property
    def file_name(self) -> str:
        """For people."""
        return self.name.decode("utf-8", "replace")

    @property
    def worth(self) -> tuple[int, int, int, int]:
        """What to keep first: pixels, then bytes, then what somebody said of it, then the first that came."""
        said = bool(self.title) + self.favourite + bool(self.rating)
        return (self.width or 0) * (self.height or 0), self.size, said, -self.id


@dataclass(frozen=True)
class Group:
    """Photos that look the same, the one to keep first."""

    looks: Sequence[Look]

    @property
    def is_exact(self) -> bool:
        """Whether all hold the same bytes."""
        return self.looks[0].digest is not None and len({look.digest for look in self.looks}) == 1


def groups(session: Session, viewer: User, before: int | None = None) -> tuple[list[Group], int | None]:
    """The groups with the newest photos that this person may see all of, and where the next page begins."""
    query = select(LikenessPair.media_id, LikenessPair.other_id).where(LikenessPair.different.is_(False))
    if before is not None:
        query = query.where(LikenessPair.media_id < before)
    pairs = session.execute(query.order_by(LikenessPair.media_id.desc()).limit(PAIRS)).all()
    if len(pairs) == PAIRS:  # what the last photo belongs to is on the next page, whole
        pairs = [pair for pair in pairs if pair[0] != pairs[-1][0]] or pairs
    looks = _looks(session, viewer, {media_id for pair in pairs for media_id in pair})
    found = [
        Group(sorted((looks[i] for i in together), key=lambda look: look.worth, reverse=True))
        for together in _together(
            (a, b) for a, b in pairs if a in looks and b in looks and not _as_one(looks[a], looks[b])
        )
    ]
    return found, pairs[-1][0] if len(pairs) and _has_more(session, pairs[-1][0]) else None


def _as_one(one: Look, other: Look) -> bool:
    """A burst is shown as one already, and everybody knows that it looks the same."""
    return (one.stack_id or one.id) == (other.stack_id or other.id)


def _has_more(session: Session, media_id: int) -> bool:
    rest = select(LikenessPair.media_id).where(LikenessPair.media_id < media_id, LikenessPair.different.is_(False))
    return session.scalar(rest.limit(1)) is not None


def _looks(session: Session, viewer: User, ids: Collection[int]) -> dict[int, Look]:
    columns = [getattr(Media, name) for name in Look._fields[:10]]
    query = (
        select(*columns, StoredFile.name, StoredFile.size, StoredFile.digest)
        .join(StoredFile, StoredFile.id == Media.file_id)
        .join(Folder, Folder.id == StoredFile.folder_id)
        .where(Media.id.in_(ids), visible.by_person(viewer))
    )
    rows: Sequence[Any] = session.execute(query).all()
    return {row[0]: Look(*row) for row in rows}


def _together(pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    """Sets of what is linked by pairs, in the order of their first pair."""
    sets: dict[int, set[int]] = {}
    for one, other in pairs:
        joined = sets.get(one, {one}) | sets.get(other, {other})
        for each in joined:
            sets[each] = joined
    return list({id(found): found for found in sets.values()}.values())


def say_different(session: Session, person: User, ids: Collection[int]) -> None:
    """These are not the same, whatever they look like; only of pairs in which one is this person's own."""
    own = select(Media.id).where(Media.id.in_(ids), visible.changeable_by(person))
    session.execute(
        update(LikenessPair)
        .where(LikenessPair.media_id.in_(ids), LikenessPair.other_id.in_(ids))
        .where(LikenessPair.media_id.in_(own) | LikenessPair.other_id.in_(own))
        .values(different=True)
    )
