"""On this day: earlier years by the station's calendar, and only what one may see."""

from datetime import UTC, date, datetime
from typing import Any

from flask import Flask
from sqlalchemy.orm import Session

from appliance.db import Database, now
from appliance.drives.models import Drive, DriveRole
from appliance.library import this_day
from appliance.library.models import Folder, PreviewState
from tests.browsers import Browser
from tests.callers import Caller
from tests.unit.test_search import add, person, session

__all__ = ["session"]


def years(session: Session, who: str, today: date) -> list[tuple[int, list[int]]]:
    return [(n, [item.id for item in items]) for n, items in this_day.years(session, person(session, who), 3, today)]


def test_earlier_years_the_nearest_first_and_nothing_of_other_days(session: Session) -> None:
    near = add(session, "a.jpg", taken=datetime(2024, 6, 5, 10, tzinfo=UTC))
    late = add(session, "b.jpg", taken=datetime(2021, 6, 5, 21, tzinfo=UTC))
    early = add(session, "c.jpg", taken=datetime(2021, 6, 5, 1, tzinfo=UTC))
    for moment in (
        datetime(2021, 6, 7, tzinfo=UTC),
        datetime(2021, 6, 3, tzinfo=UTC),
        datetime(2026, 6, 5, tzinfo=UTC),
    ):
        add(session, f"{moment:%s}.jpg", taken=moment)
    theirs = add(session, "d.jpg", owner="cleo", taken=datetime(2023, 6, 5, 10, tzinfo=UTC))
    ours = add(session, "e.jpg", owner="cleo", shared=True, taken=datetime(2022, 6, 5, 10, tzinfo=UTC))
    assert years(session, "ben", date(2026, 6, 5)) == [(2, [near]), (4, [ours]), (5, [late, early])]
    assert years(session, "cleo", date(2026, 6, 5)) == [(3, [theirs]), (4, [ours])]


def test_the_29th_of_february_has_its_own_years(session: Session) -> None:
    leap = add(session, "a.jpg", taken=datetime(2020, 2, 29, 12, tzinfo=UTC))
    add(session, "b.jpg", taken=datetime(2021, 3, 1, 12, tzinfo=UTC))
    assert years(session, "ben", date(2024, 2, 29)) == [(4, [leap])] and years(session, "ben", date(1900, 1, 1)) == []


def test_home_shows_the_day_and_the_page_any_day(app: Flask, admin: Caller, db: Database) -> None:
    today, page = now(), Browser(app, admin.user.name)
    assert "On this day" not in page.get("/").text
    assert "No photo was taken on this day" in page.get("/photos/this-day").text
    then = datetime(today.year - 2, today.month, min(today.day, 28), 12, tzinfo=UTC)
    with db.writing() as writing:
        facts: dict[str, Any] = {
            "marker_id": "m",
            "number": 1,
            "name": "B",
            "filesystem": "ext4",
            "filesystem_uuid": "u",
        }
        writing.add(Drive(role=DriveRole.HOT, colour="blue", size=1, **facts))
        writing.flush()
        writing.add(Folder(id=1, drive_id=1, path=b"Anna"))
        photo = add(writing, "a.jpg", owner=admin.user.name, taken=then, preview=PreviewState.READY)
    shown = page.get(f"/photos/this-day?day={then.replace(year=today.year):%Y-%m-%d}").text
    assert f'href="/photos/{photo}' in shown and "2 years ago" in shown
    assert page.get("/photos/this-day?day=nonsense").status_code == 200
    if today.day <= 28:
        assert "2 years ago" in page.get("/").text
