"""A folder that a share does not show: the real Samba, asked in every way that a curious person would try."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import smbclient
from smbprotocol.exceptions import SMBException

from plugins.smb.facts import Share
from plugins.smb.samba_conf import not_found
from tests.component.loop_drives import USER, LoopDrives
from tests.component.smb_bed import ANNA, BEN, NAMES, PASSWORD, Bed, bed, shared

pytestmark = pytest.mark.component
SECRET = "what Ben may not see"


@pytest.fixture
def here(program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    for name in ("smbd", "smbclient", "testparm", "smbcontrol"):
        program(name)
    with bed(monkeypatch) as found:
        yield found
    smbclient.reset_connection_cache(fail_on_error=False)


@pytest.fixture(params=["folder", "ext4", "exfat"])
def top(here: Bed, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A drive with the family's folders; of them Taxes is not for Ben, who may change everything else."""
    with contextlib.ExitStack() as stack:
        point = None
        if request.param != "folder":
            loops = LoopDrives(tmp_path / "usb")
            stack.callback(loops.close)
            device, point = loops.make("hot", request.param), here.run / "drives/HOT-1"
            point.mkdir(mode=0o000)
            mounted = ["mount.exfat-fuse", "-o", "uid=65534,gid=65534"] if request.param == "exfat" else ["mount"]
            subprocess.run([*mounted, f"/dev/{device}", str(point)], check=True, capture_output=True)
            stack.callback(subprocess.run, ["umount", str(point)], check=False, capture_output=True)
        place = here.drive("HOT-1", point, request.param)
        (place / "Family/Taxes/2026").mkdir(parents=True)
        (place / "Family/Taxes/2026/bill.txt").write_text(SECRET)
        (place / "Family/Holiday").mkdir()
        (place / "Family/Holiday/beach.txt").write_text("sand")
        if request.param != "exfat":
            for path in (place / "Family").rglob("*"):
                shutil.chown(path, USER)
        here.apply(
            shared(seeing=()),
            Share("Family for Ben", "HOT-1", "Family", changing=(BEN,), hidden=("Taxes",)),
            Share("Taxes", "HOT-1", "Family/Taxes", changing=(ANNA,)),
        )
        here.up()
        yield place
        smbclient.reset_connection_cache(fail_on_error=False)
        here.apply(people=())


def ben(here: Bed) -> dict[str, Any]:
    """How smbprotocol is told that Ben asks."""
    return {"username": NAMES[BEN], "password": PASSWORD, "port": here.port}


@pytest.mark.parametrize(
    "commands",
    [
        "cd Taxes; ls",
        r"ls Taxes\*",
        r"get Taxes\2026\bill.txt out",
        r"get TAXES\2026\BILL.TXT out",
        r"cd taxes\2026; ls",
        r"get Holiday\..\Taxes\2026\bill.txt out",
        r"get Taxes.\2026\bill.txt out",
        r"get Taxes...\2026\bill.txt out",
        r'get "Taxes \2026\bill.txt" out',
        r"get TAXES~1\2026\bill.txt out",
        r"get Taxes::$INDEX_ALLOCATION\2026\bill.txt out",
        r"get Taxes:$I30:$INDEX_ALLOCATION\2026\bill.txt out",
        r"put /etc/hostname Taxes\mine.txt",
        r"put /etc/hostname Taxes:stream",
        r"put /etc/hostname Taxes",
        "mkdir Taxes",
        "rmdir Taxes",
        "rename Taxes Mine",
        r"rename Taxes Holiday\Mine",
        r"rename Holiday\beach.txt Taxes\beach.txt",
        r"rename Holiday Taxes",
        r"hardlink Taxes\2026\bill.txt mine.txt",
        "allinfo Taxes",
        r"allinfo Taxes\2026\bill.txt",
        r"del Taxes\2026\bill.txt",
        "deltree Taxes",
        r"cd .everpx-deleted; ls",
    ],
)
def test_what_a_share_does_not_show_is_not_had_in_any_way(here: Bed, top: Path, commands: str) -> None:
    said = here.client("Family for Ben", f"lcd {here.run}; {commands}", BEN)[1]
    out = here.run / "out"
    assert not out.exists() or out.read_text() != SECRET, said
    assert "NT_STATUS" in said and SECRET not in said, (commands, said)
    assert (top / "Family/Taxes/2026/bill.txt").read_text() == SECRET
    assert sorted(path.name for path in (top / "Family/Taxes").iterdir()) == ["2026"]
    assert (top / "Family/Holiday/beach.txt").exists()


