"""The photos before and after one among the hits of a search, in the order of its pages."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from appliance.library import facets, search
from appliance.library.filters import Filter, fact, question
from appliance.library.timeline import Item
from appliance.people.models import User

LOOKS = 20  # at stretches of hits that may not be shown
_UP = text(
    "SELECT rowid FROM media_search WHERE media_search MATCH :asked AND rowid > :after AND rowid < :before "
    "AND rowid >= :least ORDER BY rowid LIMIT :most"
)


def in_search(session: Session, viewer: User, chosen: Filter, item: Item, most: int) -> tuple[list[int], int | None]:
    """Up to ``most`` newer hits, the nearest first, and the next older one."""
    key = facets.key_of(item.taken.timestamp(), item.id)
    newer = list(_newer(session, viewer, chosen, key, most))
    after: int | None = key
    for _ in range(LOOKS):
        found = search.page(session, viewer, chosen, after, 1)
        if found.items:
            return newer, found.items[0].id
        if (after := found.next) is None:
            break
    return newer, None


def _newer(session: Session, viewer: User, chosen: Filter, key: int, most: int) -> Iterator[int]:
    asked = question(session, chosen, viewer)
    if asked is None:
        return
    top = "" if chosen.kind else fact(facets.TOP)
    whole = " AND ".join(filter(None, [asked, top, search.seen_by(session, viewer)]))
    least, before = search.stretch(session, chosen)
    for _ in range(LOOKS):
        limit = most
        wanted = {"asked": whole, "after": key, "before": before, "least": least, "most": limit}
        keys = list(session.scalars(_UP, wanted))
        for found in search.items_of(session, viewer, keys, alone=chosen.only_one_copy)[:most]:
            yield found.id
            most -= 1
        if len(keys) < limit or most <= 0:
            return
        key = keys[-1]
