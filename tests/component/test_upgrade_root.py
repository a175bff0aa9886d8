"""Root's side of upgrades: the real daemon, the real RAUC of Debian 13, real slots; and a console that lies."""

import os
import pwd
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.broker.client import Refusal
from appliance.drives.leases import lease
from appliance.places import Places
from appliance.upgrade import attempt, loaders
from appliance.upgrade.attempt import Attempt, Phase
from tests.component.loop_drives import USER, LoopDrives, Root, until
from tests.component.rauc_bed import VERSION, RaucBed, rauc_bed

pytestmark = pytest.mark.component


class Bed:
    """Root, and a console that may send it anything."""

    def __init__(self, rauc: RaucBed, root: Root, here: Places) -> None:
        self.rauc, self.root, self.here = rauc, root, here
        self.folder = here.data / "upgrade"
        self.folder.mkdir(mode=0o700)
        self.user = pwd.getpwnam(USER)
        os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)

    def bring(self, bundle: Path) -> str:
        """What the console does with a file that has arrived."""
        name = secrets.token_hex(16)
        shutil.copy(bundle, self.folder / name)
        os.chown(self.folder / name, self.user.pw_uid, self.user.pw_gid)
        return name

    def examine(self, bundle: Path, **more: Any) -> dict[str, Any]:
        return self.root("upgrade.examine", {"name": self.bring(bundle)} | more)

    def refused(self, verb: str, request: Any = None) -> str:
        """The code of the refusal."""
        with pytest.raises(Refusal) as caught:
            self.root(verb, request or {})
        return str(caught.value.code)

    def not_taken(self, bundle: Path) -> str:
        """The code with which a bundle is refused; nothing of it stays."""
        code = self.refused("upgrade.examine", {"name": self.bring(bundle)})
        assert not (self.here.upgrade / "bundle.raucb").exists() and self.rauc.record() is None
        return code

    def ended(self) -> Attempt:
        """The record, once nobody installs any more."""
        until(lambda: not self.root("upgrade.status")["busy"])
        noted = self.rauc.record()
        assert noted is not None
        return noted

    def stage(self, version: str = "1.2.0") -> dict[str, Any]:
        """Install to the end."""
        found = self.examine(self.rauc.bundle(version))
        self.root("upgrade.install", {"manifest": found["manifest"]})
        assert self.ended().state is Phase.STAGED
        return found


@pytest.fixture
def bed(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch, loops: LoopDrives, program: Callable[[str], str]
) -> Iterator[Bed]:
    for name in ("dbus-daemon", "mksquashfs", "openssl"):
        program(name)
    with rauc_bed(tmp_path / "rauc", places, monkeypatch) as rauc:
        root = Root(places, loops)
        try:
            yield Bed(rauc, root, places)
        finally:
            root.close()


def test_a_bundle_is_examined_written_beside_the_running_slot_and_waits_for_its_restart(bed: Bed) -> None:
    bundle = bed.rauc.bundle("1.2.0")
    found = bed.examine(bundle)
    assert (found["version"], found["model"], found["size"]) == ("1.2.0", "everpx-amd64", bundle.stat().st_size)
    assert found["description"] == "Everything is better." and bed.rauc.record() is None
    before = bed.rauc.slot("rootfs", "A").read_bytes()

    assert bed.root("upgrade.install", {"manifest": found["manifest"]}) == {"version": "1.2.0"}
    noted = bed.ended()
    assert (noted.version, noted.previous, noted.slot, noted.state) == ("1.2.0", VERSION, "B", Phase.STAGED)
    written = (bed.rauc.folder / "content-1.2.0/rootfs.img").read_bytes()
    assert bed.rauc.slot("rootfs", "B").read_bytes()[: len(written)] == written
    assert bed.rauc.slot("rootfs", "A").read_bytes() == before
    assert not (bed.here.upgrade / "bundle.raucb").exists()
    assert bed.rauc.trying() == "" and bed.rauc.reboots() == 0

    assert bed.root("upgrade.restart") == {"version": "1.2.0"}
    assert bed.rauc.trying() == "B" and bed.rauc.reboots() == 1
    noted = bed.ended()
    assert noted.state is Phase.TRYING
    assert bed.refused("upgrade.cancel") == bed.refused("upgrade.restart") == "upgrade_not_staged"


