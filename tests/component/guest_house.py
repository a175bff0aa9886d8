"""A launcher that keeps nothing but what root wants to run for plugins: real processes, no station around them."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from appliance.broker import services
from appliance.folder_news import FolderNews
from appliance.station.guests import Guests
from appliance.station.processes import Service, Supervisor


@contextmanager
def guest_house(run: Path, patch: pytest.MonkeyPatch, path: str = os.environ["PATH"]) -> Iterator[Supervisor]:
    """Keep what is wished for in ``run/services`` until the block ends; verbs in this process ask it."""
    patch.setenv("EVERPX_RUN", str(run))
    patch.setenv("EVERPX_SERVICES", services.LAUNCHER)
    log = run / "log"
    log.mkdir()
    supervisor = Supervisor(run, {**os.environ, "PATH": path}, log)
    supervisor.guests = Guests(services.folder(), supervisor, None)
    supervisor.start(Service("end", ["/bin/cat", str(_fifo(run))]))
    keeper = threading.Thread(target=_watch, args=(supervisor,))
    keeper.start()
    try:
        yield supervisor
    finally:
        with (run / "end.fifo").open("w"):
            pass  # "end" ends, which ends the watch
        keeper.join(30)
        supervisor.stop()
        assert isinstance(supervisor.guests.news, FolderNews)
        supervisor.guests.news.close()


class _Over(Exception):
    """The block has ended."""


def _watch(supervisor: Supervisor) -> None:
    again = supervisor._again

    def over_when_told(one: object) -> None:
        if getattr(one, "service").name == "end":  # noqa: B009
            raise _Over
        again(one)  # type: ignore[arg-type]

    supervisor._again = over_when_told  # type: ignore[method-assign]
    with suppress(_Over):
        supervisor.watch()


def _fifo(run: Path) -> Path:
    path = run / "end.fifo"
    os.mkfifo(path)
    return path
