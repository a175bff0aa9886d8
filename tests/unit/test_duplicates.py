"""Photos that look the same: found through the real preview worker, shown only to whom they may be, never deleted."""

import io
import random
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image, ImageDraw
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.library import duplicates, likeness
from appliance.library.models import BinnedFile, LikenessBucket, LikenessPair, Media
from appliance.places import Places
from tests.browsers import Browser
from tests.callers import Caller
from tests.hot_drive import hand_over
from tests.unit.test_library_pages import prepare, stored
from tests.unit.test_search import add, person, session

__all__ = ["session"]


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    """An empty HOT drive."""
    return hand_over(db, places, tmp_path / "hot")


def picture(seed: int, size: tuple[int, int] = (800, 600), quality: int = 90, kind: str = "JPEG") -> bytes:
    """Large shapes, the same for the same seed."""
    dice = random.Random(seed)
    image = Image.new("RGB", (800, 600), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, w = dice.randrange(700), dice.randrange(500), dice.randrange(60, 300)
        draw.ellipse((x, y, x + w, y + w), fill=tuple(dice.randrange(256) for _ in range(3)))
    out = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(out, kind, quality=quality)
    return out.getvalue()


def test_smaller_and_worse_copies_are_found_and_other_pictures_are_not(
    app: Flask, admin: Caller, db: Database, places: Places, hot: Mount
) -> None:
    large = stored(admin, "a.jpg", picture(1))
    small = stored(admin, "b.jpg", picture(1, (400, 300), 40))
    other_kind = stored(admin, "c.png", picture(1, kind="PNG"))
    for seed in range(2, 12):
        stored(admin, f"{seed}.jpg", picture(seed))
    stored(admin, "white.png", one_colour("white"))
    stored(admin, "black.png", one_colour("black"))
    prepare(db, places)
    with db.reading() as reading:
        found, _ = duplicates.groups(reading, admin.user)
        assert [{look.id for look in group.looks} for group in found] == [{large, small, other_kind}]
        assert found[0].looks[-1].id == small and not found[0].is_exact
    _look_at_the_page(app, admin, db, hot, small)


def one_colour(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(out, "PNG")
    return out.getvalue()


def _look_at_the_page(app: Flask, admin: Caller, db: Database, hot: Mount, small: int) -> None:
    """One goes to the bin, the rest is said to be different; nothing else has happened."""
    browser = Browser(app, admin.user.name)
    page = browser.get("/photos/duplicates").text
    assert page.count("Suggested to keep") == 1 and page.count("Into the bin") == 2
    browser.post("/photos/duplicates/bin", id=str(small))
    with db.reading() as reading:
        assert reading.get(Media, small) is None and len(reading.scalars(select(BinnedFile)).all()) == 1
        (group,), _ = duplicates.groups(reading, admin.user)
    browser.post("/photos/duplicates/different", ids=[str(look.id) for look in group.looks])
    assert "No two photos look the same." in browser.get("/photos/duplicates").text


def _alike(session: Session, name: str, bits: int, **facts: Any) -> int:
    photo = add(session, name, likeness=bits, **facts)
    likeness.note(session, photo)
    return photo


def test_every_pair_of_three_bits_is_found_among_thousands(session: Session) -> None:
    dice = random.Random(3)
    for number in range(300):
        _alike(session, f"{number}.jpg", dice.getrandbits(64) - 2**63)
    first = dice.getrandbits(63)
    one = _alike(session, "one.jpg", first)
    for number in range(30):
        flipped = first
        for bit in dice.sample(range(63), 3):
            flipped ^= 1 << bit
        near = _alike(session, f"near{number}.jpg", flipped)
        assert session.get(LikenessPair, (near, one)) is not None


def test_the_sign_of_a_number_is_a_bit_like_others() -> None:
    assert likeness.distance(-1, 2**63 - 1) == 1 and likeness.distance(-1, 0) == 64
    assert len(set(likeness.buckets(-2))) == 4 and not likeness.is_telling(0) and not likeness.is_telling(-1)


def test_nobody_is_told_of_a_photo_that_is_not_theirs_to_see(session: Session) -> None:
    bits = 0x0F0F_1234_5678_9ABC
    mine = _alike(session, "1.jpg", bits)
    theirs = _alike(session, "2.jpg", bits, owner="cleo")
    assert duplicates.groups(session, person(session, "ben"))[0] == []
    shared = _alike(session, "3.jpg", bits, owner="cleo", shared=True)
    (group,), _ = duplicates.groups(session, person(session, "ben"))
    assert {look.id for look in group.looks} == {mine, shared}
    duplicates.say_different(session, person(session, "anna"), [mine, shared, theirs])  # none of them is hers
    assert duplicates.groups(session, person(session, "ben"))[0] != []
    duplicates.say_different(session, person(session, "ben"), [mine, shared])
    assert duplicates.groups(session, person(session, "ben"))[0] == []
    likeness.note(session, mine)  # a preview that is made anew asks nobody again
    assert duplicates.groups(session, person(session, "ben"))[0] == []
    (group,), _ = duplicates.groups(session, person(session, "cleo"))
    assert {look.id for look in group.looks} == {theirs, shared}


def test_pages_split_no_group_and_end(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "PAIRS", 4)
    dice, ids = random.Random(5), set()
    for number in range(6):
        bits = dice.getrandbits(63)
        ids |= {frozenset((_alike(session, f"a{number}", bits), _alike(session, f"b{number}", bits)))}
    seen, before = [], None
    while True:
        found, before = duplicates.groups(session, person(session, "ben"), before)
        seen += [frozenset(look.id for look in group.looks) for group in found]
        if before is None:
            break
    assert len(seen) == 6 and set(seen) == ids


def test_what_goes_takes_its_pairs_along(session: Session) -> None:
    _alike(session, "1.jpg", 0x0F0F_1234_5678_9ABC)
    _alike(session, "2.jpg", 0x0F0F_1234_5678_9ABC)
    assert session.scalar(select(LikenessPair.distance)) == 0
    session.execute(delete(Media))
    assert session.scalars(select(LikenessPair)).all() == [] and session.scalars(select(LikenessBucket)).all() == []
