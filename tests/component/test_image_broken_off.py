"""A build that is killed in the middle of setting up a Debian leaves nothing mounted and nothing running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from image.build import base
from image.build.contents import APP
from tests.root import need_root

pytestmark = pytest.mark.component
BUILD = "from image.build.base import *; run([*CONTAINED, 'sh', '-c', sys.argv[2], 'sh', sys.argv[1]])"
WORK = 'mount -t tmpfs everpx "$1/proc"; touch "$1/begun"; sleep 1234 & sleep 1234'


def running(folder: Path) -> list[str]:
    """Programs that were told of a folder."""
    lines = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if str(folder) in line]


def test_a_killed_build_leaves_nothing_behind(tmp_path: Path) -> None:
    need_root()  # it mounts
    tree = tmp_path / "unfinished-base"
    (tree / "proc").mkdir(parents=True)
    words = [sys.executable, "-c", f"import sys; {BUILD}", tree, WORK]
    building = subprocess.Popen(words, cwd=APP, env={**os.environ, "PYTHONPATH": str(APP)})
    end = time.monotonic() + 30
    while not (tree / "begun").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert (tree / "begun").exists() and running(tree)
    building.send_signal(signal.SIGKILL)
    building.wait(10)
    while running(tree) and time.monotonic() < end:
        time.sleep(0.05)
    assert running(tree) == []
    assert str(tree) not in Path("/proc/self/mountinfo").read_text()
    base.remove(tree)
    assert not tree.exists()
