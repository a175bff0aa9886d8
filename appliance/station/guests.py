"""Programs that root wants to run for plugins, kept by the launcher: what systemd does with their units on the image.

Root's side (``appliance/broker/services.py``) writes ``RUN/services/<name>.json``, we write ``<name>.fate`` beside it.
They run as whoever the broker runs as, because whoever may write there decides what is run.  One that keeps dying is
given up and said to have failed; the station goes on.
"""

import json
import os
import pwd
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.durable import write_atomically
from appliance.folder_news import NAMES, FolderNews
from appliance.station.home import CannotStart

if TYPE_CHECKING:
    from appliance.station.processes import Running, Supervisor

STEADY_AFTER_S = 0.3  # one that lives so long has started
LAST_WORDS = 3


class Guests:
    """What root wants to run besides the station's own processes."""

    def __init__(self, folder: Path, supervisor: "Supervisor", user: pwd.struct_passwd | None) -> None:
        self.folder, self.supervisor, self.user = folder, supervisor, user
        self.wishes: dict[str, dict[str, Any]] = {}  # as they were last carried out
        self.news = FolderNews()
        self.news.listen(folder, NAMES)

    def fileno(self) -> int:
        """Readable when a wish changed."""
        return self.news.fileno()

    def look(self) -> None:
        """Carry out what changed."""
        self.news.heard()
        wanted = {path.stem: wish for path in self.folder.glob("[a-z]*.json") if (wish := _read(path)) is not None}
        for name in [name for name in self.wishes if name not in wanted]:
            self._end(name)
            del self.wishes[name]
            (self.folder / f"{name}.fate").unlink(missing_ok=True)
        for name, wish in wanted.items():
            if self.wishes.get(name) != wish:
                self._carry_out(name, wish, self.wishes.get(name, {}))
                self.wishes[name] = wish

    def died(self, one: "Running", why: str) -> None:
        """One ended too often to be started again."""
        self._tell(one.service.name, None, why)

    def again(self, name: str) -> None:
        """One was started again by itself."""
        self._tell(name, self.supervisor.running[name].process.pid, "")

    def _carry_out(self, name: str, wish: dict[str, Any], before: dict[str, Any]) -> None:
        running = self.supervisor.running.get(name)
        anew = running is None or any(wish.get(key) != before.get(key) for key in ("argv", "restarts"))
        if running is not None and not anew:
            if wish.get("reloads") != before.get("reloads"):
                running.process.send_signal(signal.SIGHUP)
            self._tell(name, running.process.pid, "", wish)
            return
        self._end(name)
        from appliance.station.processes import Service

        try:
            self.supervisor.start(Service(name, list(wish["argv"]), self.user, guest=True))
        except (OSError, CannotStart) as error:
            self._tell(name, None, str(error), wish)
            return
        time.sleep(STEADY_AFTER_S)
        started = self.supervisor.running[name]
        if started.process.poll() is None:
            self._tell(name, started.process.pid, "", wish)
            return
        self._end(name)
        self._tell(name, None, self.supervisor.words_of(name, LAST_WORDS), wish)

    def _end(self, name: str) -> None:
        if name in self.supervisor.running:
            self.supervisor.end(name)

    def _tell(self, name: str, pid: int | None, why: str, wish: dict[str, Any] | None = None) -> None:
        fate = {"wish": self.wishes.get(name) if wish is None else wish, "pid": pid, "why": why}
        write_atomically(self.folder / f"{name}.fate", json.dumps(fate).encode(), mode=0o644)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        return found if path.stat().st_uid == os.geteuid() or os.geteuid() == 0 else None
    except (OSError, ValueError):
        return None
