"""Telling open pages that something changed: one server-sent stream per page, names only ("drives", "station").

The page then asks for its own fragments, so nothing is rendered for nobody.  One watcher thread serves all
streams, looks twice a second while somebody listens, and ends with the last listener.  A browser too many gets 503 and
asks every two seconds instead (everpx.js).
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from flask import Blueprint, Response, current_app

from appliance.db import Database
from console.access import signed_in

blueprint = Blueprint("live", __name__)
MOST_LISTENERS = 6  # each holds one of the server's threads
LOOK_EVERY_S = 0.4
HEARTBEAT_S = 5  # how long a page that has left keeps its thread
LONGEST_S = 600  # the browser reconnects by itself


class Watcher:
    """Notices a new inventory file and commits by other processes (SQLite's ``data_version``)."""

    def __init__(self, db: Database, inventory: Path) -> None:
        self._db, self._inventory = db, inventory
        self._changed = threading.Condition()
        self._serial = {"drives": 0, "station": 0}
        self._listeners = 0

    def listen(self) -> Iterator[str]:
        """Names of what changed, as they change; "" as a heartbeat, the first at once: it opens the stream."""
        with self._changed:
            self._listeners += 1
            seen = dict(self._serial)
            if self._listeners == 1:
                threading.Thread(target=self._watch, name="live", daemon=True).start()
        end = time.monotonic() + LONGEST_S
        try:
            yield ""
            while time.monotonic() < end:
                with self._changed:
                    self._changed.wait_for(lambda: self._serial != seen, HEARTBEAT_S)  # noqa: B023
                    news = [name for name, serial in self._serial.items() if serial != seen[name]]
                    seen = dict(self._serial)
                yield from news or [""]
        finally:
            with self._changed:
                self._listeners -= 1

    @property
    def full(self) -> bool:
        """Whether another stream would take a thread that pages need."""
        return self._listeners >= MOST_LISTENERS

    def _watch(self) -> None:
        """Look until nobody listens."""
        with self._db.engine.connect() as connection:
            connection.rollback()
            raw = connection.connection.driver_connection
            assert raw is not None
            version, stamp = self._look(raw)
            while self._listeners:
                time.sleep(LOOK_EVERY_S)
                new_version, new_stamp = self._look(raw)
                with self._changed:
                    self._serial["station"] += new_version != version
                    self._serial["drives"] += new_stamp != stamp
                    self._changed.notify_all()
                version, stamp = new_version, new_stamp

    def _look(self, raw: object) -> tuple[int, int]:
        version = raw.execute("PRAGMA data_version").fetchone()[0]  # type: ignore[attr-defined]
        try:
            return version, self._inventory.stat().st_mtime_ns
        except FileNotFoundError:
            return version, 0


@blueprint.get("/live")
@signed_in
def stream() -> Response:
    """The stream of a page."""
    watcher: Watcher = current_app.extensions["everpx.watcher"]
    if watcher.full:
        return Response("", 503)
    lines = (f"event: {name}\ndata: 1\n\n" if name else ": still here\n\n" for name in watcher.listen())
    return Response(lines, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
