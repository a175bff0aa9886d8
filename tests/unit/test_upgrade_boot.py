"""Which slot starts next: both loaders, a power cut between any two writes, and whatever order things happen in."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from appliance.errors import ApplianceError
from appliance.places import Places
from appliance.upgrade import attempt, backend, before, boot, loaders, settle, trial
from appliance.upgrade.attempt import Attempt, Phase
from appliance.upgrade.boot import Boot, NothingWaits, Start, TrialFirst
from appliance.upgrade.loaders import Firmware, Grub, autoboot, bootenv, other
from image.build.contents import APP

KINDS = ("grub", "pi")
EITHER = pytest.mark.parametrize("kind", KINDS)


class PowerCut(BaseException):
    """Nothing is written any more."""


class Box:
    """A machine with two slots and a loader, as far as starting goes.  ``slots`` is what each slot holds."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind, self.selector, self.argument = kind, folder / "selector", folder / "run/reboot-param"
        self.here = Places(folder / "data", folder / "run", folder / "upgrade")
        for place in (self.selector / "everpx", self.here.data, self.here.run):
            place.mkdir(parents=True)
        (self.selector / "everpx/bootenv").write_bytes(bootenv())
        (self.selector / "autoboot.txt").write_text(autoboot())
        self.slots = {"A": "1.0.0", "B": ""}
        self.here.database.write_text("1.0.0:0")
        self.slot, self.on_trial = "A", False

    @property
    def loader(self) -> Grub | Firmware:
        return Grub(self.selector) if self.kind == "grub" else Firmware(self.selector, self.argument)

    @property
    def boot(self) -> Boot:
        return Boot(Start(self.slot, self.on_trial), self.loader, self.here.upgrade)

    @property
    def record(self) -> Attempt:
        record = self.boot.record()
        assert record is not None
        return record

    def restart(self, *, cut: bool = False) -> None:
        """What the loader does; a cut takes everything in memory with it."""
        if cut:
            self.argument.unlink(missing_ok=True)
        loader = self.loader
        armed = loader.armed()
        self.slot, self.on_trial = (armed, True) if armed else (loader.primary(), False)
        if self.kind == "grub" and armed:  # as selector.grub has it: only "try" changes
            env = self.selector / "everpx/bootenv"
            env.write_bytes(env.read_bytes().replace(f"try={armed}\n".encode(), b"try=\n") + b"#")
            assert len(env.read_bytes()) == loaders.GRUBENV_SIZE
        shutil.rmtree(self.here.run)
        self.here.run.mkdir()

    def settle(self) -> None:
        """The first thing of ours, and then the version that was started migrates what it finds."""
        settle.settle(self.boot, self.here, self.slots[self.slot])
        said, _, told = self.here.database.read_text().partition(":")
        assert _number(said) <= _number(self.slots[self.slot]), "an older version never meets a newer database"
        self.here.database.write_text(f"{self.slots[self.slot]}:{told}")

    def install(self, version: str) -> None:
        """As the verb and RAUC do it."""
        slots, into = self.boot, other(self.slot)
        slots.note(Attempt(version, self.slots[self.slot]).at(Phase.INSTALLING))
        slots.unstage(into)
        self.slots[into] = ""
        slots.primary()
        self.slots[into] = version
        slots.stage(into)

    def keep(self) -> None:
        """As RAUC's mark-good does it, and the judge after it."""
        self.boot.commit(self.slot)
        trial.end(self.here)
        before.forget(self.here.upgrade)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@contextmanager
def cut_at(number: int, *, torn: bool = False) -> Iterator[list[str]]:
    """The power goes at the n-th write of whatever is durable (a torn one: after its first sector)."""
    done: list[str] = []

    def counting(real: Callable[..., None], name: str) -> Callable[..., None]:
        def write(file: Path, content: bytes, *rest: int) -> None:
            done.append(name)
            if len(done) == number:
                if torn and name == "in_place":
                    real(file, content[: loaders.SECTOR])
                raise PowerCut
            real(file, content, *rest)

        return write

    def copying(path: Path, copy: Path) -> None:
        done.append("copy")
        if len(done) == number:
            copy.write_bytes(path.read_bytes()[:3])
            raise PowerCut
        shutil.copyfile(path, copy)

    with (
        patch.object(loaders, "in_place", counting(loaders.in_place, "in_place")),
        patch.object(attempt, "write_atomically", counting(attempt.write_atomically, "record")),
        patch.object(before, "_copied", copying),
    ):
        yield done


