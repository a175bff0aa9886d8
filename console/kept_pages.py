"""Compiled templates, kept from one start to the next: a page is compiled once for each version of the station.

Compiling leaves 2.5 MiB of holes in an idle console's memory, and takes longer than drawing the page.
"""

import contextlib
import os
import platform
from pathlib import Path

import jinja2
from blake3 import blake3
from jinja2.bccache import Bucket

from appliance import BUILT, VERSION

MADE_BY = f"{VERSION} {BUILT} {jinja2.__version__} {platform.python_version()}".encode()


class KeptPages(jinja2.BytecodeCache):
    """One file a template, which is believed only as it was written and by those who wrote it.

    Nothing is flushed: what a power cut leaves of a file does not match its hash, and the page is compiled again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take it if it is ours and whole; jinja then sees whether its template is still the same."""
        with contextlib.suppress(OSError):
            kept = (self.folder / bucket.key).read_bytes()
            if kept[:32] == _seal(kept[32:]):
                bucket.bytecode_from_string(kept[32:])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it; a full disk is no reason not to show a page."""
        code = bucket.bytecode_to_string()
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            temporary = self.folder / f".{bucket.key}.{os.urandom(4).hex()}"
            temporary.write_bytes(_seal(code) + code)
            temporary.replace(self.folder / bucket.key)


def _seal(code: bytes) -> bytes:
    return blake3(MADE_BY + code).digest()