def test_what_waits_can_be_called_off_until_the_restart_and_another_installed(bed: Bed) -> None:
    found = bed.stage()
    assert bed.refused("upgrade.examine", {"name": bed.bring(bed.rauc.bundle("1.3.0"))}) == "upgrade_undecided"
    assert bed.refused("upgrade.install", {"manifest": found["manifest"]}) == "upgrade_undecided"
    assert bed.root("upgrade.cancel") == {"version": "1.2.0"}
    noted = bed.ended()
    assert (noted.state is Phase.REFUSED and "taken back" in str(noted.why)) or "took" in str(noted.why)
    assert bed.refused("upgrade.restart") == "upgrade_not_staged" and bed.rauc.reboots() == 0
    bed.stage("1.3.0")


def test_only_a_whole_released_newer_bundle_for_this_model_is_taken(bed: Bed) -> None:
    whole = bed.rauc.bundle("1.2.0").read_bytes()
    short, flipped = bed.rauc.folder / "short", bed.rauc.folder / "flipped"
    short.write_bytes(whole[:-1000])
    flipped.write_bytes(whole[:-600] + bytes([whole[-600] ^ 1]) + whole[-599:])
    (bed.rauc.folder / "text").write_text("a photo, perhaps")
    assert bed.not_taken(short) == bed.not_taken(bed.rauc.folder / "text") == "upgrade_not_a_bundle"
    assert bed.not_taken(flipped) in {"upgrade_not_a_bundle", "upgrade_not_signed"}
    assert bed.not_taken(bed.rauc.bundle("1.2.0", signer="stranger")) == "upgrade_not_signed"
    assert bed.not_taken(bed.rauc.bundle(VERSION)) == bed.not_taken(bed.rauc.bundle("1.0.9")) == "upgrade_not_newer"
    assert bed.not_taken(bed.rauc.bundle("1.2.0", model="everpx-arm64")) == "upgrade_wrong_model"
    assert bed.not_taken(bed.rauc.bundle("one.two")) == "upgrade_unfamiliar"
    ours = bed.rauc.folder / "release.pem"  # known to RAUC, and no longer on the list of who may release
    with ours.open("a") as ring:
        ring.write((bed.rauc.folder / "stranger.pem").read_text())
    assert bed.not_taken(bed.rauc.bundle("1.2.0", signer="stranger")) == "upgrade_not_released"


def test_a_file_that_is_swapped_or_grows_after_it_was_examined_changes_nothing(bed: Bed) -> None:
    good, evil = bed.rauc.bundle("1.2.0"), bed.rauc.bundle("1.9.0", signer="stranger")
    name = bed.bring(good)
    with (bed.folder / name).open("r+b") as kept_open:
        found = bed.root("upgrade.examine", {"name": name})
        kept_open.write(evil.read_bytes())  # through what was opened before
    shutil.copy(evil, bed.folder / name)
    bed.root("upgrade.install", {"manifest": found["manifest"]})
    assert bed.ended().state is Phase.STAGED
    written = (bed.rauc.folder / "content-1.2.0/rootfs.img").read_bytes()
    assert bed.rauc.slot("rootfs", "B").read_bytes()[: len(written)] == written
    mode = (bed.here.upgrade).stat()
    assert mode.st_uid == 0 and mode.st_mode & 0o022 == 0


def test_root_takes_a_name_only_no_path_no_link_no_device_no_file_of_others(bed: Bed) -> None:
    good = bed.rauc.bundle("1.2.0")
    for name in ("../etc/shadow", "/etc/shadow", "A" * 32, "", "a" * 31):
        assert bed.refused("upgrade.examine", {"name": name}) == "bad_request"
    assert bed.refused("upgrade.examine", {"name": "a" * 32}) == "upgrade_no_bundle"
    (bed.folder / ("b" * 32)).symlink_to(good)
    os.mkfifo(bed.folder / ("c" * 32))
    shutil.copy(good, bed.folder / ("d" * 32))
    os.chown(bed.folder / ("d" * 32), 12345, 12345)
    os.link(bed.folder / bed.bring(good), bed.folder / ("e" * 32))
    for letter in "bcde":
        assert bed.refused("upgrade.examine", {"name": letter * 32}) == "upgrade_no_bundle"
    away = bed.folder.rename(bed.folder.with_name("away"))
    bed.folder.symlink_to(away)
    os.chown(away / ("d" * 32), bed.user.pw_uid, bed.user.pw_gid)
    assert bed.refused("upgrade.examine", {"name": "d" * 32}) == "upgrade_no_bundle"


