"""Sending a signal to one thread of another process, as the kernel may do with any signal that a process gets."""

import ctypes
import os
import platform
import signal
from pathlib import Path

TGKILL = {"x86_64": 234, "aarch64": 131}[platform.machine()]
_libc = ctypes.CDLL(None, use_errno=True)


def other_threads(pid: int) -> list[int]:
    """The threads of a process but its first."""
    return sorted(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if int(task.name) != pid)


def hand_to_thread(pid: int, thread: int, number: signal.Signals) -> None:
    """Raises OSError."""
    if _libc.syscall(TGKILL, pid, thread, int(number)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
