"""The console behind its socket, started by ``console.serve``.

gunicorn's threaded worker on a Unix socket, without gunicorn's master: systemd (or the launcher) is the master here and
starts the process again if it dies, and a second process that holds the same program would cost a third of the memory
that the whole station may use when idle.  nginx in front takes slow clients, large bodies and static files.
"""

import gc
import os
import selectors
import time
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.sock import create_sockets
from gunicorn.systemd import sd_notify
from gunicorn.workers.gthread import ThreadWorker

from appliance.places import places

SETTINGS = {
    "threads": 12,  # six of them may be held by open pages that listen for changes
    "keepalive": 75,  # seconds; longer than nginx keeps its side, so that nobody answers on a closed connection
    "graceful_timeout": 5,  # an open page that listens for changes never ends by itself
    "umask": 0o022,
    "forwarded_allow_ips": "*",  # only nginx can reach the socket
    "errorlog": "-",
    "loglevel": "warning",
}
LOOK_FOR_IT_S = 0.05  # seconds between looks whether the database is ready
LOOK_ANYWAY_S = 60.0  # seconds between looks whether whoever started this is still there


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's own, which sleeps while nothing comes: nobody here waits for a sign of life every second."""

    def notify(self) -> None:
        """There is no master to tell that this process lives."""

    def init_signals(self) -> None:
        """Let a signal end the sleep: whichever thread the kernel hands it to, Python writes into this pipe."""
        super().init_signals()
        self.poller.register(self.PIPE[0], selectors.EVENT_READ, lambda pipe: os.read(pipe, 4096))

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Until a connection, an answer, a signal, or the end of a connection's patience."""
        waiting = [queue[0].timeout for queue in (self.keepalived_conns, self.pending_conns) if queue]
        if self.alive:
            timeout = max(0.0, min([LOOK_ANYWAY_S, *(end - time.monotonic() for end in waiting)]))
        super().wait_for_and_dispatch_events(timeout)


class Console(BaseApplication):  # type: ignore[misc]
    """What gunicorn needs to know of us."""

    def load_config(self) -> None:
        """Our settings, and nothing from command lines or files."""
        run = places().run
        for name, value in (SETTINGS | {"bind": f"unix:{run / 'console.sock'}", "worker_tmp_dir": str(run)}).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application; what is loaded by now stays for good, so the collector need not look at it again."""
        from console.app import create_app

        app = create_app()
        gc.collect()
        gc.freeze()
        gc.enable()
        return app


def load_early() -> None:
    """Load what needs no database, then wait until there is one."""
    from console.app import rooms

    rooms()
    while not places().prepared.exists():
        time.sleep(LOOK_FOR_IT_S)


def serve(*, when_prepared: bool = False) -> None:
    """Serve until told to stop, or until whoever started this is gone.

    ``when_prepared``: started beside ``appliance.station.prepare``, load meanwhile and wait until it is done.
    """
    os.umask(SETTINGS["umask"])  # type: ignore[arg-type]
    if when_prepared:
        load_early()
    console = Console()
    log = console.cfg.logger_class(console.cfg)
    console.wsgi()  # before the socket exists: who can connect is answered
    sockets = create_sockets(console.cfg, log)
    sd_notify("READY=1", log, unset_environment=True)  # who connects from now on waits for an answer and gets it
    worker = Worker(0, os.getppid(), sockets, console, console.cfg.timeout, console.cfg, log)
    try:
        worker.init_process()
    finally:
        for socket in sockets:
            socket.close()