def test_what_was_not_examined_is_not_installed(bed: Bed) -> None:
    assert bed.refused("upgrade.install", {"manifest": "0" * 64}) == "upgrade_not_examined"
    first = bed.examine(bed.rauc.bundle("1.2.0"))
    second = bed.examine(bed.rauc.bundle("1.3.0"))
    assert bed.refused("upgrade.install", {"manifest": first["manifest"]}) == "upgrade_not_examined"
    with (bed.rauc.folder / "release.pem").open("w") as ring:  # the certificate was taken away meanwhile
        ring.write((bed.rauc.folder / "stranger.pem").read_text())
    assert bed.refused("upgrade.install", {"manifest": second["manifest"]}) == "upgrade_not_signed"
    assert bed.rauc.record() is None


def test_a_second_install_while_one_runs_is_refused_also_by_another_root_daemon(bed: Bed) -> None:
    (bed.rauc.folder / "slow").write_text("0.7")  # each answer of the loader's takes that long
    other = bed.bring(bed.rauc.bundle("1.3.0"))
    found = bed.examine(bed.rauc.bundle("1.2.0"))
    bed.root("upgrade.install", {"manifest": found["manifest"]})
    assert bed.root("upgrade.status")["busy"] is True
    for verb, request in (
        ("upgrade.examine", {"name": other}), ("upgrade.install", {"manifest": found["manifest"]}),
        ("upgrade.restart", {}), ("upgrade.cancel", {}),
    ):  # fmt: skip
        assert bed.refused(verb, request) == "upgrade_busy"
    bed.root.process.kill()  # the daemon is started anew; who writes goes on
    bed.root.process.wait()
    bed.root.start()
    assert bed.refused("upgrade.examine", {"name": other}) == "upgrade_busy"
    assert bed.rauc.record() is not None
    assert bed.ended().state is Phase.STAGED


def test_a_restart_is_refused_while_a_drive_is_held(bed: Bed) -> None:
    bed.stage()
    with lease(bed.here, 3):
        assert bed.refused("upgrade.restart") == "upgrade_drive_held"
    assert bed.rauc.reboots() == 0 and bed.rauc.trying() == ""
    bed.root("upgrade.restart")
    assert bed.rauc.reboots() == 1


def test_where_the_restart_cannot_begin_the_version_waits_as_before(bed: Bed) -> None:
    bed.stage()
    bed.rauc.folder.joinpath("reboot").write_text("#!/bin/sh\nexit 1\n")
    assert bed.refused("upgrade.restart") == "upgrade_cannot_restart"
    noted = bed.rauc.record()
    assert noted is not None and noted.state is Phase.STAGED and noted.tries == 0 and bed.rauc.trying() == ""


def test_an_install_that_was_cut_off_is_told_as_such_when_root_begins_anew(bed: Bed) -> None:
    attempt.write(bed.here.upgrade, Attempt("1.2.0", VERSION).at(Phase.INSTALLING))
    (bed.here.upgrade / "bundle.raucb").write_bytes(b"half")
    bed.root.kill()
    bed.root.start()
    bed.root("upgrade.status")  # answered once it has looked at what it left
    noted = bed.rauc.record()
    assert noted is not None and noted.state is Phase.REFUSED and "cut off" in str(noted.why)
    assert not (bed.here.upgrade / "bundle.raucb").exists()


def test_when_rauc_stops_in_the_middle_the_record_says_why(bed: Bed) -> None:
    found = bed.examine(bed.rauc.bundle("1.2.0", mebibytes=12))  # more than the slot holds
    bed.root("upgrade.install", {"manifest": found["manifest"]})
    noted = bed.ended()
    assert noted.state is Phase.REFUSED and "could not be written" in str(noted.why)
    assert bed.rauc.trying() == "" and loaders.Grub(bed.rauc.folder / "selector").primary() == "A"


def test_news_is_believed_by_root_alone_and_what_it_announces_is_the_only_thing_installed_because_of_it(
    bed: Bed,
) -> None:
    bundle, other = bed.rauc.bundle("1.2.0"), bed.rauc.bundle("1.2.1")
    manifest = bed.examine(bundle)["manifest"]
    news = bed.rauc.announced("1.2.0", bundle, manifest).decode()
    heard = bed.root("upgrade.hear", {"channel": "stable", "document": news})
    assert heard["version"] == "1.2.0" and heard["fresh"] and heard["obstacle"] is None
    assert heard["offer"]["manifest"] == manifest
    stored = (bed.here.upgrade / "trust.json").read_bytes()
    assert b"1.2.0" in stored
    older = bed.rauc.announced("1.1.5", bundle, manifest, issued=int(time.time()) - 3600).decode()
    assert bed.refused("upgrade.hear", {"channel": "stable", "document": older}) == "upgrade_older_news"
    assert bed.refused("upgrade.hear", {"channel": "stable", "document": news[:-1]}) == "upgrade_garbled"
    assert bed.refused("upgrade.hear", {"channel": "stable", "document": "x" * 33_000}) == "bad_request"
    assert bed.refused("upgrade.follow", {"document": news}) == "upgrade_unfamiliar"
    assert (bed.here.upgrade / "trust.json").read_bytes() == stored
    name = bed.bring(other)
    assert bed.refused("upgrade.examine", {"name": name, "channel": "stable"}) == "upgrade_other_bundle"
    found = bed.examine(bundle, channel="stable")
    bed.root("upgrade.install", {"manifest": found["manifest"]})
    assert bed.ended().state is Phase.STAGED


