"""JSON from anywhere becomes typed facts, or an error that names each bad field; nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import Invalid
from appliance.people.models import Role
from appliance.words import Message
from console.api import shapes


@dataclass(frozen=True)
class Inner:
    """Something inside."""

    number: int
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    """One field of every kind."""

    text: str
    role: Role
    inner: Inner
    on: bool = False
    at: datetime | None = None
    day: date | None = None
    many: list[Inner] = field(default_factory=list)
    words: tuple[str, ...] = ()
    free: dict[str, Any] = field(default_factory=dict)
    value: bool | int | str = 0


GOOD: dict[str, Any] = {"text": "a", "role": "admin", "inner": {"number": 1}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800") | st.just(2**63),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ONE = st.fixed_dictionaries({}, optional={f.name: JSON for f in fields(Outer)} | {"other": JSON})


@pytest.fixture(autouse=True)
def _words() -> Iterator[None]:
    """Sentences are said outside a request, too."""
    app = Flask("words")
    from flask_babel import Babel

    Babel(app)
    with app.test_request_context():
        yield


def test_everything_is_given_its_type() -> None:
    more = {"at": "2026-11-30T03:00:00+01:00", "day": "2026-11-30", "many": [{"number": 2, "share": 1}]}
    made = shapes.build(Outer, GOOD | more | {"words": ["x"], "free": {"a": [1, None]}, "value": True, "on": True})
    assert made.role is Role.ADMIN and made.inner == Inner(1) and made.many == [Inner(2, 1.0)]
    assert made.at == datetime(2026, 11, 30, 2, tzinfo=UTC) and made.day == date(2026, 11, 30)
    assert made.words == ("x",) and made.free == {"a": [1, None]} and made.value is True


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"text": None}, "text"),
        ({"text": "x" * 10_001}, "text"),
        ({"role": ["admin"]}, "role"),
        ({"role": {}}, "role"),
        ({"inner": {"number": True}}, "inner.number"),
        ({"inner": {"number": 1.0}}, "inner.number"),
        ({"inner": {"number": 2**63}}, "inner.number"),
        ({"inner": {"number": 1, "share": float("nan")}}, "inner.share"),
        ({"inner": {"number": 1, "share": 10**400}}, "inner.share"),
        ({"many": [{"number": 1}, {}]}, "many.1.number"),
        ({"many": {}}, "many"),
        ({"at": "yesterday"}, "at"),
        ({"at": "0001-01-01T00:00:00+23:00"}, "at"),
        ({"day": "2026-02-30"}, "day"),
        ({"free": {"a": "\udfff"}}, "free.a"),
        ({"free": {"\udfff": 1}}, "free.\udfff"),
        ({"value": None}, "value"),
        ({"value": 1.5}, "value"),
        ({"on": 1}, "on"),
    ],
)
def test_a_bad_value_is_named_by_its_place(change: dict[str, Any], where: str) -> None:
    with pytest.raises(Invalid) as caught:
        shapes.build(Outer, GOOD | change)
    assert set(caught.value.problems) == {where}


@settings(max_examples=300, deadline=None)
@given(JSON | ONE | ONE.map(lambda given: GOOD | given))
def test_no_json_at_all_makes_a_mistake_of_ours(given: object) -> None:
    try:
        made = shapes.build(Outer, given)
    except Invalid as error:
        assert error.problems and error.as_json()["problems"]
    else:
        assert shapes.build(Outer, shapes.dump(made)) == made


def test_a_query_string_is_read_by_the_same_rules() -> None:
    made = shapes.build(Inner, {"number": "7", "share": "0.25"}, text=True)
    assert made == Inner(7, 0.25)
    for bad in ("", "1e3", "٣", "9" * 50, "x"):
        with pytest.raises(Invalid):
            shapes.build(Inner, {"number": bad}, text=True)


def test_sentences_and_bytes_leave_as_text() -> None:
    shown = shapes.dump(
        [Message("{n} files", {"n": 3}), b"caf\xe9", date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)]
    )
    assert shown == ["3 files", "caf\ufffd", "2026-01-02", "2026-01-02T00:00:00Z"]
