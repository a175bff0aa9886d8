"""What belongs together is shown as one, the rest is a step away, and nothing is lost when one of them goes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from appliance.errors import Invalid, NotFound
from appliance.library import groupings, stacks, timeline
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


def test_halves_that_carry_the_same_word_are_one_wherever_they_lie(session: Session) -> None:
    picture = store(session, "IMG_1.HEIC", content_id="A-1")
    film = store(session, "RPReplay.MOV", 60, content_id="A-1", **VIDEO)
    store(session, "other.MOV", 60, content_id="A-2", **VIDEO)
    store(session, "cleos.MOV", 60, content_id="A-1", **(VIDEO | {"owner": "cleo"}))
    assert inside(session, film) == [picture, film] and (picture, "live") in shown(session)


def test_a_group_is_taken_apart_and_stays_so_until_it_is_put_together(session: Session) -> None:
    camera = {"camera": "Z6", "width": 10, "height": 10}
    ids = [store(session, f"B{n}.JPG", n * 0.5, likeness=BITS ^ n, **camera) for n in range(4)]
    ben = person(session, "ben")
    groupings.take_out(session, ben, ids[0])
    assert shown(session) == [(ids[0], ""), (ids[1], "burst")] and inside(session, ids[3]) == ids[1:]
    assert groupings.take_apart(session, ben, ids[2]) == 3
    stacks.join(session, ids[1])  # its preview is made anew
    assert shown(session) == [(each, "") for each in ids]
    assert groupings.put_together(session, ben, [ids[3], ids[1]]) == 2
    assert shown(session) == [(ids[0], ""), (ids[1], "said"), (ids[2], "")]
    more = store(session, "B9.JPG", 1, likeness=BITS, **camera)  # a new one joins no group that somebody made
    assert inside(session, more) == []
    assert groupings.put_together(session, ben, [ids[1], ids[0]]) == 3  # with what is under the one that is shown
    groupings.guess(session, ben, ids[0])
    assert inside(session, ids[0]) == [ids[0], ids[1], more, ids[3]]
    sound(session)


def test_only_ones_own_photos_are_grouped(session: Session) -> None:
    mine, hers = store(session, "a.JPG"), store(session, "b.JPG", owner="cleo")
    ben = person(session, "ben")
    with pytest.raises(Invalid):
        groupings.put_together(session, ben, [mine, hers])
    for act in (groupings.take_apart, groupings.take_out, groupings.guess):
        with pytest.raises(NotFound):
            act(session, ben, hers)
    with pytest.raises(NotFound):
        groupings.take_apart(session, ben, mine)
