"""A machine with two slots that RAUC of Debian 13 writes, as far as this kernel goes: real loops, bus, service, client.

Bundles are ``plain`` here, because the kernel of a test machine has no dm-verity; the image accepts ``verity`` only,
and its own tests install those.  What is said to the loader is said by the station's own backend.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.places import Places
from appliance.upgrade import attempt, loaders
from appliance.upgrade.attempt import Attempt
from image.release import signing
from tests.component.loop_drives import until
from tests.trixie import programs

MODEL, VERSION = "everpx-amd64", "1.1.0"
DAY = 24 * 3600
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
"""
ROOT, STABLE = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))


class RaucBed:
    """The two slots, who may sign for them, and root's environment."""

    def __init__(self, folder: Path, here: Places, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.here, self.patch = folder, here, patch
        folder.mkdir()
        self.bin = programs("rauc", package="rauc")
        self.processes: list[subprocess.Popen[bytes]] = []
        self.loops: list[str] = []
        self.certify("release")
        self.certify("stranger")
        self.image = folder / "image"
        self.image.mkdir()
        self.run_version(VERSION)
        self.keys = signing.signed(
            signing.list_of_keys(
                1, [signing.public(ROOT)], 1, {"stable": [signing.public(STABLE)]},
                [signing.certificate_hash((folder / "release.pem").read_bytes())], int(time.time()) - 10 * DAY,
            ),
            ROOT,
        )  # fmt: skip
        (self.image / "upgrade-keys.json").write_bytes(self.keys)
        self._environment()
        self._configure()

    def run_version(self, version: str) -> None:
        """Which version the running image says it is."""
        told = {"version": version, "model": MODEL, "commit": "", "built": int(time.time()) - 30 * DAY}
        (self.image / "release").write_text(json.dumps(told))

    def certify(self, name: str) -> None:
        """Somebody with a certificate of their own."""
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", f"/O=T/CN={name}"]
        files = ["-keyout", str(self.folder / f"{name}.key"), "-out", str(self.folder / f"{name}.pem")]
        subprocess.run([*make, *files], check=True, capture_output=True, timeout=60)

    def _environment(self) -> None:
        selector, proc = self.folder / "selector", self.folder / "proc"
        (selector / "everpx").mkdir(parents=True)
        (selector / "everpx/bootenv").write_bytes(loaders.bootenv())
        proc.mkdir()
        (proc / "cmdline").write_text("quiet rauc.slot=A\n")
        reboot = self.folder / "reboot"
        reboot.write_text(f"#!/bin/sh\necho again >> {self.folder}/reboots\n")
        reboot.chmod(0o755)
        for name, value in {
            "EVERPX_UPGRADE": self.here.upgrade, "EVERPX_IMAGE": self.image, "EVERPX_SELECTOR": selector,
            "EVERPX_PROC": proc, "EVERPX_RAUC": f"{self.bin}/rauc -c {self.folder}/system.conf",
            "EVERPX_REBOOT": reboot, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.folder}/bus",
        }.items():  # fmt: skip
            self.patch.setenv(name, str(value))

    def _configure(self) -> None:
        backend, lines = self.folder / "backend", []
        backend.write_text(
            f'#!/bin/sh\nsleep "$(cat {self.folder}/slow 2>/dev/null || echo 0)"\n'
            f'exec {sys.executable} -m appliance.upgrade.backend "$@"\n'
        )
        backend.chmod(0o755)
        for kind, size in (("rootfs", 8), ("boot", 2)):
            for number, slot in enumerate(loaders.SLOTS):
                file = self.slot(kind, slot)
                with file.open("wb") as out:
                    out.truncate(size << 20)
                attach = ["losetup", "--find", "--show", str(file)]
                said = subprocess.run(attach, check=True, capture_output=True, text=True, timeout=30)
                self.loops.append(said.stdout.strip())
                tied = f"bootname={slot}" if kind == "rootfs" else f"parent=rootfs.{number}"
                lines += [f"[slot.{kind}.{number}]", f"device={self.loops[-1]}", "type=raw", tied]
        (self.folder / "mnt").mkdir()
        (self.folder / "system.conf").write_text("\n".join([
            "[system]", f"compatible={MODEL}", "bootloader=custom", "bundle-formats=plain verity",
            f"statusfile={self.folder}/status", f"mountprefix={self.folder}/mnt", "activate-installed=true",
            "[keyring]", f"path={self.folder}/release.pem", "[handlers]", f"bootloader-custom-backend={backend}",
            *lines, "",
        ]))  # fmt: skip

    def slot(self, kind: str, slot: str) -> Path:
        """The bytes of a slot."""
        return self.folder / f"{kind}-{slot}.img"

    def start(self) -> None:
        """The bus, and RAUC's service on it."""
        conf = self.folder / "bus.conf"
        conf.write_text(BUS.format(folder=self.folder))
        self._run(["dbus-daemon", f"--config-file={conf}", "--nofork", "--nopidfile"])
        until(lambda: (self.folder / "bus").exists())
        rauc = [f"{self.bin}/rauc", "-c", f"{self.folder}/system.conf"]
        self._run([*rauc, "--override-boot-slot=A", "service"])
        until(lambda: subprocess.run([*rauc, "status"], capture_output=True, timeout=60, check=False).returncode == 0)

    def _run(self, argv: list[str]) -> None:
        with (self.folder / "programs.log").open("ab") as log:
            self.processes.append(subprocess.Popen(argv, stdout=log, stderr=log))

    def bundle(self, version: str, model: str = MODEL, signer: str = "release", mebibytes: int = 4) -> Path:
        """A signed bundle whose slots are random bytes."""
        content = self.folder / f"content-{version}"
        content.mkdir(exist_ok=True)
        (content / "rootfs.img").write_bytes(os.urandom(mebibytes << 20))
        (content / "boot.img").write_bytes(os.urandom(1 << 20))
        (content / "manifest.raucm").write_text(
            f"[update]\ncompatible={model}\nversion={version}\ndescription=Everything is better.\n"
            "[bundle]\nformat=plain\n[image.rootfs]\nfilename=rootfs.img\n[image.boot]\nfilename=boot.img\n"
        )
        path = self.folder / f"{model}-{version}-{signer}.raucb"
        path.unlink(missing_ok=True)
        subprocess.run(
            [f"{self.bin}/rauc", f"--cert={self.folder}/{signer}.pem", f"--key={self.folder}/{signer}.key", "bundle",
             str(content), str(path)], check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        return path

    def announced(self, version: str, bundle: Path, manifest: str, **more: Any) -> bytes:
        """A channel file that announces a bundle."""
        offer = {"manifest": manifest, "size": bundle.stat().st_size, "url": f"https://example.org/{bundle.name}"}
        given: dict[str, Any] = {"issued": int(time.time()) - 600}
        return signing.signed(signing.channel_file("stable", version, {MODEL: offer}, **given | more), STABLE)

    def record(self) -> Attempt | None:
        """The last attempt."""
        return attempt.read(self.here.upgrade)

    def reboots(self) -> int:
        """How often the machine was told to restart."""
        path = self.folder / "reboots"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def trying(self) -> str:
        """Which slot the loader was told to try."""
        return loaders.Grub(self.folder / "selector").armed()

    def close(self) -> None:
        """End what was started, and detach the slots."""
        for process in reversed(self.processes):
            process.terminate()
            process.wait(20)
        for loop in self.loops:
            subprocess.run(["losetup", "--detach", loop], check=False, timeout=30)


@contextmanager
def rauc_bed(folder: Path, here: Places, patch: pytest.MonkeyPatch) -> Iterator[RaucBed]:
    """Ready to install."""
    bed = RaucBed(folder, here, patch)
    try:
        bed.start()
        yield bed
    finally:
        bed.close()