def upgrade(box: Box, version: str) -> None:
    """The whole story, from wherever a power cut left it."""
    if not box.on_trial:
        if box.slots[box.slot] == version:
            return
        if not (box.boot.record() and box.record.state is Phase.STAGED and box.record.version == version):
            box.install(version)
        box.boot.arm()
        box.restart()
        box.settle()
    assert box.on_trial and box.slots[box.slot] == version
    box.keep()
    box.restart()
    box.settle()


@EITHER
def test_a_version_is_installed_tried_and_kept(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, kind)
    box.install("1.1.0")
    assert box.record.state is Phase.STAGED and box.boot.primary() == "B" and box.loader.primary() == "A"
    box.restart(cut=True)
    assert (box.slot, box.on_trial) == ("A", False), "a power cut by itself changes nothing"
    box.settle()
    assert box.record.state is Phase.STAGED
    assert box.boot.arm().state is Phase.TRYING
    box.restart()
    assert (box.slot, box.on_trial) == ("B", True)
    box.settle()
    assert trial.is_on(box.here) and box.record.copied and box.here.database.read_text() == "1.1.0:0"
    box.keep()
    assert not trial.is_on(box.here) and not before.place(box.here.upgrade).exists()
    box.restart(cut=True)
    box.settle()
    assert (box.slot, box.on_trial, box.record.state) == ("B", False, Phase.KEPT)
    upgrade(box, "1.2.0")
    assert (box.slot, box.slots, box.record.state) == ("A", {"A": "1.2.0", "B": "1.1.0"}, Phase.KEPT)


@EITHER
@pytest.mark.parametrize("torn", [False, True])
def test_a_power_cut_at_any_write_never_leaves_it_in_between(tmp_path: Path, kind: str, torn: bool) -> None:
    number = 0
    while True:
        number += 1
        box = Box(tmp_path / str(number), kind)
        try:
            with cut_at(number, torn=torn) as done:
                upgrade(box, "1.1.0")
            break
        except PowerCut:
            box.restart(cut=True)
            assert box.slots[box.slot], f"{done}: what is started is whole"
            box.settle()
            assert box.here.database.read_text() == f"{box.slots[box.slot]}:0", done
            assert box.loader.primary() == box.slot or box.on_trial, done
        upgrade(box, "1.1.0")
        assert (box.slot, box.record.state) == ("B", Phase.KEPT), done
        assert box.here.database.read_text() == "1.1.0:0"
    assert number > 8, "there was something to cut"


@EITHER
def test_a_slot_that_does_not_start_comes_back_and_says_so(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, kind)
    box.install("1.1.0")
    for tries in (1, 2):
        assert box.boot.arm().tries == tries
        box.restart()
        assert box.slot == "B"
        box.restart()  # it panicked before anything of ours ran
        box.settle()
        assert (box.slot, box.on_trial) == ("A", False)
        if kind == "grub" or tries == 2:
            break
        assert box.record.state is Phase.STAGED, "a Pi cannot tell this from a power cut, once"
    assert box.record.state is Phase.CAME_BACK and str(box.record.why) == "Version 1.1.0 did not start."
    assert not box.boot.is_good("B") and box.boot.is_good("A")
    with pytest.raises(NothingWaits):
        box.boot.arm()


@EITHER
def test_what_a_pi_forgets_in_a_power_cut_is_told_once_more(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, kind)
    box.install("1.1.0")
    box.boot.arm()
    box.restart(cut=True)
    box.settle()
    if kind == "grub":
        assert (box.slot, box.on_trial) == ("B", True), "its note is on the disk"
        return
    assert (box.slot, box.record.state) == ("A", Phase.STAGED)
    upgrade(box, "1.1.0")
    assert (box.slot, box.record.state) == ("B", Phase.KEPT)


@EITHER
def test_an_unwell_version_comes_back_with_its_reason_and_the_database_as_it_was(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, kind)
    wal = box.here.database.with_name("everpx.db-wal")
    wal.write_text("journal")
    box.install("1.1.0")
    box.boot.arm()
    box.restart()
    box.settle()
    wal.unlink()
    box.here.database.with_name("everpx.db-shm").write_text("index")
    why = settle._words(settle.NOT_HEARD, box.record)
    box.boot.note(box.record.at(Phase.TRYING, why=why))
    box.restart()
    box.settle()
    assert (box.slot, box.record.state, box.record.why) == ("A", Phase.CAME_BACK, why)
    assert box.here.database.read_text() == "1.0.0:0" and wal.read_text() == "journal"
    assert sorted(path.name for path in box.here.data.iterdir()) == ["everpx.db", "everpx.db-wal"]
    assert not before.place(box.here.upgrade).exists()


