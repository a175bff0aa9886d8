"""Whose drive is it?  Every sign that can disagree, and the words for it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from appliance.drives import marker
from appliance.drives.identity import Verdict, VerdictKind, verdict
from appliance.drives.inventory import Found, Inventory
from appliance.drives.models import Drive, DriveRole, DriveState, PowerState

OURS = {
    "marker_id": "m1",
    "station_id": "home",
    "role": "hot",
    "number": 1,
    "filesystem_uuid": "u1",
    "name": "The blue drive",
    "written": "2026-11-22",
    "format": 1,
}


def drive(**more: Any) -> Drive:
    """A row."""
    facts: dict[str, Any] = {
        "id": 1,
        "marker_id": "m1",
        "role": DriveRole.HOT,
        "number": 1,
        "name": "The blue drive",
        "colour": "blue",
        "state": DriveState.ACTIVE,
        "filesystem": "ext4",
        "filesystem_uuid": "u1",
        "serial": "S1",
        "size": 10**12,
        "power_state": PowerState.OFF,
    }
    return Drive(**(facts | more))


def found(**more: Any) -> Found:
    """A drive of ours that is plugged in."""
    facts: dict[str, Any] = {
        "device": "sda1",
        "disk": "sda",
        "sequence": 7,
        "model": "Ultra",
        "serial": "S1",
        "size": 10**12,
        "filesystem": "ext4",
        "filesystem_uuid": "u1",
        "marker": OURS,
    }
    return Found(**(facts | more))


def judge(one: Found, *others: Found, drives: list[Drive] | None = None) -> Verdict:
    """The verdict on the first."""
    return verdict(one, Inventory((one, *others)), [drive()] if drives is None else drives, {"home"})


BLANK = {"marker": None, "filesystem_uuid": "u9", "serial": "S9"}


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({}, VerdictKind.OURS),
        ({"marker": OURS | {"station_id": "elsewhere"}}, VerdictKind.FOREIGN),
        ({"filesystem_uuid": "u2"}, VerdictKind.CLONED),
        ({"marker": OURS | {"filesystem_uuid": "u2"}}, VerdictKind.CLONED),
        ({"serial": "S2"}, VerdictKind.WRONG),
        ({"serial": ""}, VerdictKind.OURS),
        ({"marker": None}, VerdictKind.WRONG),
        ({"dirty": True}, VerdictKind.DIRTY),
        ({"problem": "I/O error"}, VerdictKind.UNREADABLE),
        ({"problem": "I/O error", "unfinished": True, "marker": None}, VerdictKind.OURS),
        ({"problem": "I/O error", "unfinished": True, "marker": None, "serial": "S2"}, VerdictKind.UNREADABLE),
        ({"system": "it is in use at /"}, VerdictKind.IN_USE_BY_SYSTEM),
        ({"size": 10**6}, VerdictKind.TOO_SMALL),
        ({"busy": True, "marker": None}, VerdictKind.BUSY),
        ({"marker": OURS | {"marker_id": "m9"}}, VerdictKind.FREE),
        (BLANK, VerdictKind.FREE),
        (BLANK | {"filesystem": ""}, VerdictKind.FREE),
        (BLANK | {"filesystem": "vfat"}, VerdictKind.FREE),
        (BLANK | {"dirty": True}, VerdictKind.DIRTY),
        (BLANK | {"read_only": True}, VerdictKind.UNSUITABLE),
    ],
)
def test_every_sign_has_its_verdict_with_words_and_a_next_step(facts: dict[str, Any], kind: VerdictKind) -> None:
    judged = judge(found(**facts))
    assert judged.kind is kind
    assert str(judged.message) and str(judged.hint)
    assert judged.refused == (kind not in (VerdictKind.OURS, VerdictKind.FREE))
    assert not (judged.refused and judged.can_adopt)


def test_fat_and_unknown_drives_can_only_be_used_after_erasing() -> None:
    for filesystem in ("vfat", "hfsplus", ""):
        judged = judge(found(**BLANK, filesystem=filesystem))
        assert judged.can_format and not judged.can_adopt


def test_of_two_with_one_marker_the_one_in_use_is_the_original() -> None:
    used, twin = found(mounted_as="HOT-1"), found(device="sdb1", disk="sdb")
    assert judge(used, twin).kind is VerdictKind.OURS
    assert judge(twin, used).kind is VerdictKind.CLONED


def test_of_two_with_one_marker_the_serial_tells_which() -> None:
    one, twin = found(), found(device="sdb1", disk="sdb", serial="S2")
    assert (judge(one, twin).kind, judge(twin, one).kind) == (VerdictKind.OURS, VerdictKind.CLONED)


def test_of_two_that_cannot_be_told_apart_neither_is_used() -> None:
    one, twin = found(serial=""), found(device="sdb1", disk="sdb", serial="")
    assert (judge(one, twin).kind, judge(twin, one).kind) == (VerdictKind.CLONED, VerdictKind.CLONED)
    same = replace(twin, serial="S1")
    assert judge(found(), same).kind is VerdictKind.CLONED


def test_a_retired_drive_is_not_used_again_by_itself() -> None:
    judged = judge(found(), drives=[drive(state=DriveState.RETIRED)])
    assert judged.kind is VerdictKind.RETIRED and judged.can_format and not judged.can_adopt


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=60)
@given(some.dictionaries(some.sampled_from(sorted(OURS)), JSON))
def test_a_hostile_marker_is_good_or_none_and_never_an_error(changed: dict[str, Any]) -> None:
    mark = marker.parse(OURS | changed)
    if mark is not None:
        assert mark.tag.startswith(("HOT-", "COLD-")) and mark.number >= 1 and len(mark.name) <= 200
    judge(found(marker=OURS | changed))
