"""A family with its station: everything that is done to it is done through HTTP, as browsers and phones do.

What the station has acknowledged is remembered here, byte for byte, because that is what no fault may take away.
"""

import hashlib
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import smbclient
from smbprotocol.exceptions import SMBException

from tests.browsers import TOKEN
from tests.image.drives import Drive
from tests.image.machine import Machine, Stopped, visitor

PASSWORD = "seven green wooden boats"
OWNER = "Anna"
ENDED = ("done", "failed", "cancelled")


class Refused(AssertionError):
    """The station said no; ``code`` is the one of its errors, "" where the answer was none of ours."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:2000]}")
        self.status = status
        self.code = json.loads(text).get("error", "") if text.startswith("{") else ""


@dataclass
class Home:
    """One station, and what it has promised to keep."""

    machine: Machine
    token: str = ""
    kept: dict[str, str] = field(default_factory=dict)  # name: SHA-256 of its bytes

    def claimed(self, code: str) -> "Home":
        """Become its owner with the code on the label, as the wizard's first page does."""
        browser = visitor()
        page = browser.open(f"{self.machine.address}/wizard?code={code}", timeout=120).read().decode()
        assert f'value="{code}"' in page, "the code in the QR is filled in"
        found = TOKEN.search(page)
        assert found
        form = {"name": OWNER, "password": PASSWORD, "again": PASSWORD, "colour": "rose", "emoji": "🦊"}
        form |= {"csrf_token": found[1]}

        def claim(shown: str) -> str:
            words = urllib.parse.urlencode(form | {"code": shown}).encode()
            address = f"{self.machine.address}/wizard"
            try:
                return str(browser.open(urllib.request.Request(address, words, {"Referer": address}), timeout=120).url)
            except urllib.error.HTTPError as refused:
                return str(refused.code)

        assert not claim("AAAAA-AAAAA-AAAAA-AAAAA").endswith("/wizard/hot"), "another code is not good"
        assert claim(code).endswith("/wizard/hot"), "the next step is which drive is HOT"
        settings = browser.open(f"{self.machine.address}/api/v1/session", timeout=120).read()
        proof = {"X-CSRFToken": json.loads(settings)["csrf_token"], "Content-Type": "application/json"}
        wanted = json.dumps({"name": "A test", "own_password": PASSWORD}).encode()
        request = urllib.request.Request(
            f"{self.machine.address}/api/v1/tokens", wanted, proof | {"Referer": self.machine.address}
        )
        self.token = json.loads(browser.open(request, timeout=120).read())["text"]
        return self

    def ask(self, method: str, path: str, body: object = None, *, raw: bytes | None = None, within_s: int = 120) -> Any:
        """A request of the REST API: what it answered.  Raises Refused, or OSError when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.machine.ports[80], timeout=within_s)
        try:
            headers = {"Authorization": f"Bearer {self.token}"}
            if raw is None and body is not None:
                raw, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
            connection.request(method, f"/api/v1{path}", raw, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except http.client.HTTPException as broken:
            raise OSError(f"{method} {path}: {broken!r}") from broken
        finally:
            connection.close()
        if answer.status >= 300:
            raise Refused(answer.status, text)
        return json.loads(text) if text else None

    def switch_on(self, *plugins: str) -> None:
        """Switch plugins on, and have the console start anew, as its page offers."""
        for plugin in plugins:
            self.ask("PATCH", f"/plugins/{plugin}", {"enabled": True})
        self.ask("POST", "/console/restart")
        self.until("the console anew", lambda: all(self._served(plugin) for plugin in plugins))

    def _served(self, plugin: str) -> bool:
        try:
            self.ask("GET", f"/plugins/{plugin}/folders")
        except Refused as refused:
            if refused.status in (404, 503):
                return False
            raise
        return True

    def sign_in(self) -> None:
        """Type the password once more, as everybody has to after sharing was switched on."""
        self.ask("POST", "/session", {"name": OWNER, "password": PASSWORD})

    @property
    def share(self) -> dict[str, Any]:
        """What a computer of the owner says to the station's file sharing."""
        door = {"port": self.machine.ports[445], "username": OWNER, "password": PASSWORD}
        return door | {"connection_timeout": 60}

    def shares(self) -> bool:
        """Whether the owner's computer sees the owner's folder by file sharing."""
        try:
            smbclient.listdir(rf"\\127.0.0.1\{OWNER}", **self.share)
        except (SMBException, OSError):
            return False
        finally:
            smbclient.reset_connection_cache()
        return True

    def put(self, name: str, content: bytes) -> None:
        """A photo from a phone: acknowledged, so from now on it must be there."""
        self.ask("PUT", f"/files/{urllib.parse.quote(name)}", raw=content)
        self.kept[name] = hashlib.sha256(content).hexdigest()

    def until(self, what: str, done: Callable[[], Any], within_s: float = 300) -> Any:
        """Ask again and again until the answer is something; a station that does not answer is asked again."""
        end = time.monotonic() + within_s
        while True:
            try:
                if found := done():
                    return found
            except OSError:
                pass
            if time.monotonic() > end:
                raise Stopped(f"{what} did not come within {within_s:.0f} s: {self.machine.said()[-2000:]}")
            time.sleep(0.5)

    def ended(self, job: dict[str, Any], within_s: float = 600) -> dict[str, Any]:
        """A job at its end, however it ended."""

        def look() -> dict[str, Any] | None:
            now: dict[str, Any] = self.ask("GET", f"/jobs/{job['id']}")
            return now if now["state"] in ENDED else None

        found: dict[str, Any] = self.until(f"the end of “{job['kind']}”", look, within_s)
        return found

    def done(self, job: dict[str, Any], within_s: float = 600) -> dict[str, Any]:
        """A job that must end well."""
        found = self.ended(job, within_s)
        assert found["state"] == "done", (found, self.ask("GET", f"/jobs/{job['id']}/log"))
        return found

    def drive(self, serial: str) -> dict[str, Any] | None:
        """One of its own drives, as it is now."""
        drives = self.ask("GET", "/drives")["drives"]
        return next((one for one in drives if one["serial"] == serial), None)

    def here(self, serial: str, within_s: float = 300) -> dict[str, Any]:
        """A drive of its own, once it is in use again."""

        def look() -> dict[str, Any] | None:
            found = self.drive(serial)
            return found if found and found["plugged_in"] and found["plugged_in"]["mounted_as"] else None

        found: dict[str, Any] = self.until(f"{serial} in use", look, within_s)
        return found

    def hand_over(self, drive: Drive, role: str, name: str, filesystem: str = "ext4") -> dict[str, Any]:
        """Plug a new drive in, see it, read what erasing destroys, type the phrase, and wait until it is ours."""
        self.machine.usb.plug(drive)

        def stranger() -> dict[str, Any] | None:
            seen = [one["plugged_in"] for one in self.ask("GET", "/drives")["strangers"] if one["can_format"]]
            return next((one for one in seen if one["serial"] == drive.serial), None)

        device = self.until(f"{drive.serial} among the drives", stranger)["device"]
        phrase = self.ask("POST", "/drives/confirmation", {"device": device})["phrase"]
        facts = {"device": device, "role": role, "filesystem": filesystem, "typed": phrase, "name": name}
        self.done(self.ask("POST", "/drives/format", facts))
        found = self.drive(drive.serial)
        assert found
        return found

    def copied(self, cold: dict[str, Any], within_s: float = 900) -> dict[str, Any]:
        """A copy to COLD, asked for now, to its good end."""
        return self.done(self.ask("POST", f"/backup/{cold['id']}/run"), within_s)

    def at_rest(self) -> bool:
        """Whether no copy is under way or waits to go on."""
        return not [one for one in self.ask("GET", "/jobs")["active"] if one["kind"] == "backup.run"]

    def says(self, code: str, within_s: float = 600) -> None:
        """Wait until the health page says it."""

        def look() -> bool:
            found[:] = [one["code"] for one in self.ask("GET", "/health")]
            return code in found

        found: list[str] = []
        try:
            self.until(code, look, within_s)
        except Stopped as stopped:
            raise Stopped(f"it says {found}. {stopped}") from None

    def check_kept(self, *, database: bool = True) -> None:
        """I1: every acknowledged file is on HOT as it was sent, read from the drive.  I7: the books are whole."""
        for name, digest in self.kept.items():
            said = self.machine.guest.run(f"find /run/everpx/drives/HOT-1 -name '{name}' -exec sha256sum {{}} +", 120)
            assert said.split()[:1] == [digest], f"{name}: {said}"
        check = (
            "import sqlite3; c=sqlite3.connect('/var/lib/everpx/everpx.db'); print(*c.execute('pragma quick_check'))"
        )
        assert not database or "ok" in self.machine.guest.run(f'/opt/everpx/bin/python -c "{check}"', 120)
