"""A card that was copied or brought back from a backup is noticed by the drives; what only looks like it is not."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from appliance import identity, starts
from appliance.drives import meeting
from appliance.drives.layout import STATION_COPY
from appliance.drives.meeting import Doubt
from appliance.drives.mounts import Mount
from appliance.places import Places
from appliance.starts import Start


class Box:
    """A station as far as this matters: its card, and what it does at a start."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(folder / "data", folder / "run")
        self.places.data.mkdir(parents=True)
        self.places.run.mkdir()

    def start(self) -> "Box":
        """Power on: the run folder is empty, the start is noted."""
        shutil.rmtree(self.places.run)
        self.places.run.mkdir()
        starts.begin(self.places)
        return self

    def copied_to(self, folder: Path) -> "Box":
        """Its card as it is now, in another box or in a drawer."""
        folder.mkdir()
        shutil.copytree(self.places.data, folder / "data")
        other = Box.__new__(Box)
        other.places = Places(folder / "data", folder / "run")
        other.places.run.mkdir()
        return other

    def meet(self, drive: Mount) -> Doubt | None:
        """The drive is plugged in."""
        return meeting.meet(self.places, drive)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    made = Box(tmp_path / "box")
    identity.create(made.places)
    return made.start()


def drive_at(path: Path, number: int = 1) -> Mount:
    path.mkdir()
    return Mount(number, f"HOT-{number}", "Blue", "blue", path, path.stat().st_dev, "ext4", "u", f"m{number}", False)


@pytest.fixture
def blue(tmp_path: Path) -> Mount:
    return drive_at(tmp_path / "blue")


def test_one_station_and_its_drive_meet_again_and_again(box: Box, blue: Mount) -> None:
    for _ in range(5):
        assert box.meet(blue) is None and box.meet(blue) is None
        box.start()
    assert meeting.doubts(box.places) == {}


def test_a_card_from_an_old_backup_is_told_by_the_drive(box: Box, blue: Mount, tmp_path: Path) -> None:
    box.meet(blue)
    backup = box.copied_to(tmp_path / "drawer")
    box.start().meet(blue)
    box.start().meet(blue)
    before = (blue.path / STATION_COPY / meeting.NAME).read_bytes()
    assert backup.start().meet(blue) is Doubt.OLDER
    assert (blue.path / STATION_COPY / meeting.NAME).read_bytes() == before, "nobody has decided yet"
    for _ in range(5):  # it does not grow out of it
        assert backup.start().meet(blue) in (Doubt.OLDER, Doubt.COPIED)


def test_two_cards_in_turn_on_one_drive_notice_each_other(box: Box, blue: Mount, tmp_path: Path) -> None:
    box.meet(blue)
    twin = box.copied_to(tmp_path / "twin")
    box.start().meet(blue)
    assert twin.start().meet(blue) is Doubt.COPIED, "the same number, another mark"
    twin.start()
    assert twin.start().meet(blue) is Doubt.COPIED, "also when it has started more often"
    assert box.start().meet(blue) is None, "the one whose drive it is sees nothing, as nothing was done"


def test_a_drive_that_only_the_copy_has_met_tells_the_original(box: Box, blue: Mount, tmp_path: Path) -> None:
    twin = box.copied_to(tmp_path / "twin").start()
    twin.meet(blue)
    box.start()
    assert box.start().meet(blue) is Doubt.COPIED


def test_who_is_said_to_be_the_right_one_goes_on_and_the_other_is_told(box: Box, blue: Mount, tmp_path: Path) -> None:
    red = drive_at(tmp_path / "red", 2)
    backup = box.copied_to(tmp_path / "drawer")
    for drive in (blue, red):
        box.start().meet(drive)
    backup.start().meet(blue)
    backup.meet(red)
    meeting.settle(backup.places, [blue])
    assert meeting.doubts(backup.places) == {} and backup.meet(blue) is None
    assert backup.start().meet(red) is None, "a drive that comes later, or hung in a drawer, is believed too"
    assert box.meet(blue) in (Doubt.OLDER, Doubt.COPIED) and box.start().meet(blue) in (Doubt.OLDER, Doubt.COPIED)


def test_an_old_box_that_comes_back_after_a_new_one_moved_in(box: Box, blue: Mount, tmp_path: Path) -> None:
    box.meet(blue)
    new = Box(tmp_path / "new")
    identity.create(new.places)
    identity.take_place_of(new.places, identity.load(box.places).station_id)
    assert new.start().meet(blue) is None
    assert new.start().meet(blue) is None
    assert box.start().meet(blue) is Doubt.TAKEN


