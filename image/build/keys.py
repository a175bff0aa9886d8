"""Whom an image believes: the publisher's keys (``--keys DIR``, ``EVERPX_KEYS``), or some for development.

A folder of keys has ``release-authority.pem`` and ``keys-N.json`` (the highest goes into the image).  With
``release.crt`` and ``release.key`` in it the build signs its bundle as well; a publisher's lie elsewhere, and
``python -m image.release bundle`` signs there.  docs/release.md tells how they are made.
"""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from image.build.programs import BuildFailed
from image.release import certificates, signing

AUTHORITY, CERTIFICATE, KEY = "release-authority.pem", "release.crt", "release.key"
DEVELOPMENT = "development-keys"


@dataclass(frozen=True)
class Keys:
    """A folder of keys."""

    folder: Path
    development: bool = False

    @property
    def authority(self) -> bytes:
        """The certificate above all that sign bundles."""
        return (self.folder / AUTHORITY).read_bytes()

    @property
    def listed(self) -> bytes:
        """The newest list of keys."""
        found = {int(number[1]): path for path in self.folder.iterdir()
                 if (number := re.fullmatch(r"keys-(\d+)\.json", path.name))}  # fmt: skip
        if not found:
            raise BuildFailed(f"{self.folder} holds no keys-N.json. docs/release.md says how it is made.")
        return found[max(found)].read_bytes()

    @property
    def can_sign(self) -> bool:
        """Whether bundles can be signed here."""
        return (self.folder / KEY).exists() and (self.folder / CERTIFICATE).exists()


def found(given: Path | None, cache: Path) -> Keys:
    """The keys to build with.  Raises BuildFailed for a folder that is none."""
    folder = given or (Path(os.environ["EVERPX_KEYS"]) if os.environ.get("EVERPX_KEYS") else None)
    if folder is None:
        return for_development(cache / DEVELOPMENT)
    if not (folder / AUTHORITY).exists():
        raise BuildFailed(f"{folder} holds no {AUTHORITY}. docs/release.md says how it is made.")
    return Keys(folder.absolute())


def for_development(folder: Path) -> Keys:
    """Keys of this machine's own, made once: what is built with them believes this machine, and nobody else."""
    if not folder.exists():
        unfinished = folder.with_name(f"unfinished-{folder.name}")
        unfinished.mkdir(mode=0o700, exist_ok=True)
        authority = certificates.authority("Everpx development")
        release = certificates.signer(authority, "Everpx development release")
        root, channel = signing.new_key(), signing.new_key()
        names = {key: signing.public(signing.opened(key)) for key in (root, channel)}
        listed = signing.list_of_keys(
            1, [names[root]], 1, {"stable": [names[channel]]}, [signing.certificate_hash(release.certificate)],
            int(time.time()),
        )  # fmt: skip
        content = {
            AUTHORITY: authority.certificate, "release-authority.key": authority.key, CERTIFICATE: release.certificate,
            KEY: release.key, "root-1.pem": root, "stable.pem": channel,
            "keys-1.json": signing.signed(listed, signing.opened(root)),
        }  # fmt: skip
        for name, made in content.items():
            (unfinished / name).write_bytes(made)
            (unfinished / name).chmod(0o600)
        unfinished.rename(folder)
    return Keys(folder, development=True)
