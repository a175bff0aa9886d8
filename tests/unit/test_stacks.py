"""What belongs together is shown as one, the rest is a step away, and nothing is lost when one of them goes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from appliance.library import stacks, timeline
from appliance.library.models import Media, MediaKind, StoredFile
from tests.unit.test_search import add, found, person, session, sound

__all__ = ["session"]
MOMENT = datetime(2024, 5, 4, 10, 11, 12, tzinfo=UTC)
BITS = 0x0F0F_1234_5678_9ABC
VIDEO: dict[str, Any] = {"kind": MediaKind.VIDEO, "seconds": 2.5}


def store(session: Session, name: str, after: float = 0, **facts: Any) -> int:
    """A photo whose preview has just been made."""
    photo = add(session, name, taken=MOMENT + timedelta(seconds=after), **facts)
    stacks.join(session, photo)
    return photo


def shown(session: Session) -> list[tuple[int, str]]:
    session.expire_all()
    return sorted((item.id, item.stack) for item in timeline.page(session, person(session, "ben").id))


def inside(session: Session, photo: int) -> list[int]:
    return [item.id for item in stacks.together(session, person(session, "ben"), photo)]


@pytest.mark.parametrize("first", ["picture", "film"])
def test_a_live_photo_is_one_whichever_half_came_first(session: Session, first: str) -> None:
    halves = {"picture": ("IMG_1.HEIC", {}), "film": ("IMG_1.MOV", VIDEO)}
    order = [first, *({*halves} - {first})]
    ids = {half: store(session, halves[half][0], **halves[half][1]) for half in order}
    assert shown(session) == [(ids["picture"], "live")]
    assert set(inside(session, ids["film"])) == set(ids.values())
    assert found(session, kind="live") == [ids["picture"]] and found(session, kind="video") == [ids["film"]]
    session.execute(delete(StoredFile).where(StoredFile.name == b"IMG_1.HEIC"))
    assert shown(session) == [(ids["film"], "")]
    sound(session)


def test_raw_and_jpeg_and_film_are_one(session: Session) -> None:
    raw, jpeg, film = store(session, "A.CR2"), store(session, "A.JPG"), store(session, "A.MOV", 3, **VIDEO)
    assert shown(session) == [(jpeg, "live")] and set(inside(session, raw)) == {raw, jpeg, film}
    assert found(session, kind="raw") == [raw]


@pytest.mark.parametrize(
    ("name", "after", "facts"),
    [
        ("IMG_2.MOV", 0, VIDEO),  # another name
        ("IMG_1.MOV", 60, VIDEO),  # another time
        ("IMG_1.MOV", 0, {"kind": MediaKind.VIDEO, "seconds": 60.0}),  # a real film
        ("IMG_1.PNG", 0, {}),  # two pictures are two pictures
        ("IMG_1.MOV", 0, VIDEO | {"owner": "cleo"}),  # somebody else's
        ("IMG_1_2.CR2", 0, {}),
    ],
)
def test_what_only_seems_to_belong_stays_apart(session: Session, name: str, after: int, facts: dict[str, Any]) -> None:
    picture, other = store(session, "IMG_1.JPG"), store(session, name, after, **facts)
    assert inside(session, picture) == [] and inside(session, other) == []


def test_a_burst_is_one_and_grows(session: Session) -> None:
    camera = {"camera": "Z6", "width": 10, "height": 10}
    ids = [store(session, f"B{n}.JPG", n * 0.5, likeness=BITS ^ n, **camera) for n in range(6)]
    far = store(session, "C.JPG", 30, likeness=BITS, **camera)
    unlike = store(session, "D.JPG", 1, likeness=~BITS, **camera)
    other = store(session, "E.JPG", 1, likeness=BITS, camera="X", width=10, height=10)
    small = store(session, "F.JPG", 1, likeness=BITS, camera="Z6", width=5, height=5)
    assert shown(session) == [(ids[0], "burst"), *((each, "") for each in (far, unlike, other, small))]
    assert inside(session, ids[3]) == ids
    stacks.join(session, ids[0])  # its preview is made anew
    assert {item for item, _ in shown(session)} & set(ids) and len(inside(session, ids[3])) >= 5
    sound(session)


def test_copies_of_the_same_bytes_are_no_burst(session: Session) -> None:
    camera = {"camera": "Z6", "width": 10, "height": 10, "likeness": BITS}
    one, other = store(session, "a.JPG", **camera), store(session, "b.JPG", **camera)
    for file in session.scalars(select(StoredFile)):
        file.digest = b"same"
    session.flush()
    stacks.join(session, one)
    stacks.join(session, other)
    assert len(shown(session)) == 2


def test_a_program_that_counts_is_told_each(session: Session) -> None:
    store(session, "A.CR2"), store(session, "A.JPG")
    assert len(timeline.every(session, person(session, "ben").id)) == 2 == len(session.scalars(select(Media.id)).all())
