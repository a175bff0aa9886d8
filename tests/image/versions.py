"""Versions to upgrade to: bundles made from the build before, good ones, broken ones, and such that are refused."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from image.build import bundle, keys, repack, upgrades
from image.build.arch import Arch
from image.build.repack import Changes
from image.build.tools import Tools

NEXT, PANICS, UNWELL = "0.2.0", "0.2.1", "0.2.2"
SITE = "opt/everpx/lib/python3.13/site-packages"
NEWER_THAN_ALL = '''"""a column that versions before do not know"""

from alembic import op

revision = "9999"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.execute("create table of_the_future (id integer primary key)")
'''


class Versions:
    """Makes bundles in ``folder`` as they are asked for."""

    def __init__(self, arch: Arch, folder: Path) -> None:
        self.arch, self.folder = arch, folder
        self.cache = Path(os.environ.get("CACHE", "/var/tmp/everpx-image"))
        self.keys = keys.found(None, self.cache)
        self.model = upgrades.model(arch)

    def good(self) -> Path:
        """The same system under a higher number."""
        return self._repacked(NEXT, Changes(packing="lz4"))

    def panics(self) -> Path:
        """Its first program ends at once, which no kernel survives."""
        return self._repacked(PANICS, Changes(boot=_without_init, only_boot=True))

    def unwell(self) -> Path:
        """It migrates the database, and then its console does not start."""
        return self._repacked(UNWELL, Changes(root=_broken, packing="lz4"))

    def refused(self) -> dict[str, Path]:
        """By the words that RAUC says of each."""
        foreign = keys.for_development(self.folder / "foreign-keys")
        older = self._small(self.model, "0.0.9", self.keys.folder)
        cut = self.folder / "cut-short.raucb"
        cut.write_bytes(older.read_bytes()[:-4096])
        return {
            "signature verification failed": self._small(self.model, "0.3.0", foreign.folder),
            "Version mismatch": older,
            "Compatible mismatch": self._small("everpx-toaster", "0.3.0", self.keys.folder),
            "Signature size": cut,
        }

    def _repacked(self, number: str, changes: Changes) -> Path:
        place = self.folder / bundle.name(self.model, number)
        if not place.exists():
            with (self.cache / f"lock-{self.arch.debian}").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # a build would take the files away meanwhile
                repack.repacked(self.arch, self.cache, self.folder, number, self.keys, changes)
        return place

    def _small(self, model: str, number: str, by: Path) -> Path:
        """Refused before anything of it would be written, so there is little in it."""
        work = self.cache / "refused"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        for image in upgrades.SLOTS.values():
            (work / image).write_bytes(os.urandom(2**20))
        tools = Tools(max(self.cache.glob("tools-*"), key=os.path.getmtime), self.cache, self.cache / "refused.log")
        made = bundle.made(work, model, number, by, work, tools.run)
        return Path(shutil.move(made, self.folder / f"{by.name}-{made.name}"))


def on_a_disk(bundles: list[Path], disk: Path) -> Path:
    """A disk with these files for a machine."""
    content = disk.with_suffix(".files")
    content.mkdir()
    for one in bundles:
        os.link(one, content / one.name)
    size = sum(one.stat().st_size for one in bundles) // 2**20 * 11 // 10 + 64
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", content, disk, f"{size}M"], check=True, timeout=300)
    shutil.rmtree(content)
    return disk


def _without_init(files: dict[str, bytes]) -> None:
    line, _, rest = files["everpx/slot.cfg"].partition(b"\n")
    files["everpx/slot.cfg"] = line + b" rdinit=/bin/false\n" + rest


def _broken(tree: Path) -> None:
    site = tree / SITE
    versions = site / "appliance/migrations/versions"
    newest = max(path.name for path in versions.glob("[0-9]*.py"))
    (versions / "9999_of_the_future.py").write_text(NEWER_THAN_ALL.format(before=newest[:4]))
    console = site / "console/serve.py"
    console.write_text('"""Broken for a test."""\n\nraise SystemExit("broken for a test")\n')
    for stale in (site / "console/__pycache__").glob("serve.*"):
        stale.unlink()
