"""The two files at the top of a drive that people open: the page, and the sheet to read first.

A drive may be handed over with somebody's own file of that name on it.  Such a file is never replaced: it steps aside
under the next free number, and is copied and shown like every other.
"""

import os
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from appliance.drives import layout
from appliance.drives.models import DriveRole
from appliance.drives.mounts import Mount
from appliance.durable import flush_folder, write_atomically
from appliance.library.names import numbered

HERE = Path(__file__).parent / "page"
SCRIPTS = ("words.js", "data.js", "views.js", "timeline.js", "viewer.js", "page.js")
#: How each of our files begins; one that begins otherwise is somebody's.
MARKS = {
    layout.PAGE: b"<!doctype html><!-- This page belongs to an Everpx drive",
    layout.READ_ME: b"\xef\xbb\xbfThis drive belongs to an Everpx station",
}


def leave(drive: Mount, role: DriveRole) -> None:
    """Write what differs from what is there."""
    drive.check()
    for name, content in ((layout.PAGE, page()), (layout.READ_ME, read_me(drive, role))):
        target = drive.path / name
        _step_aside(target)
        if not target.exists() or target.read_bytes() != content:
            write_atomically(target, content, mode=0o644)


def page() -> bytes:
    """The page, in one piece.  Its policy lets it load what lies beside it, and no script but that run."""
    script = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'(() => {{\n"use strict";\n{script}}})();\n'
    digest = b64encode(sha256(script.encode()).digest()).decode()
    text = (HERE / "page.html").read_text(encoding="utf-8")
    text = text.replace("{{style}}", (HERE / "page.css").read_text(encoding="utf-8"))
    return text.replace("{{digest}}", digest).replace("{{script}}", script).encode()


def read_me(drive: Mount, role: DriveRole) -> bytes:
    """Plain words in two languages; with the mark and the line ends that the oldest Notepad needs."""
    text = (HERE / f"read-me-{role.value}.txt").read_text(encoding="utf-8")
    text = text.replace("{{tag}}", drive.tag).replace("{{name}}", drive.name)
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


def _step_aside(target: Path) -> None:
    """Give somebody's own file of this name another one; a folder or a link, too."""
    if not os.path.lexists(target):
        return
    if target.is_file() and not target.is_symlink():
        with target.open("rb") as file:
            mark = MARKS[target.name]
            if file.read(len(mark)) == mark:
                return
    real = _real_name(target)
    number = 2
    while os.path.lexists(target.with_name(numbered(real, number))):
        number += 1
    target.with_name(real).rename(target.with_name(numbered(real, number)))
    flush_folder(target.parent)


def _real_name(target: Path) -> str:
    """How the folder spells it: exFAT finds a file under other capitals, too."""
    same = [path.name for path in target.parent.iterdir() if path.name.casefold() == target.name.casefold()]
    return target.name if target.name in same else same[0]