@EITHER
def test_a_copy_that_was_cut_off_is_never_brought_back(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, kind)
    box.install("1.1.0")
    box.boot.arm()
    box.restart()
    with pytest.raises(PowerCut), cut_at(2) as done:
        box.settle()
    assert done == ["record", "copy"] and (before.place(box.here.upgrade) / "everpx.db").read_text() == "1.0"
    box.restart(cut=True)
    box.settle()
    assert box.here.database.read_text() == "1.0.0:0" and box.record.state is Phase.CAME_BACK
    assert "started, but stopped" in str(box.record.why)


@EITHER
def test_a_copy_is_brought_back_once_whatever_becomes_of_the_record(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, kind)
    box.install("1.1.0")
    box.boot.arm()
    box.restart()
    box.settle()
    box.restart()
    with patch.object(attempt, "write_atomically", side_effect=OSError(28, "No space left")), pytest.raises(OSError):
        box.settle()
    assert box.here.database.read_text() == "1.0.0:0" and box.record.state is Phase.TRYING
    box.here.database.write_text("1.0.0:told since")
    box.restart()
    box.settle()
    assert box.here.database.read_text() == "1.0.0:told since" and box.record.state is Phase.CAME_BACK


@EITHER
def test_a_database_that_cannot_be_brought_back_stops_the_start_and_any_other_trouble_does_not(
    tmp_path: Path, kind: str
) -> None:
    box = Box(tmp_path, kind)
    box.install("1.1.0")
    box.boot.arm()
    box.restart()
    box.settle()
    box.restart()
    with patch.object(before, "_copied", side_effect=OSError(5, "Input/output error")):
        with pytest.raises(settle.NotBroughtBack):
            box.settle()
        assert _ended(box) == 1
    with patch.object(attempt, "write_atomically", side_effect=OSError(28, "No space left")):
        assert _ended(box) == 0
    assert box.here.database.read_text() == "1.0.0:0"


def _ended(box: Box) -> int:
    """How the program ends."""
    with (
        patch.object(boot, "here", lambda: box.boot),
        patch.object(settle, "places", lambda: box.here),
        patch.object(settle, "RELEASE", box.selector / "release"),
        pytest.raises(SystemExit) as ended,
    ):
        settle.RELEASE.write_text('{"version": "1.0.0"}')
        settle.main()
    return int(ended.value.code or 0)


def test_without_room_for_the_copy_nothing_is_tried(tmp_path: Path) -> None:
    box = Box(tmp_path, "grub")
    box.install("1.1.0")
    box.boot.arm()
    box.restart()
    with patch.object(before, "RESERVE", 2**60), pytest.raises(OSError):
        box.settle()
    assert box.here.database.read_text() == "1.0.0:0" and not trial.is_on(box.here)
    box.restart()
    box.settle()
    assert box.record.state is Phase.CAME_BACK and "No space left" in str(box.record.why)


def test_a_copy_that_is_gone_deletes_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path, "grub")
    before.bring_back(box.here.database, box.here.upgrade)
    assert box.here.database.read_text() == "1.0.0:0"


@EITHER
def test_nobody_writes_where_a_trial_would_come_back_to(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, kind)
    box.install("1.1.0")
    box.boot.arm()
    box.restart()
    box.settle()
    with pytest.raises(TrialFirst):
        box.boot.unstage("A")
    box.boot.stage("A")
    box.boot.stage("B")
    assert box.record.state is Phase.TRYING and box.loader.primary() == "A"
    with pytest.raises(NothingWaits):
        box.boot.arm()


@EITHER
def test_the_running_slot_is_never_tried(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, kind)
    box.boot.note(Attempt("1.1.0", "1.0.0", "A").at(Phase.STAGED))
    with pytest.raises(NothingWaits):
        box.boot.arm()
    assert not box.loader.armed()


@EITHER
def test_what_waits_can_be_taken_back(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, kind)
    box.install("1.1.0")
    box.boot.arm()
    box.boot.stage("A")
    assert (
        not box.loader.armed()
        and box.record.state is Phase.REFUSED
        and "took version 1.1.0 back" in str(box.record.why)
    )
    box.restart()
    box.settle()
    assert (box.slot, box.on_trial) == ("A", False)


