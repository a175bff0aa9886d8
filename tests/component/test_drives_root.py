"""Root's verbs on real filesystems: what they do, and above all what they refuse."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.drives import inventory
from appliance.drives.layout import MARKER
from appliance.drives.watch import Watch
from appliance.errors import ApplianceError
from appliance.places import Places
from tests.component.loop_drives import USER, LoopDrives, Root, soon, until

pytestmark = pytest.mark.component
FILESYSTEMS = ["ext4", "exfat", "btrfs"]


def uuid_of(root: Root, device: str) -> str:
    """What root sees there."""
    return str(root("drives.look", {"device": device})["filesystem_uuid"])


def mount(root: Root, device: str, tag: str = "HOT-1", **more: Any) -> Path:
    """Mount and return the place."""
    request = {"device": device, "tag": tag, "filesystem_uuid": uuid_of(root, device), **more}
    return Path(root("drives.mount", request)["path"])


def refusal(root: Root, verb: str, **request: Any) -> str:
    """The code with which root refuses."""
    with pytest.raises(ApplianceError) as refused:
        root(verb, request)
    return refused.value.code


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_a_drive_is_seen_mounted_written_flushed_and_unmounted(root: Root, loops: LoopDrives, filesystem: str) -> None:
    device = loops.make("blue", filesystem)
    (seen,) = root("drives.survey")["drives"]
    assert (seen["device"], seen["model"], seen["seen"]["filesystem"]) == (device, "blue", filesystem)
    place = mount(root, device)
    assert place.stat().st_dev != place.parent.stat().st_dev
    root("drives.own", {"tag": "HOT-1"})
    as_station_user(f"echo kept > '{place}/photo.txt'; mkdir '{place}/.everpx/incoming/x'")
    root("drives.flush", {"tag": "HOT-1"})
    assert root("drives.unmount", {"tag": "HOT-1"}) == {"was_mounted": True}
    assert not place.is_mount() and place.stat().st_mode & 0o777 == 0
    loops.pull("blue")
    assert (mount(root, loops.plug("blue")) / "photo.txt").read_text() == "kept\n"
    (again,) = root("drives.survey")["drives"]
    assert again["seen"]["names"] == [".everpx", "photo.txt"]


def as_station_user(script: str) -> None:
    """Run a shell line without root's powers."""
    subprocess.run(
        ["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups", "sh", "-ec", script], check=True
    )


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_looking_changes_not_one_bit(root: Root, loops: LoopDrives, filesystem: str) -> None:
    device = loops.make("blue", filesystem)
    before = loops.image("blue").read_bytes()
    assert root("drives.look", {"device": device})["problem"] == ""
    os.sync()
    assert loops.image("blue").read_bytes() == before


def test_an_interrupted_ext4_is_looked_at_without_replaying_its_journal(
    root: Root, loops: LoopDrives, tmp_path: Path
) -> None:
    device = loops.make("blue")
    place = mount(root, device)
    (place / "photo").write_text("x")
    os.sync()
    (place / "photo").rename(place / "other")
    subprocess.run(["sync", "-f", str(place)], check=True)
    loops.pull("blue")
    root("drives.unmount", {"tag": "HOT-1"})
    device = loops.plug("blue")
    before = loops.image("blue").read_bytes()
    seen = root("drives.look", {"device": device})
    assert seen["problem"] == "" and seen["dirty"] is False
    assert loops.image("blue").read_bytes() == before
    assert (mount(root, device) / "other").read_text() == "x"


def test_the_systems_own_disk_is_never_touched(root: Root, loops: LoopDrives, tmp_path: Path) -> None:
    own = subprocess.run(["findmnt", "-no", "SOURCE", "/"], capture_output=True, text=True).stdout.strip()
    for device in ("vda", "sda1", "zram0", "loop999", "nvme0n1", Path(own).name):
        for verb in ("drives.look", "drives.smart", "drives.standby", "drives.format", "drives.repair"):
            request: dict[str, Any] = {"disk" if verb in DISK_VERBS else "device": device}
            if verb == "drives.format":
                request |= {"filesystem": "ext4", "label": "x", "expected_serial": "", "expected_size": 1}
            if verb == "drives.repair":
                request |= {"filesystem_uuid": "x"}
            assert refusal(root, verb, **request) in ("not_touchable", "bad_request")


DISK_VERBS = ("drives.smart", "drives.standby", "drives.format")


