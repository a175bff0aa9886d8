"""Windows and Mac sharing when something goes wrong: the real Samba, asked by both of its clients."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import smbclient
from smbprotocol.exceptions import SMBException

from appliance.broker import grounds, services
from appliance.drives import records
from appliance.errors import ProgramFailed
from plugins.smb import privileged
from plugins.smb.facts import Share
from plugins.smb.samba_conf import closed_for, sections, without
from tests.component.loop_drives import USER, LoopDrives
from tests.component.smb_bed import ANNA, BEN, NAMES, PASSWORD, Bed, bed, children_of, kill, shared, until

pytestmark = pytest.mark.component


@pytest.fixture
def here(program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    for name in ("smbd", "smbclient", "testparm", "smbcontrol"):
        program(name)
    with bed(monkeypatch) as found:
        yield found
    smbclient.reset_connection_cache(fail_on_error=False)


def as_person(number: int, port: int) -> dict[str, Any]:
    """How smbprotocol is told who asks."""
    return {"username": NAMES[number], "password": PASSWORD, "port": port}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file that cannot be closed any more
def test_a_drive_that_is_pulled_while_a_client_writes_gets_nothing_beneath_it(here: Bed, tmp_path: Path) -> None:
    """F2: the device is really gone; the client fails, and the mount point stays empty and shut."""
    loops = LoopDrives(tmp_path / "usb")
    device = loops.make("hot")
    point = here.run / "drives/HOT-1"
    point.mkdir(mode=0o000)
    subprocess.run(["mount", f"/dev/{device}", str(point)], check=True)
    try:
        here.drive("HOT-1", point, "ext4")
        here.apply(shared())
        here.up()
        stop, problems, told = threading.Event(), list[Exception](), list[int]()

        def write() -> None:
            with smbclient.open_file("//127.0.0.1/Family/big.bin", mode="wb", **as_person(ANNA, here.port)) as out:
                while not stop.is_set():
                    out.write(b"x" * 100_000)
                    out.flush()
                    told.append(1)

        def try_to_write() -> None:
            try:
                write()
            except (SMBException, OSError) as error:
                problems.append(error)

        writer = threading.Thread(target=try_to_write)
        writer.start()
        until(lambda: len(told) > 3)
        loops.pull("hot")
        services.let_go_of("HOT-1")
        until(lambda: subprocess.run(["umount", str(point)], check=False, capture_output=True).returncode == 0)
        writer.join(60)
        stop.set()
        assert not writer.is_alive() and problems, "the client was not told"
        assert point.stat().st_mode & 0o777 == 0 and list(point.iterdir()) == []
        code, said = here.client("Family", "put /etc/hostname lost.txt")
        assert code != 0 and "BAD_NETWORK_NAME" in said
        assert list(point.iterdir()) == []
    finally:
        subprocess.run(["umount", str(point)], check=False, capture_output=True)
        loops.close()


def test_even_a_share_that_nobody_withdrew_writes_nothing_into_an_empty_mount_point(here: Bed) -> None:
    """The last line: root did not hear of the drive's end, and the folder is there, but shut."""
    place = here.drive("HOT-1")
    here.apply(shared())
    here.up()
    assert here.client("Family", "put /etc/hostname there.txt")[0] == 0
    shutil.rmtree(place)
    place.mkdir(mode=0o000)
    assert here.client("Family", "put /etc/hostname lost.txt; mkdir more")[0] != 0
    assert list(place.iterdir()) == []