def test_a_slot_that_runs_because_the_other_cannot_is_what_an_upgrade_comes_back_to(tmp_path: Path) -> None:
    box = Box(tmp_path, "grub")
    upgrade(box, "1.1.0")
    box.slot = "A"  # B's boot slot rotted; GRUB went on with the other one
    box.install("1.2.0")
    assert box.loader.primary() == "A"
    box.boot.arm()
    assert (box.loader.primary(), box.loader.armed()) == ("A", "B")


@EITHER
def test_notes_are_written_over_in_place_and_differ_in_one_sector(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, kind)
    file = box.loader.file
    was, inode = file.read_bytes(), file.stat().st_ino
    with patch.object(loaders, "in_place", wraps=loaders.in_place) as written:
        box.loader.commit("B")
        box.loader.arm("A")
    assert file.stat().st_ino == inode and file.stat().st_size == len(was)
    assert file.read_bytes()[loaders.SECTOR :] == was[loaders.SECTOR :]
    assert all(len(call.args[1]) == len(was) for call in written.call_args_list)
    expected = bootenv("B", "A") if kind == "grub" else autoboot(3).encode()
    assert file.read_bytes() == expected
    box.loader.disarm()
    assert (box.loader.primary(), box.loader.armed()) == ("B", "")


def test_a_longer_autoboot_keeps_its_length(tmp_path: Path) -> None:
    box = Box(tmp_path, "pi")
    box.loader.file.write_text(autoboot() + "# a note of somebody's\n")
    size = box.loader.file.stat().st_size
    box.loader.commit("B")
    assert box.loader.file.stat().st_size == size and box.loader.primary() == "B"
    assert box.loader.file.read_text().rstrip("\n") + "\n" == autoboot(3)


@pytest.mark.parametrize(
    ("block", "primary", "armed"),
    [
        (b"", "A", ""),
        (b"\0" * 1024, "A", ""),
        (bootenv("B", "A"), "B", "A"),
        (bootenv("C", "D"), "A", ""),
        (b"# GRUB Environment Block\ntry=B\nprimary=B\n####", "B", "B"),
    ],
)
def test_a_damaged_note_is_read_as_the_selector_reads_it(
    tmp_path: Path, block: bytes, primary: str, armed: str
) -> None:
    box = Box(tmp_path, "grub")
    box.loader.file.write_bytes(block)
    assert (box.loader.primary(), box.loader.armed()) == (primary, armed)


def test_the_selector_and_the_station_mean_the_same_names() -> None:
    selector = (APP / "image/boot/selector.grub").read_text()
    names = re.findall(rb"^(\w+)=", bootenv("A", "B"), re.MULTILINE)
    assert names == [b"primary", b"try"]
    assert "load_env -f ($selector)/everpx/bootenv primary try\n" in selector