def test_a_loop_device_from_elsewhere_is_not_even_listed(root: Root, loops: LoopDrives, tmp_path: Path) -> None:
    others = LoopDrives(tmp_path / "not-usb")
    try:
        device = others.make("secret")
        assert root("drives.survey") == {"drives": []}
        assert refusal(root, "drives.look", device=device) == "not_touchable"
    finally:
        others.close()


def test_a_drive_that_the_system_uses_is_listed_and_refused(root: Root, loops: LoopDrives, tmp_path: Path) -> None:
    device = loops.make("system")
    place = tmp_path / "var"
    place.mkdir()
    subprocess.run(["mount", f"/dev/{device}", str(place)], check=True)
    try:
        (seen,) = root("drives.survey")["drives"]
        assert str(place) in seen["system"] and seen["seen"] is None
        assert refusal(root, "drives.look", device=device) == "not_touchable"
        size = loops.image("system").stat().st_size
        request = {"disk": device, "filesystem": "ext4", "label": "x", "expected_size": size}
        assert refusal(root, "drives.format", expected_serial="system.img", **request) == "not_touchable"
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    "request_",
    [
        {"device": "../etc"},
        {"device": "loop0;id"},
        {"device": "/dev/loop0"},
        {"device": "loop0\n"},
        {"device": "folder:x"},
        {"device": "folder:../../etc"},
        {"device": ""},
        {"device": 7},
        {},
        {"device": "loop0", "path": "/etc"},
    ],
)
def test_hostile_words_reach_nothing(root: Root, request_: dict[str, Any]) -> None:
    assert refusal(root, "drives.look", **request_) in ("bad_request", "not_touchable")


@pytest.mark.parametrize("tag", ["HOT-0", "HOT-1/..", "..", "hot-1", "HOT-", "COLD-1\n", "HOT-9999999"])
def test_a_tag_is_a_tag(root: Root, loops: LoopDrives, tag: str) -> None:
    assert refusal(root, "drives.unmount", tag=tag) == "bad_request"


def test_a_wrong_uuid_is_never_mounted(root: Root, loops: LoopDrives) -> None:
    device = loops.make("blue")
    request = {"device": device, "tag": "HOT-1", "filesystem_uuid": "0000-0000"}
    assert refusal(root, "drives.mount", **request) == "drive_changed"
    assert not (root.places.mounts / "HOT-1").is_mount()


def test_mounting_twice_is_once_and_survives_a_lost_note(root: Root, loops: LoopDrives) -> None:
    device = loops.make("blue")
    place = mount(root, device)
    assert mount(root, device) == place
    (root.places.mounts / "HOT-1.json").unlink()
    assert mount(root, device) == place and place.is_mount()
    assert refusal(root, "drives.mount", device=device, tag="HOT-2", filesystem_uuid=uuid_of(root, device))
    assert Path("/proc/self/mounts").read_text().count(f"{place} ") == 1


def test_nobody_writes_where_a_drive_is_missing(root: Root, loops: LoopDrives) -> None:
    place = mount(root, loops.make("blue"))
    root("drives.unmount", {"tag": "HOT-1"})
    with pytest.raises(subprocess.CalledProcessError):
        as_station_user(f"echo lost > '{place}/photo.txt'")
    assert list(place.iterdir()) == []


def test_a_busy_drive_is_not_let_go_and_the_program_is_named(root: Root, loops: LoopDrives) -> None:
    place = mount(root, loops.make("blue"))
    sleeper = subprocess.Popen(["sleep", "60"], cwd=place)
    try:
        with pytest.raises(ApplianceError, match="sleep is still using HOT-1"):
            root("drives.unmount", {"tag": "HOT-1"})
        assert place.is_mount() and root("drives.flush", {"tag": "HOT-1"}) == {}
    finally:
        sleeper.kill()
        sleeper.wait()
    assert root("drives.unmount", {"tag": "HOT-1"}) == {"was_mounted": True}


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_a_sandbox_that_took_the_mount_along_is_waited_for(root: Root, loops: LoopDrives, filesystem: str) -> None:
    """Unmounted here, the drive may still be mounted in another process's view; its power must not be cut then."""
    device = loops.make("blue", filesystem)
    place = mount(root, device)
    (place / "photo").write_text("x")
    sandbox = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sleep", "60"])
    until(lambda: str(place) in Path(f"/proc/{sandbox.pid}/mountinfo").read_text())
    until(lambda: Path(f"/proc/{sandbox.pid}/comm").read_text() == "sleep\n")
    try:
        with pytest.raises(ApplianceError, match="sleep is still using HOT-1"):
            root("drives.unmount", {"tag": "HOT-1"})
        assert not place.is_mount()
        threading.Timer(1, sandbox.kill).start()
        root("drives.unmount", {"tag": "HOT-1"})
    finally:
        sandbox.kill()
        sandbox.wait()
    assert root("drives.look", {"device": device})["dirty"] is False
    assert (mount(root, device) / "photo").read_text() == "x"


