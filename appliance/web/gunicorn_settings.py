"""How the console is served: ``gunicorn -c python:appliance.web.gunicorn_settings console.wsgi:app``.

One process with threads, because the station has one database and little memory.  The application is loaded before
the fork, so that the two processes of gunicorn share its pages.
"""

import gc
from typing import Any

from appliance.places import places

bind = f"unix:{places().run / 'console.sock'}"
workers = 1
worker_class = "gthread"
threads = 12  # six of them may be held by open pages that listen for changes
preload_app = True
worker_tmp_dir = str(places().run)  # memory on the image, never the SD card
keepalive = 75  # longer than nginx keeps its side, so that nobody answers on a closed connection
timeout = 120  # without a sign of life from the process; a request may take longer
graceful_timeout = 10
umask = 0o022
control_socket_disable = True
errorlog = "-"
loglevel = "warning"
forwarded_allow_ips = "*"  # only nginx can reach the socket


def pre_fork(server: Any, worker: Any) -> None:
    """No open SQLite connection may cross a fork; and what is loaded by now stays shared."""
    server.app.wsgi().extensions["everpx"].db.close()
    gc.collect()
    gc.freeze()