@pytest.mark.parametrize(
    ("tree", "line", "found"),
    [
        (None, "rauc.slot=B everpx.trial=1 panic=5", Start("B", True)),
        (None, "everpx.trial=0 rauc.slot=A", Start("A", False)),
        ((2, 0), "rauc.slot=A everpx.trial=firmware", Start("A", False)),
        ((3, 1), "rauc.slot=B everpx.trial=firmware", Start("B", True)),
        ((3, 0), "rauc.slot=A everpx.trial=firmware", Start("B", False)),  # the firmware knows what it read
    ],
)
def test_how_this_start_came_about_is_read_from_loader_and_firmware(
    tmp_path: Path, tree: tuple[int, int] | None, line: str, found: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cmdline").write_text(line)
    if tree is not None:
        told = tmp_path / "device-tree/chosen/bootloader"
        told.mkdir(parents=True)
        for name, number in zip(("partition", "tryboot"), tree, strict=True):
            (told / name).write_bytes(number.to_bytes(4, "big"))
    monkeypatch.setenv("EVERPX_PROC", str(tmp_path))
    here = boot.here()
    assert here.start == found and isinstance(here.loader, Grub if tree is None else Firmware)


def test_what_was_started_otherwise_has_no_slots(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_text("BOOT_IMAGE=/vmlinuz root=/dev/sda1")
    with pytest.raises(ValueError):
        boot.started(tmp_path)


@EITHER
def test_rauc_gets_its_answers(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, kind)

    def ask(*words: str) -> str:
        return backend.answer(box.boot, list(words))

    assert (ask("get-current"), ask("get-primary"), ask("get-state", "A"), ask("get-state", "B")) == (
        "A", "A", "good", "bad")  # fmt: skip
    assert ask("set-state", "B", "bad") == "" and box.record.state is Phase.INSTALLING
    ask("set-primary", "B")
    assert (ask("get-primary"), ask("get-state", "B"), box.record.state) == ("B", "good", Phase.STAGED)
    box.boot.arm()
    box.restart()
    box.slots["B"] = "1.1.0"
    box.settle()
    assert box.record.version == "1.1.0", "installed by hand, it names itself"
    assert (ask("get-current"), ask("get-primary")) == ("B", "A")
    ask("set-state", "B", "good")
    assert (ask("get-primary"), box.record.state) == ("B", Phase.KEPT)
    for words in (["get-state", "C"], ["get-state"], [], ["set-state", "A", "fine"], ["primary"]):
        with pytest.raises(ValueError):
            backend.answer(box.boot, words)


class Story(RuleBasedStateMachine):
    """Anything in any order.  What has to stay true is known here in other words than the code's."""

    kind: str
    folders = iter(range(10**9))
    place: Path

    @initialize()
    def new(self) -> None:
        self.box = Box(self.place / f"{self.kind}{next(self.folders)}", self.kind)
        self.committed, self.told, self.latest = "A", 0, 0
        self.armed_since_staged = 0

    def started(self, *, cut: bool) -> None:
        self.box.restart(cut=cut)
        assert self.box.slots[self.box.slot], "what is started is whole"
        assert self.box.on_trial or self.box.slot == self.committed
        self.box.settle()
        if not self.box.on_trial:
            assert self.box.here.database.read_text() == f"{self.box.slots[self.box.slot]}:{self.told}"

    @precondition(lambda self: not self.box.on_trial)
    @rule(cut=st.sampled_from([0, 0, 0, 1, 2, 3]))
    def install(self, cut: int) -> None:
        self.latest += 1
        self.armed_since_staged = 0
        try:
            with cut_at(cut or 99):
                self.box.install(f"1.{self.latest}.0")
        except PowerCut:
            self.started(cut=True)

    @precondition(lambda self: not self.box.on_trial)
    @rule(cut=st.booleans())
    def try_it(self, cut: bool) -> None:
        waits = self.box.boot.record() is not None and self.box.record.state in ("staged", "trying")
        try:
            self.box.boot.arm()
        except NothingWaits:
            assert not waits
            return
        self.armed_since_staged += 1
        assert self.armed_since_staged <= 2
        self.started(cut=cut)

    @precondition(lambda self: not self.box.on_trial)
    @rule()
    def tell(self) -> None:
        self.told += 1
        self.box.here.database.write_text(f"{self.box.slots[self.box.slot]}:{self.told}")

    @precondition(lambda self: not self.box.on_trial)
    @rule()
    def take_back(self) -> None:
        self.box.boot.stage(self.box.slot)
        assert not self.box.loader.armed()

    @rule(cut=st.booleans())
    def restart(self, cut: bool) -> None:
        tried = self.box.on_trial
        self.started(cut=cut)
        if tried:
            assert self.box.record.state is Phase.CAME_BACK and self.box.record.why is not None

    @precondition(lambda self: self.box.on_trial)
    @rule(cut=st.sampled_from([0, 0, 1, 2]))
    def it_is_well(self, cut: int) -> None:
        try:
            with cut_at(cut or 99) as done:
                self.box.keep()
            self.committed, self.box.on_trial = self.box.slot, False
        except PowerCut:
            if "record" in done:
                self.committed = self.box.slot
            self.started(cut=True)
            assert self.box.record.state is (Phase.KEPT if "record" in done else Phase.CAME_BACK)

    @precondition(lambda self: self.box.on_trial)
    @rule()
    def it_never_got_far(self) -> None:
        """A panic right after the loader: settling never ran, as far as anybody can see."""
        box = self.box
        box.boot.note(attempt.replace(box.record, reached=False, copied=False))
        box.here.database.write_text(f"{box.slots[self.committed]}:{self.told}")
        self.started(cut=False)

    @rule(slot=st.sampled_from("AB"), verb=st.sampled_from(["get-state", "set-state"]))
    def somebody_asks(self, slot: str, verb: str) -> None:
        if verb == "get-state" or (slot == self.box.slot and not self.box.on_trial):
            try:
                backend.answer(self.box.boot, [verb, slot, *(["good"] if verb == "set-state" else [])])
            except ApplianceError:
                assert self.box.on_trial

    @invariant()
    def the_loader_comes_back_to_what_was_kept(self) -> None:
        assert self.box.loader.primary() == self.committed
        assert self.box.boot.start.slot == self.committed or self.box.on_trial


@EITHER
def test_whatever_order_things_happen_in(tmp_path: Path, kind: str) -> None:
    story = type("Told", (Story,), {"kind": kind, "place": tmp_path})
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(story, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))
