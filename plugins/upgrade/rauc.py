"""RAUC, asked by its own client: what is in a bundle and who signed it, and writing it into the slots that do not run.

RAUC checks the signature against the keyring of the running image; what else has to be so is decided elsewhere.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceError
from appliance.words import N_

INFO_WITHIN_S = 120
SIGNER = re.compile(r"^\s*SPKI sha256: ([0-9A-F:]{95})$", re.MULTILINE)
PROGRESS = re.compile(r"^ *(\d{1,3})% (.*)$")
FAILED = re.compile(r"^LastError: (.*)$")
LONGEST_WHY = 300


class NotABundle(ApplianceError):
    """RAUC makes nothing of it: another file, one that was cut off, or signed by somebody unknown."""

    code, status, template = (
        "upgrade_not_a_bundle",
        422,
        N_("This file is not a new version, or not all of it is here."),
    )
    hint = N_("Nothing was changed. Get it once more, from where this station came from.")


class NotSigned(NotABundle):
    """Whole, but signed by somebody whom the running image does not know."""

    code, template = (
        "upgrade_not_signed",
        N_("This file is not signed by somebody who makes versions for this station."),
    )


class NotWritten(ApplianceError):
    """RAUC stopped in the middle; the running system is untouched."""

    code, status, template = "upgrade_not_written", 500, N_("The new version could not be written: {why}")
    hint = N_("The station stays on the version that it has.")


@dataclass(frozen=True)
class Inspected:
    """What a bundle says of itself, whose signature is good."""

    model: str
    version: str
    description: str
    manifest: str  # hash of the manifest, which names the hash of everything else
    signer: str  # SHA-256 of the public key of the certificate that signed


def program() -> list[str]:
    """RAUC's client."""
    return shlex.split(os.environ.get("EVERPX_RAUC", "rauc"))


def inspect(path: Path) -> Inspected:
    """Look into a bundle, checking its signature.  Raises NotABundle or NotSigned."""
    said = json.loads(_info(path, "json-2"))
    signers = SIGNER.findall(_info(path, "readable"))
    update = said["update"]
    if not signers:
        raise NotSigned
    return Inspected(
        model=str(update.get("compatible") or ""),
        version=str(update.get("version") or ""),
        description=str(update.get("description") or "")[:2000],
        manifest=str(said.get("manifest-hash") or ""),
        signer=signers[0].replace(":", "").lower(),
    )


def _info(path: Path, form: str) -> str:
    try:
        done = subprocess.run(
            [*program(), "info", f"--output-format={form}", str(path)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=INFO_WITHIN_S,
            check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise NotABundle from None
    except subprocess.TimeoutExpired:
        raise NotABundle from None
    if done.returncode == 0:
        return done.stdout
    why = _last(done.stderr)
    print(f"rauc: {why}", file=sys.stderr)
    if "signature verification failed" in why or "certificate" in why:
        raise NotSigned
    raise NotABundle


def install(path: Path, tell: Callable[[int], None]) -> None:
    """Write a bundle into the slots that do not run; ``tell`` hears whole percent.  Raises NotWritten."""
    argv = [*program(), "install", "--progress", str(path)]
    why = ""
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := PROGRESS.match(line):
                tell(min(100, int(found[1])))
            elif found := FAILED.match(line):
                why = found[1]
            elif line.strip() and not why:
                last = line.strip()
    if process.returncode != 0:
        raise NotWritten(why=(why or last)[:LONGEST_WHY])


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:LONGEST_WHY] if lines else "?"