def test_a_damaged_memory_lets_nothing_in_but_a_file(bed: Bed) -> None:
    bed.examine(bed.rauc.bundle("1.2.0"))
    (bed.here.upgrade / "trust.json").write_bytes(b'{"keys": 7}')
    assert bed.refused("upgrade.silence", {"network_works": True}) == "upgrade_memory_damaged"
    assert bed.refused("upgrade.hear", {"channel": "stable", "document": "{}"}) == "upgrade_memory_damaged"
    name = bed.bring(bed.rauc.bundle("1.2.0"))
    assert bed.refused("upgrade.examine", {"name": name, "channel": "stable"}) == "upgrade_memory_damaged"
    bed.stage()
    assert (bed.here.upgrade / "trust.json").read_bytes() == b'{"keys": 7}'


def test_what_proved_itself_is_never_installed_again_in_an_older_version(bed: Bed) -> None:
    bed.rauc.run_version("1.5.0")
    bed.examine(bed.rauc.bundle("1.6.0"))
    bed.rauc.run_version(VERSION)  # the card was written anew with an old image, the data partition is as it was
    assert bed.refused("upgrade.examine", {"name": bed.bring(bed.rauc.bundle("1.4.0"))}) == "upgrade_not_newer"


def test_a_card_that_is_full_says_how_much_is_missing(bed: Bed, tmp_path: Path) -> None:
    small = tmp_path / "small"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=66m", "small", str(bed.here.upgrade)], check=True, timeout=30)
    try:
        bed.root.kill()
        bed.root.start()
        with pytest.raises(Refusal) as caught:
            bed.examine(bed.rauc.bundle("1.2.0"))
        assert caught.value.code == "upgrade_no_room" and caught.value.fields["needed_bytes"] > 1 << 20
        assert list(bed.here.upgrade.glob("bundle*")) == []
    finally:
        subprocess.run(["umount", str(bed.here.upgrade)], check=True, timeout=30)
    assert not small.exists()


@pytest.mark.parametrize("step", range(1, 11))
def test_wherever_the_plug_is_pulled_between_deciding_and_writing_nothing_is_half(bed: Bed, step: int) -> None:
    """The n-th durable write of root's side does not come back: what is found afterwards is one of the whole states."""
    (bed.rauc.folder / "cut").write_text(str(step))
    patch = bed.rauc.folder / "sitecustomize.py"
    patch.write_text(CUT.format(folder=bed.rauc.folder))
    bed.rauc.patch.setenv("PYTHONPATH", f"{bed.rauc.folder}:{os.environ.get('PYTHONPATH', '')}")
    bed.root.kill()
    bed.root.start()
    bundle = bed.rauc.bundle("1.2.0")
    try:
        found = bed.examine(bundle)
        bed.root("upgrade.install", {"manifest": found["manifest"]})
        bed.ended()
    except Exception as lost:  # whatever the console sees of a station that lost its power
        print(lost)
    assert (bed.rauc.folder / "cut").read_text().startswith(("0", "-")), "there are not so many steps"
    bed.rauc.patch.delenv("PYTHONPATH")
    bed.root.kill()
    bed.root.start()
    noted = bed.rauc.record()
    assert noted is None or noted.state in (Phase.STAGED, Phase.REFUSED)
    assert loaders.Grub(bed.rauc.folder / "selector").primary() == "A" and bed.rauc.trying() == ""
    if noted is None or noted.state is Phase.REFUSED:
        bed.stage("1.2.0")


CUT = """
import os, sys
if "plugins.upgrade" in " ".join(sys.orig_argv) or "appliance.broker.daemon" in " ".join(sys.orig_argv):
    real = os.fsync
    def fsync(fd):
        path = os.readlink(f"/proc/self/fd/{{fd}}")
        if "/upgrade" in path and os.path.exists("{folder}/cut"):
            left = int(open("{folder}/cut").read()) - 1
            open("{folder}/cut", "w").write(str(left))
            if left == 0:
                os._exit(9)
        real(fd)
    os.fsync = fsync
"""