def test_when_samba_does_not_read_the_new_configuration_the_old_one_is_back(
    here: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.drive("HOT-1")
    here.apply(shared())
    here.up()
    before = here.config.read_text()
    monkeypatch.setattr(privileged, "HEARS_WITHIN_S", 0.2)
    asked: list[str] = []

    def run(argv: list[str], **more: Any) -> Any:
        if argv[-1] == "reload-config" and not asked:
            asked.append(here.config.read_text())
            raise ProgramFailed(program="smbcontrol", why="by purpose")
        return real(argv, **more)

    real = grounds.run
    monkeypatch.setattr(grounds, "run", run)
    monkeypatch.setattr(privileged, "HEARS_WITHIN_S", -1.0)
    with pytest.raises(ProgramFailed):
        here.apply(shared(), shared("Music", folder="Anna"))
    assert "[Music]" in asked[0] and here.config.read_text() == before
    assert here.client("Family", "ls")[0] == 0 and here.client("Music", "ls")[0] != 0
    here.apply(shared(), shared("Music", folder="Anna"))
    assert here.client("Music", "ls")[0] == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file that cannot be closed any more
def test_killed_with_all_its_processes_it_serves_again_and_a_cut_off_file_is_not_taken_for_whole(here: Bed) -> None:
    place = here.drive("HOT-1")
    here.apply(shared())
    here.up()
    out = smbclient.open_file("//127.0.0.1/Family/half.bin", mode="wb", **as_person(ANNA, here.port))
    out.write(b"x" * 1000)
    out.flush()
    first = here.house.running["smbd"].process
    for pid in [*children_of(first.pid), first.pid]:
        kill(pid)
    with pytest.raises((SMBException, OSError)):
        out.write(b"y" * 1000)
        out.flush()
    until(lambda: "smbd" in here.house.running and here.house.running["smbd"].process.pid != first.pid)
    until(lambda: here.client("Family", "ls")[0] == 0)
    assert (place / "Family/half.bin").stat().st_size == 1000
    assert here.client("Family", "put /etc/hostname again.txt")[0] == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file that cannot be closed any more
def test_others_are_not_disturbed_when_somebody_comes_and_only_who_loses_something_is(here: Bed) -> None:
    here.drive("HOT-1")
    here.apply(shared(seeing=()), people=(ANNA,))
    here.up()
    with smbclient.open_file("//127.0.0.1/Family/long.bin", mode="wb", **as_person(ANNA, here.port)) as out:
        out.write(b"x" * 1000)
        here.apply(shared())  # Ben comes
        out.write(b"y" * 1000)
        out.flush()
        assert here.client("Family", "ls", BEN)[0] == 0
        here.apply(shared(seeing=()))  # and may no longer see it
        assert here.client("Family", "ls", BEN)[0] != 0
        out.write(b"z" * 1000)
        out.flush()
    assert (here.run / "drives/HOT-1/Family/long.bin").stat().st_size == 3000


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file that cannot be closed any more
def test_who_may_only_see_from_now_on_cannot_go_on_writing(here: Bed) -> None:
    here.drive("HOT-1")
    here.apply(shared())
    here.up()
    out = smbclient.open_file("//127.0.0.1/Family/mine.bin", mode="wb", **as_person(ANNA, here.port))
    out.write(b"x")
    out.flush()
    here.apply(shared(changing=(), seeing=(ANNA, BEN)))

    def is_refused() -> bool:
        try:
            out.write(b"y")
            out.flush()
        except (SMBException, OSError):
            return True
        return False

    until(is_refused)
    assert here.client("Family", "ls")[0] == 0 and here.client("Family", "put /etc/hostname x")[0] != 0


def test_a_drive_without_attributes_is_shared_without_streams_and_says_so_to_macs(here: Bed) -> None:
    """exFAT and NTFS: a Mac then keeps its notes in files beside, as on a stick; nothing fails halfway."""
    here.drive("HOT-1", filesystem="exfat")
    here.apply(shared(), shared("Mac", folder="Anna", time_machine=True))
    here.up()
    body = sections(here.config.read_text())["Family"]
    assert "fruit" not in body and "streams" not in body and "store dos attributes = no" in body
    known = as_person(ANNA, here.port)
    with smbclient.open_file("//127.0.0.1/Family/a.txt", mode="w", **known) as out:
        out.write("a")
    with pytest.raises(OSError), smbclient.open_file("//127.0.0.1/Family/a.txt:note", mode="w", **known) as out:
        out.write("b")
    assert os.listxattr(here.run / "drives/HOT-1/Family/a.txt") == []


def test_a_name_that_no_stick_can_hold_is_the_same_from_a_mac_and_from_a_phone(here: Bed) -> None:
    """As plugins/webdav/names.py stores it on the drive."""
    from plugins.webdav.names import stored

    place = here.drive("HOT-1")
    here.apply(shared())
    here.up()
    known = as_person(ANNA, here.port)
    with smbclient.open_file("//127.0.0.1/Family/what\uf025.txt", mode="w", **known) as out:
        out.write("?")
    assert (place / "Family" / stored("what?.txt")).read_text() == "?"
    (place / "Family" / stored("11:30")).write_text("")
    assert "11\uf02230" in smbclient.listdir("//127.0.0.1/Family", **known)


def test_older_versions_of_a_cold_drive_that_is_here_are_previous_versions(here: Bed) -> None:
    place, cold = here.drive("HOT-1"), here.drive("COLD-1")
    here.apply(shared())
    (place / "Family/letter.txt").write_text("new")
    old = cold / "Older versions/2026-11-20/HOT-1/Family"
    old.mkdir(parents=True)
    (old / "letter.txt").write_text("old")
    here.apply(shared(), versions="COLD-1")
    here.up()
    code, said = here.client("Family", "allinfo letter.txt")
    assert code == 0 and "@GMT-2026.11." in said, said
    stamp = next(line.strip() for line in said.splitlines() if line.startswith("@GMT"))
    target = here.run / "back.txt"
    code, said = here.client("Family", rf"get {stamp}\letter.txt {target}")
    assert code == 0, said
    assert target.read_text() == "old"
    services.let_go_of("COLD-1")
    text = here.config.read_text()
    assert "COLD-1" not in text and "shadow" not in text and "[Family]" in text
    assert here.client("Family", "ls")[0] == 0
    assert subprocess.run(["testparm", "-s", str(here.config)], capture_output=True, check=False).returncode == 0


def test_room_for_a_mac_has_what_time_machine_asks_for_and_ends_at_its_limit(here: Bed) -> None:
    here.drive("HOT-1", filesystem="ext4")
    here.apply(shared("Time Machine Anna", folder="Anna", seeing=(), time_machine=True, quota_gb=700))
    here.up()
    words = ["testparm", "-s", "--section-name=Time Machine Anna", str(here.config)]
    said = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout
    for line in ("fruit:time machine = yes", "fruit:time machine max size = 700G", "posix locking = No"):
        assert line in said, said
    assert "recycle" not in said  # a Mac deletes bands all the time
    assert here.client("Time Machine Anna", "mkdir Mac.sparsebundle")[0] == 0
    assert here.client("Time Machine Anna", "ls", BEN)[0] != 0


def test_links_lead_nowhere_and_what_is_the_stations_is_not_shown(here: Bed) -> None:
    place = here.drive("HOT-1")
    (place / "Family/way-out").symlink_to("/etc")
    (place / "Family/file-out").symlink_to("/etc/hostname")
    (place / "Family/.everpx").mkdir()
    here.apply(shared())
    here.up()
    for commands in (
        "cd way-out; ls",
        "get file-out /dev/null",
        "cd .everpx; ls",
        r"get ..\..\..\etc\hostname /dev/null",
    ):
        said = here.client("Family", commands)[1]
        assert "NT_STATUS" in said, (commands, said)
    assert ".everpx" not in here.client("Family", "ls")[1]


def test_two_hundred_shares_are_put_in_force_and_taken_back(here: Bed) -> None:
    place = here.drive("HOT-1")
    many = []
    for number in range(200):
        (place / f"Family/{number}").mkdir()
        shutil.chown(place / f"Family/{number}", USER)
        many.append(shared(f"Room {number}", folder=f"Family/{number}"))
    assert here.apply(*many) == {"shares": 200, "missing": []}
    here.up()
    assert here.client("Room 199", "put /etc/hostname x")[0] == 0
    assert here.apply(*many[:1])["shares"] == 1
    assert here.client("Room 199", "ls")[0] != 0


def test_how_a_share_is_closed() -> None:
    before = "\n path = /d/A\n valid users = a b\n write list = a\n"
    assert closed_for(before, before) == set()
    assert closed_for(before, before.replace("= a b", "= a b c")) == set()
    assert closed_for(before, before.replace("= a b", "= a")) == {"b"}
    assert closed_for(before, before.replace("write list = a", "write list = ")) == {"a"}
    assert closed_for(before, before.replace("/d/A", "/d/B")) is None
    assert closed_for(before, None) is None
    text = "[global]\n x = y\n\n[A]\n path = /r/drives/HOT-1/A\n\n[B]\n path = /r/drives/HOT-10/B\n"
    assert "[A]" not in without(text, "/drives/HOT-1/") and "[B]" in without(text, "/drives/HOT-1/")


def test_a_folder_that_is_not_there_any_more_is_no_share_and_the_others_are(here: Bed) -> None:
    here.drive("HOT-1")
    away = Share("Gone", "HOT-1", "Gone", changing=(ANNA,))
    elsewhere = Share("Far", "HOT-2", "Anna", changing=(ANNA,))
    assert here.apply(shared(), away, elsewhere) == {"shares": 1, "missing": ["Gone", "Far"]}
    assert records.read(here.run / "drives", "HOT-2") is None
    here.up()
    start = time.monotonic()
    assert here.client("Family", "ls")[0] == 0
    assert time.monotonic() - start < 30


def test_two_who_ask_at_the_same_moment_both_get_what_they_asked_for(here: Bed) -> None:
    """Console and worker do, and the daemon answers each in a thread of its own."""
    here.drive("HOT-1")
    here.apply(shared())
    here.up()
    problems = list[Exception]()

    def ask(number: int) -> None:
        for turn in range(6):
            try:
                here.apply(shared(), shared(f"Room {number}", folder=f"Family/{number} {turn}"))
            except Exception as error:
                problems.append(error)

    for number in range(2):
        for turn in range(6):
            (here.run / f"drives/HOT-1/Family/{number} {turn}").mkdir(parents=True)
    callers = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(120)
    assert problems == []
    assert here.client("Family", "ls")[0] == 0
