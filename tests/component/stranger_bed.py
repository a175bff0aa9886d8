"""Where a plugin from elsewhere is installed, and what it meets: an environment, a relay, a visitor of the console."""

import http.cookiejar
import json
import os
import shutil
import site
import socketserver
import subprocess
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from appliance.places import Places
from appliance.station.home import APP, USER
from tests.callers import PASSWORD
from tests.component.plugs.relay import Relay

LAMP = APP / "tests" / "third_party" / "everpx-lamp"


class Environment:
    """A Python environment of root's, with everything the station needs, into which pip really installs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.python = str(folder / "venv" / "bin" / "python")
        (self.site,) = (folder / "venv" / "lib").glob("python3*/site-packages")
        (self.site / "station.pth").write_text("\n".join(site.getsitepackages()) + "\n")

    def pip(self, *words: str) -> None:
        """As root would."""
        argv = [self.python, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-cache-dir", *words]
        subprocess.run(
            argv, check=True, timeout=120, cwd=self.folder, env={"PATH": os.environ["PATH"], "HOME": "/root"}
        )

    def install(self, source: Path = LAMP) -> Path:
        """As its maker publishes it, with compiled translations; returns where the package lies then."""
        copy = self.folder / "source"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for po in copy.rglob("*.po"):
            with po.open("rb") as words, po.with_suffix(".mo").open("wb") as out:
                write_mo(out, read_po(words))
        self.pip("install", "--no-deps", "--no-index", "--no-build-isolation", str(copy))
        shutil.rmtree(copy)
        return self.site / "everpx_lamp"

    def run(self, code: str) -> str:
        """What a few lines print in it."""
        environment = os.environ | {"PYTHONPATH": str(APP)}
        argv = [self.python, "-c", code]
        return subprocess.run(
            argv, env=environment, cwd=APP, stdout=subprocess.PIPE, text=True, check=True, timeout=60
        ).stdout

    def everpx(self, places: Places, *words: str) -> str:
        """The command line, as the station's own user; a closed checkout is shown in the run folder."""
        app = places.run / "app" if (places.run / "app").exists() else APP
        data = places.run / "data" if (places.run / "data").exists() else places.data
        done = subprocess.run(
            [self.python, "-c", "from appliance.cli import main; main()", *words],
            cwd=app,
            env=os.environ | {"EVERPX_DATA": str(data), "EVERPX_RUN": str(places.run), "PYTHONPATH": str(app)},
            user=USER,
            group=USER,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def environment() -> Iterator[Environment]:
    """Below /opt, where everything belongs to root."""
    folder = Path(tempfile.mkdtemp(prefix="everpx-test-", dir="/opt"))
    folder.chmod(0o755)
    try:
        yield Environment(folder)
    finally:
        shutil.rmtree(folder)


@contextmanager
def kmtronic(relay: Relay) -> Iterator[str]:
    """A KMTronic relay behind a serial bridge; where it listens."""

    class Line(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while len(order := self.request.recv(3)) == 3:
                match order[2]:
                    case 0 | 1:
                        relay.order(order[2] == 1)
                    case 3:
                        self.request.sendall(bytes((0xFF, order[1], relay.says_on)))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Line) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class Visitor:
    """An admin's browser on a running station, and the same by the API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.csrf = ""

    def claim(self, code: str) -> None:
        """Become the owner."""
        self.api("POST", "/claim", {"code": code, "name": "Anna", "password": PASSWORD})
        self.sign_in()

    def sign_in(self) -> None:
        """And note the token that forms carry."""
        self.csrf = self.api("POST", "/session", {"name": "Anna", "password": PASSWORD})["csrf_token"]

    def api(self, method: str, path: str, body: object = None) -> Any:
        """What it answers; fails where it refuses."""
        headers = {"Content-Type": "application/json", "X-CSRFToken": self.csrf}
        status, text = self._open(method, f"/api/v1{path}", json.dumps(body).encode() if body else b"", headers)
        assert status < 300, f"{method} {path}: {status} {text}"
        return json.loads(text) if text else None

    def get(self, path: str, language: str = "en") -> tuple[int, str]:
        """A page."""
        return self._open("GET", path, None, {"Accept-Language": language})

    def post(self, path: str, **form: str) -> tuple[int, str]:
        """A form, and the page that it leads to."""
        return self._open("POST", path, urllib.parse.urlencode({"csrf_token": self.csrf} | form).encode(), {})

    def _open(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str]:
        request = urllib.request.Request(self.url + path, body or None, headers, method=method)
        try:
            with self.opener.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
