"""Debian 13 as the mirror has it now: which packages a list of names means, and fetching single ones.

The package lists are kept between builds, so that asking whether anything changed takes seconds.  apt checks Debian's
signature on everything.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from image.build.programs import BuildFailed, run

SUITE = "trixie"
PYTHON = "3.13"  # its own
MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PARTS = "main non-free-firmware"  # the second for nothing but the Pi's own start files


def sources(mirror: str, security: str) -> list[str]:
    """Lines for apt: the release and what was mended since; ``security`` may be empty, for a mirror that holds all."""
    lines = [f"deb [signed-by={KEYRING}] {mirror} {suite} {PARTS}" for suite in (SUITE, f"{SUITE}-updates")]
    return [*lines, *([f"deb [signed-by={KEYRING}] {security} {SUITE}-security {PARTS}"] if security else [])]


@dataclass(frozen=True, order=True)
class Package:
    """One package in one version."""

    name: str
    version: str


@dataclass(frozen=True)
class Source:
    """A source package: what describes it, its version, and the files with their hashes."""

    name: str
    version: str
    description: str
    files: tuple[str, ...]


def sources_of(lines: list[str]) -> list[str]:
    """Lines for apt: the source packages of what ``lines`` name."""
    return [f"deb-src{line.removeprefix('deb')}" for line in lines]


def resolved(simulation: str) -> list[Package]:
    """The packages in what ``apt-get --simulate install`` said."""
    found = re.findall(r"^Inst (\S+) \((\S+) ", simulation, re.MULTILINE)
    return sorted(Package(name.partition(":")[0], version) for name, version in found)


class Archive:
    """One processor's packages."""

    def __init__(self, folder: Path, arch: str, lines: list[str]) -> None:
        self.folder, self.arch, self.lines = folder, arch, lines
        self._options = [
            *("-o", f"Dir::State={folder}/state", "-o", f"Dir::Cache={folder}/cache", "-o", f"Dir::Etc={folder}/etc"),
            *("-o", f"Dir::State::status={folder}/status", "-o", f"APT::Architecture={arch}"),
            *("-o", f"APT::Architectures::={arch}", "-o", "APT::Install-Recommends=false"),
            *("-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3", "-o", "APT::Sandbox::User=root"),
        ]

    def update(self) -> None:
        """Ask the mirror what there is.  Raises BuildFailed when it cannot be reached or is not Debian's."""
        for name in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").write_text("")
        (self.folder / "etc/sources.list").write_text("\n".join(self.lines) + "\n")
        try:
            run(["apt-get", *self._options, "-o", "APT::Update::Error-Mode=any", "update"])
        except BuildFailed as failed:
            raise BuildFailed(
                f"Debian's packages cannot be asked for. Is there a network? MIRROR= names another mirror.\n{failed}"
            ) from None

    def resolve(self, names: Iterable[str]) -> list[Package]:
        """Everything that these names bring along, in the versions of now."""
        return resolved(run(["apt-get", *self._options, "--simulate", "--yes", "install", *sorted(names)]))

    def kernel(self) -> str:
        """The package that Debian's own kernel is in now."""
        said = run(["apt-cache", *self._options, "depends", "--important", f"linux-image-{self.arch}"])
        found = re.search(r"Depends: (linux-image-\S+)", said)
        if found is None:
            raise BuildFailed(f"Debian has no kernel for {self.arch}.")
        return found[1]

    def version(self, name: str) -> Package:
        """The version of one package that would be fetched."""
        found = re.search(r"Candidate: (\S+)", run(["apt-cache", *self._options, "policy", name]))
        if found is None:
            raise BuildFailed(f"Debian has no package {name} for {self.arch}.")
        return Package(name, found[1])

    def fetch(self, names: Iterable[str]) -> list[Path]:
        """The packages' files, in the versions of now."""
        debs = self.folder / "debs"
        debs.mkdir(exist_ok=True)
        run(["apt-get", *self._options, "download", *sorted(names)], cwd=debs)
        return sorted(debs.iterdir())

    def source(self, name: str) -> Source:
        """The newest version of a source package."""
        said = run(["apt-get", *self._options, "source", "--print-uris", "--only-source", "--download-only", name])
        files = re.findall(r"^'\S+' (\S+ \d+ \S+)$", said, re.MULTILINE)
        description = next((file.split()[0] for file in files if file.split()[0].endswith(".dsc")), "")
        known = run(["apt-cache", *self._options, "showsrc", "--only-source", name]).split("\n\n")
        versions = [re.search(r"^Version: (\S+)$", one, re.MULTILINE) for one in known if f" {description}\n" in one]
        if not (description and versions and versions[0]):
            raise BuildFailed(f"Debian has no source of {name}.")
        return Source(name, versions[0][1], description, tuple(sorted(files)))

    def fetch_source(self, source: Source, into: Path) -> None:
        """Its files, as apt has checked them."""
        words = ["source", "--only-source", "--download-only", f"{source.name}={source.version}"]
        run(["apt-get", *self._options, *words], cwd=into)

    def unpack(self, name: str, into: Path) -> None:
        """What is in one package, without running anything of it."""
        debs = self.folder / "debs"
        debs.mkdir(exist_ok=True)
        before = set(debs.iterdir())
        version = self.version(name).version.replace(":", "%3a")
        kept = [deb for deb in before if deb.name.startswith(f"{name}_{version}_")]
        if not kept:
            run(["apt-get", *self._options, "download", name], cwd=debs)
            kept = sorted(set(debs.iterdir()) - before)
        run(["dpkg-deb", "--extract", kept[0], into])