def test_whoever_is_just_closing_a_file_is_waited_for(root: Root, loops: LoopDrives) -> None:
    place = mount(root, loops.make("blue"))
    held = (place / "photo").open("w")
    threading.Timer(1, held.close).start()
    assert root("drives.unmount", {"tag": "HOT-1"}) == {"was_mounted": True}


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_a_pulled_drive_leaves_no_leftover(root: Root, loops: LoopDrives, filesystem: str) -> None:
    place = mount(root, loops.make("blue", filesystem))
    (place / "photo").write_text("x")
    root("drives.flush", {"tag": "HOT-1"})
    loops.pull("blue")
    assert refusal(root, "drives.flush", tag="HOT-1") == "not_mounted"
    assert root("drives.unmount", {"tag": "HOT-1"}) == {"was_mounted": True}
    assert root("drives.survey") == {"drives": []}
    device = loops.plug("blue")
    place = mount(root, device, read_only=filesystem == "exfat")
    assert (place / "photo").read_text() == "x"


def test_a_dirty_exfat_is_read_but_not_written_until_it_was_repaired(root: Root, loops: LoopDrives) -> None:
    device = loops.make("blue", "exfat")
    place = mount(root, device)
    (place / "photo").write_text("x")
    root("drives.flush", {"tag": "HOT-1"})
    loops.pull("blue")
    root("drives.unmount", {"tag": "HOT-1"})
    device = loops.plug("blue")
    uuid = uuid_of(root, device)
    assert root("drives.look", {"device": device})["dirty"] is True
    assert refusal(root, "drives.mount", device=device, tag="HOT-1", filesystem_uuid=uuid) == "drive_dirty"
    place = mount(root, device, read_only=True)
    assert (place / "photo").read_text() == "x"
    with pytest.raises(OSError):
        (place / "other").write_text("y")
    root("drives.unmount", {"tag": "HOT-1"})
    assert root("drives.repair", {"device": device, "filesystem_uuid": uuid})["dirty"] is False
    assert (mount(root, device) / "photo").read_text() == "x"


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_formatting_erases_the_confirmed_drive_only(root: Root, loops: LoopDrives, filesystem: str) -> None:
    device = loops.make("blue")
    place = mount(root, device)
    (place / "old").write_text("x")
    root("drives.unmount", {"tag": "HOT-1"})
    size = loops.image("blue").stat().st_size
    request = {"disk": device, "filesystem": filesystem, "label": "Everpx", "expected_size": size}
    assert refusal(root, "drives.format", expected_serial="green.img", **request) == "drive_changed"
    request["expected_size"] += 512
    assert refusal(root, "drives.format", expected_serial="blue.img", **request) == "drive_changed"
    request["expected_size"] -= 512
    assert root("drives.look", {"device": device})["names"] == ["old"]
    made = root("drives.format", {**request, "expected_serial": "blue.img"})
    assert (made["filesystem"], made["label"], made["names"]) == (filesystem, "Everpx", [])


def test_a_drive_in_use_is_not_formatted(root: Root, loops: LoopDrives) -> None:
    device = loops.make("blue")
    mount(root, device)
    size = loops.image("blue").stat().st_size
    request = {"disk": device, "filesystem": "ext4", "label": "x", "expected_size": size}
    assert refusal(root, "drives.format", expected_serial="blue.img", **request) == "drive_busy"


def test_a_hostile_drive_leads_root_nowhere(root: Root, loops: LoopDrives, tmp_path: Path) -> None:
    """Links where the station's own folders and marker would be."""
    device = loops.make("blue")
    place = mount(root, device)
    treasure = tmp_path / "treasure"
    treasure.mkdir(mode=0o755)
    (place / ".everpx").symlink_to(treasure)
    (place / MARKER).symlink_to("/etc/shadow")
    for name in ("a\nb", "📷", "CON.jpg", "dot."):
        (place / name).touch()
    os.mkfifo(place / "pipe")
    (place / os.fsdecode(b"\xff\xfe")).touch()
    root("drives.unmount", {"tag": "HOT-1"})
    seen = root("drives.look", {"device": device})
    assert seen["marker"] is None and seen["problem"] == "" and "📷" in seen["names"]
    mount(root, device)
    with pytest.raises(ApplianceError):
        root("drives.own", {"tag": "HOT-1"})
    assert treasure.stat().st_uid == 0 and list(treasure.iterdir()) == []