def test_a_card_written_anew_believes_each_drive_once_and_then_never_again(
    box: Box, blue: Mount, tmp_path: Path
) -> None:
    red = drive_at(tmp_path / "red", 2)
    for drive in (blue, red):
        box.start().meet(drive)
    again = Box(tmp_path / "again")
    shutil.copy(box.places.identity, again.places.identity)  # the same image
    assert again.start().meet(blue) is Doubt.OLDER, "nobody has moved in yet"
    identity.take_place_of(again.places, identity.load(box.places).station_id)
    starts.inherit(again.places)
    assert identity.load(again.places).former == ()
    assert again.meet(blue) is None and again.start().meet(red) is None
    assert box.start().meet(blue) is not None
    assert again.start().meet(blue) is None
    meeting.settle(box.places, [blue])
    assert again.start().meet(blue) is not None, "the old card is in use again"


# ---- what only looks like it ----


def test_a_drive_that_was_away_for_years_is_no_matter(box: Box, blue: Mount) -> None:
    box.meet(blue)
    for _ in range(40):
        box.start()
    assert box.meet(blue) is None
    with mock.patch.object(starts, "KEPT", 10):  # so long that its start is no longer remembered
        for _ in range(30):
            box.start()
        assert box.meet(blue) is None


def test_a_drive_that_was_brought_back_from_an_image_of_it_is_no_matter(box: Box, blue: Mount) -> None:
    box.meet(blue)
    note = blue.path / STATION_COPY / meeting.NAME
    old = note.read_bytes()
    for _ in range(3):
        box.start().meet(blue)
    note.write_bytes(old)
    assert box.start().meet(blue) is None


@pytest.mark.parametrize("year", ["1970", "2099"])
def test_no_clock_is_asked(box: Box, blue: Mount, year: str, monkeypatch: pytest.MonkeyPatch) -> None:
    box.meet(blue)
    moment = 0.0 if year == "1970" else 4_070_908_800.0
    monkeypatch.setattr("time.time", lambda: moment)
    assert box.start().meet(blue) is None


@contextmanager
def power_cut_at(write: int) -> Iterator[None]:
    """The n-th file that is replaced is not, and nothing after it happens."""
    done, real = 0, starts.write_atomically

    def cut(path: Path, content: bytes, mode: int = 0o600) -> None:
        nonlocal done
        done += 1
        if done == write:
            raise PowerCut
        real(path, content, mode)

    with mock.patch.object(starts, "write_atomically", cut), mock.patch.object(meeting, "write_atomically", cut):
        try:
            yield
        except PowerCut:
            return
    raise AssertionError("there are fewer writes than that")


class PowerCut(BaseException):
    """Nobody catches it."""


@pytest.mark.parametrize("write", [1, 2, 3])
def test_a_power_cut_between_card_and_drive_is_no_matter(box: Box, blue: Mount, write: int) -> None:
    """The card's note, the run folder's, the drive's: the three writes of a start that meets a drive."""
    box.meet(blue)
    for _ in range(3):
        with power_cut_at(write):
            box.start().meet(blue)
        assert box.start().meet(blue) is None


def test_a_card_that_takes_nothing_any_more_goes_on_with_what_it_said(
    box: Box, blue: Mount, caplog: pytest.LogCaptureFixture
) -> None:
    box.meet(blue)
    with mock.patch.object(starts, "write_atomically", side_effect=OSError(30, "Read-only file system")):
        for _ in range(3):
            assert box.start().meet(blue) is None
    assert box.start().meet(blue) is None, "and later, when it takes notes again"
    assert "could not be noted" in caplog.text


@pytest.mark.parametrize("nonsense", [b"", b"{", b"[]", b'{"number": "x"}', b"\xff" * 9000])
def test_a_note_that_makes_no_sense_is_written_anew(box: Box, blue: Mount, nonsense: bytes) -> None:
    box.meet(blue)
    (blue.path / STATION_COPY / meeting.NAME).write_bytes(nonsense)
    assert box.meet(blue) is None
    assert meeting.read(blue.path) is not None


def test_the_note_of_another_life_of_a_drive_says_nothing(box: Box, blue: Mount, tmp_path: Path) -> None:
    """A drive that another station let go of and that was handed over here with its files."""
    other = Box(tmp_path / "other")
    identity.create(other.places)
    other.start().meet(replace(blue, marker_id="its-earlier-one"))
    assert box.meet(blue) is None


def test_a_version_from_before_has_left_no_note(box: Box, blue: Mount) -> None:
    (box.places.data / "starts.json").unlink()
    assert box.meet(blue) is None and meeting.read(blue.path) is None
    assert box.start().meet(blue) is None and meeting.read(blue.path) is not None


def test_a_read_only_drive_is_asked_and_left_as_it_is(box: Box, blue: Mount) -> None:
    assert box.meet(replace(blue, read_only=True)) is None
    assert not (blue.path / STATION_COPY).exists()


def test_numbers_that_were_skipped_belong_to_nobody(box: Box) -> None:
    starts.believe(box.places, [Start(9, "theirs")])
    known = starts.load(box.places)
    assert known.number == 10 and known.was_not(Start(5, "a copy's")) and known.believes(Start(9, "theirs"), "m")
    assert json.loads((box.places.data / "starts.json").read_text())["number"] == 10
