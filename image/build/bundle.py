"""The bundle of an upgrade: both slot images and who made them, in RAUC's verity form.

Its content is checked block by block while it is read, so it can be streamed; the slot images in it are the built ones
to the byte.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

from image.build import upgrades
from image.build.keys import AUTHORITY, CERTIFICATE, KEY

Run = Callable[[Sequence[str | PathLike[str]]], str]
#: the root is packed already, and what is empty costs nothing; kernel and first disk are worth some seconds
PACKED = "-comp zstd -Xcompression-level 15 -b 256K"


def name(model: str, version: str) -> str:
    """A bundle's file."""
    return f"{model}-{version}.raucb"


def made(images: Path, model: str, version: str, keys: Path, into: Path, run: Run) -> Path:
    """Make and sign it from the images in a folder; ``run`` starts a program that sees ``into``'s folder as it is."""
    bundle = into / name(model, version)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=into) as folder:
        content, secret = Path(folder) / "content", Path(folder) / "keys"
        content.mkdir()
        secret.mkdir(mode=0o700)
        for image in upgrades.SLOTS.values():
            _linked(images / image, content / image)
        (content / "manifest.raucm").write_text(upgrades.manifest(model, version))
        for one in (AUTHORITY, CERTIFICATE, KEY):
            shutil.copy(keys / one, secret / one)
        unfinished = Path(folder) / bundle.name
        run([
            "rauc", f"--conf={_believing(secret / AUTHORITY, Path(folder))}", f"--mksquashfs-args={PACKED}",
            f"--cert={secret / CERTIFICATE}", f"--key={secret / KEY}", "bundle", content, unfinished,
        ])  # fmt: skip
        unfinished.replace(bundle)
    return bundle


def manifest_hash(bundle: Path, keys: Path, run: Run) -> str:
    """What a channel file calls this bundle."""
    said = run(["rauc", f"--conf={_believing(keys / AUTHORITY, keys)}", "info", "--output-format=json-2", bundle])
    return str(json.loads(said)["manifest-hash"])


def _believing(authority: Path, folder: Path) -> Path:
    """Settings with which RAUC asks of a signer what a station asks."""
    settings = folder / "rauc.conf"
    settings.write_text(
        f"[system]\ncompatible=any\nbootloader=noop\n[keyring]\npath={authority}\ncheck-purpose={upgrades.PURPOSE}\n"
    )
    return settings


def _linked(image: Path, place: Path) -> None:
    try:
        os.link(image, place)
    except OSError:  # another filesystem
        shutil.copy(image, place)
