"""One file from a COLD drive onto a HOT drive: under a temporary name, flushed, read back and compared first."""

import os
import secrets
import shutil
from pathlib import Path

from appliance.backup import medium
from appliance.drives import layout
from appliance.drives.mounts import Mount
from appliance.durable import flush_folder


def bring(source: Path, hot: Mount, digest: bytes, modified_ns: int) -> Path | None:
    """Copy ``source`` into the drive's incoming folder; the copy's path, or None when its bytes are not ``digest``.

    Raises OSError when the source cannot be read or the drive cannot be written.
    """
    hot.check()
    folder = hot.path / layout.INCOMING
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"restored-{secrets.token_hex(8)}"
    try:
        with source.open("rb", buffering=0) as reading, fresh.open("xb", buffering=0) as out:
            shutil.copyfileobj(reading, out, 1 << 20)
            os.utime(out.fileno(), ns=(modified_ns, modified_ns))
            os.fsync(out.fileno())
        if medium.digest_of_copy(os.fsencode(fresh)) == digest:
            return fresh
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    fresh.unlink()
    return None


def settle(fresh: Path, target: Path) -> None:
    """Give a restored file its name, durably.  The caller made sure that the name is free."""
    fresh.rename(target)
    flush_folder(target.parent)