def test_everything_else_is_there_and_others_see_all(here: Bed, top: Path) -> None:
    code, said = here.client("Family for Ben", r"ls; recurse on; ls; put /etc/hostname Holiday\by-ben.txt", BEN)
    assert code == 0 and "beach.txt" in said and "Taxes" not in said and "bill" not in said, said
    assert (top / "Family/Holiday/by-ben.txt").exists()
    assert here.client("Family", "ls", BEN)[0] != 0 and here.client("Taxes", "ls", BEN)[0] != 0
    assert here.client("Family for Ben", "ls", ANNA)[0] != 0
    assert "bill.txt" in here.client("Family", r"cd Taxes\2026; ls")[1]
    assert "bill.txt" in here.client("Taxes", r"cd 2026; ls")[1]
    assert "Taxes" in {entry.name for entry in (top / "Family").iterdir()}


def test_older_versions_of_it_are_not_shown_either(here: Bed) -> None:
    place, cold = here.drive("HOT-1"), here.drive("COLD-1")
    old = cold / "Older versions/2026-11-20/HOT-1/Family"
    for folder, said in (("Taxes", SECRET), ("Holiday", "sand")):
        (place / "Family" / folder).mkdir()
        (old / folder).mkdir(parents=True)
        (old / folder / "old.txt").write_text(said)
        (place / "Family" / folder / "old.txt").write_text("new")
    family = Share("Family for Ben", "HOT-1", "Family", changing=(BEN,), hidden=("Taxes",))
    here.apply(shared(seeing=()), family, versions="COLD-1")
    here.up()
    said = here.client("Family for Ben", r"allinfo Holiday\old.txt", BEN)[1]
    stamp = next(line.strip() for line in said.splitlines() if line.startswith("@GMT"))
    out = here.run / "out"
    assert here.client("Family for Ben", rf"get {stamp}\Holiday\old.txt {out}", BEN)[0] == 0
    assert out.read_text() == "sand"
    for commands in (rf"get {stamp}\Taxes\old.txt {out}", rf"ls {stamp}\Taxes\*", rf"cd {stamp}\Taxes; ls"):
        said = here.client("Family for Ben", commands, BEN)[1]
        assert "NT_STATUS" in said and "old.txt of size" not in said, said
    assert out.read_text() == "sand"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file that cannot be closed any more
def test_who_has_it_open_when_it_is_hidden_loses_it_at_once(here: Bed) -> None:
    place = here.drive("HOT-1")
    (place / "Family/Taxes").mkdir()
    (place / "Family/Taxes/bill.txt").write_text(SECRET)
    everybody = shared(seeing=(), changing=(ANNA, BEN))
    here.apply(everybody)
    here.up()
    file = smbclient.open_file("//127.0.0.1/Family/Taxes/bill.txt", mode="rb", buffering=0, **ben(here))
    assert file.read(4) == SECRET[:4].encode()
    here.apply(shared(seeing=()), Share("Family for Ben", "HOT-1", "Family", changing=(BEN,), hidden=("Taxes",)))
    end = time.monotonic() + 20
    with pytest.raises((SMBException, OSError)):
        while time.monotonic() < end:
            file.seek(0)
            file.read(4)
            time.sleep(0.1)


def test_where_windows_filesystems_are_their_other_names_are_hidden_as_well() -> None:
    assert list(not_found((), "exfat")) == [] and list(not_found(("Taxes",), "ext4")) == ["Taxes"]
    assert set(not_found(("Taxes",), "ntfs")) == {"Taxes", "Taxes.", "Taxes..*", "?*~?*"}