def test_an_adopted_drive_is_made_usable_without_touching_its_files(root: Root, loops: LoopDrives) -> None:
    place = mount(root, loops.make("blue"))
    (place / "Anna").mkdir()
    (place / "Anna/readable").write_text("x")
    (place / "Anna/private").write_text("x")
    os.chown(place / "Anna", 1000, 1000)
    for name, mode in (("readable", 0o644), ("private", 0o600)):
        os.chown(place / "Anna" / name, 1000, 1000)
        (place / "Anna" / name).chmod(mode)
    assert root("drives.own", {"tag": "HOT-1"}) == {"unreadable": 1, "changed": 0}
    assert (place / "Anna/private").stat().st_uid == 1000
    as_station_user(f"mkdir '{place}/Ben'")
    assert root("drives.own", {"tag": "HOT-1", "everything": True}) == {"unreadable": 0, "changed": 3}
    as_station_user(f"cat '{place}/Anna/private' >/dev/null; touch '{place}/Anna/new'")


def test_the_daemon_may_be_killed_while_a_drive_is_mounted(root: Root, loops: LoopDrives) -> None:
    device = loops.make("blue", "exfat")
    place = mount(root, device)
    (place / "photo").write_text("x")
    root.kill()
    root.start()
    assert (place / "photo").read_text() == "x" and mount(root, device) == place
    root("drives.unmount", {"tag": "HOT-1"})
    assert root("drives.look", {"device": device})["dirty"] is False


def test_a_broken_filesystem_is_a_word_and_not_a_crash(root: Root, loops: LoopDrives) -> None:
    device = loops.make("blue")
    with loops.image("blue").open("r+b") as image:
        image.seek(1024 + 1024)
        image.write(os.urandom(600_000))
    seen = root("drives.look", {"device": device})
    assert seen["filesystem"] == "ext4" and seen["problem"]


def test_a_blank_drive_is_shown_as_blank(root: Root, loops: LoopDrives) -> None:
    seen = root("drives.look", {"device": loops.make("blue", "")})
    assert (seen["filesystem"], seen["problem"], seen["names"]) == ("", "", [])


def test_plugging_and_unplugging_show_within_two_seconds(root: Root, loops: LoopDrives, places: Places) -> None:
    with closing(Watch(places)) as news:
        news.changed()
        assert not news.changed()
        for step in (lambda: loops.make("blue"), lambda: loops.pull("blue"), lambda: loops.plug("blue")):
            step()
            told(news)
            found = inventory.refresh(places, root).found
            assert [f.model for f in found] == [name for name in loops.devices]
        while news.changed():
            pass
        mount(root, loops.devices["blue"])
        told(news)


def told(news: Watch) -> None:
    """Woken and not only by looking; within two seconds of an idle machine."""
    began = time.monotonic()
    while not news.changed():
        news.wait(30)
    assert time.monotonic() - began < soon()


def test_a_scan_of_known_drives_reads_nothing_from_them(root: Root, loops: LoopDrives, places: Places) -> None:
    device = loops.make("blue")
    first = inventory.refresh(places, root)
    reads = Path(f"/sys/block/{device}/stat").read_text().split()[0]
    for _ in range(5):
        assert inventory.refresh(places, root).found == first.found
    assert Path(f"/sys/block/{device}/stat").read_text().split()[0] == reads


def test_the_verbs_import_no_database_and_no_web() -> None:
    code = (
        "import sys, json; import appliance.drives.privileged, appliance.drives.inventory;"
        "print(json.dumps([m for m in sys.modules if m.split('.')[0] in ('sqlalchemy', 'flask', 'PIL', 'pluggy')]))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == []


def test_a_disk_that_is_worked_on_keeps_nobody_waiting(root: Root, loops: LoopDrives, places: Places) -> None:
    """Formatting takes minutes on a real drive; the list of the others is still there."""
    slow = loops.make("slow", "", megabytes=4000)
    size = loops.image("slow").stat().st_size
    request = {"disk": slow, "filesystem": "ext4", "label": "x", "expected_serial": "slow.img", "expected_size": size}
    device = loops.make("blue")
    seen: list[object] = []
    for _ in range(5):  # on a busy machine the work may be over before the first look
        work = [threading.Thread(target=root, args=("drives.format", request)) for _ in range(3)]
        for one in work:
            one.start()
        while any(one.is_alive() for one in work):
            now = inventory.scan(places, root).by_device(device)
            seen.append(now is not None and now.filesystem)
        if seen:
            break
    assert set(seen) == {"ext4"}
