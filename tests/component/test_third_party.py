"""A plugin from elsewhere in a running station: it does all that ours do; removed, it leaves no trace."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.places import Places
from appliance.station import loop_drives
from appliance.station.home import run_folder
from tests.component.loop_drives import until
from tests.component.plugs.relay import Relay
from tests.component.stranger_bed import Environment, Visitor, environment, kmtronic
from tests.component.test_station import Launched, station, traces

pytestmark = [
    pytest.mark.component,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="needs root"),
]
ENDED = ("done", "failed", "cancelled")


class House:
    """A station that is started again and again on the same data, its drives, and an admin's browser."""

    def __init__(self, data: Path, python: str) -> None:
        self.data, self.python = data, python
        self.places = Places(data, run_folder(data, 0))
        self.green = data / "loop-drives" / "Green-drive.img"
        self.launched: Launched
        self.anna: Visitor

    @contextmanager
    def open(self) -> Iterator[Visitor]:
        """The station runs, and Anna is signed in."""
        with station(self.data, python=self.python) as self.launched:
            self.anna = Visitor(self.launched.port)
            for line in self.launched.words.splitlines():
                if line.startswith("Claim code"):
                    self.anna.claim(line.split()[-1])
            self.anna.sign_in()
            yield self.anna

    def restart_console(self) -> None:
        """By the button."""
        before = self.launched.children()["console.serve"]
        self.anna.post("/system/plugins/restart")
        until(lambda: self.launched.children().get("console.serve") not in (None, before))
        until(self._answers)

    def _answers(self) -> bool:
        try:
            return self.launched.get("/sign-in") == 200
        except OSError:
            return False

    def hand_over(self, model: str, role: str, name: str) -> int:
        """One of the two test drives."""

        def device() -> str:
            seen = [one["plugged_in"] for one in self.anna.api("GET", "/drives")["strangers"]]
            return next((one["device"] for one in seen if one["model"] == model), "")

        self.ends(self.anna.api("POST", "/drives/adopt", {"device": until(device), "role": role, "name": name}))
        return int(next(one["id"] for one in self.anna.api("GET", "/drives")["drives"] if one["name"] == name))

    def ends(self, job: dict[str, Any], state: str = "done") -> dict[str, Any]:
        """A job, when it has ended."""

        def ended() -> Any:
            found = self.anna.api("GET", f"/jobs/{job['id']}")
            return found if found["state"] in ENDED else None

        found: dict[str, Any] = until(ended, 120)
        assert found["state"] == state, found
        return found

    def newest(self, kind: str) -> dict[str, Any]:
        """The newest job of a kind."""
        activity = self.anna.api("GET", "/jobs")
        return max((j for j in activity["active"] + activity["recent"] if j["kind"] == kind), key=lambda j: j["id"])

    def look(self) -> dict[str, dict[str, Any]]:
        """Health, looked at now: issues by code."""
        self.anna.post("/system/health/look")
        until(lambda: self.newest("health.check")["state"] in ENDED)
        return self.issues()

    def issues(self) -> dict[str, dict[str, Any]]:
        """As they stand."""
        return {one["code"]: one for one in self.anna.api("GET", "/health")}

    def new_photo(self) -> None:
        """Something that a copy has to do."""
        (hot,) = (place for place in self.places.mounts.glob("HOT-*") if place.is_mount())
        folder = hot / "Anna" / "Photos"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{time.monotonic_ns()}.jpg").write_bytes(b"\xff\xd8\xff" + os.urandom(9000))
        owner = hot.stat()
        for path in (folder.parent, folder, *folder.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)

    def dump(self) -> dict[str, list[str]]:
        """Every row of every table, as text."""
        with closing(sqlite3.connect(f"file:{self.places.database}?mode=ro", uri=True)) as db:
            tables = [name for (name,) in db.execute("select name from sqlite_schema where type = 'table'")]
            return {
                name: [repr(row) for row in db.execute(f'select * from "{name}"')]
                for name in tables
                if not name.startswith(("media_search", "media_vocabulary"))
            }

    def files(self) -> set[str]:
        """What the station keeps that has the plugin's name, or has it inside; not the log, the rows, the drives."""
        aside = ("log", "everpx.db", "loop-drives")
        kept = [path for path in self.data.rglob("*") if not str(path.relative_to(self.data)).startswith(aside)]
        named = {str(path.relative_to(self.data)) for path in kept if "lamp" in str(path)}
        return named | {str(path) for path in kept if path.is_file() and b"everpx_lamp" in path.read_bytes()}


def of_lamp(dump: dict[str, list[str]]) -> dict[str, int]:
    """How many rows of each table have anything to do with the plugin."""
    count = {name: sum("lamp" in row.lower() for row in rows) for name, rows in dump.items()}
    return {name: rows for name, rows in count.items() if rows}


@pytest.fixture
def elsewhere() -> Iterator[Environment]:
    with environment() as made:
        yield made


@pytest.fixture
def lights(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The box's light as the kernel shows it: a file of root's."""
    folder = tmp_path_factory.mktemp("leds")
    (folder / "ACT").mkdir()
    (folder / "ACT" / "max_brightness").write_text("255\n")
    (folder / "ACT" / "brightness").write_text("1\n")
    monkeypatch.setenv("EVERPX_LEDS", str(folder))
    return folder / "ACT" / "brightness"


def test_a_plugin_from_elsewhere_does_all_that_ours_do_and_is_removed_without_a_trace(
    elsewhere: Environment,
    lights: Path,
    tmp_path_factory: pytest.TempPathFactory,
    program: Callable[[str], str],
) -> None:
    program("nginx")
    house = House(tmp_path_factory.mktemp("third") / "data", elsewhere.python)
    with house.open() as anna:
        house.hand_over("Blue-drive", "hot", "Blue")
        cold = house.hand_over("Green-drive", "cold", "Green")
        assert anna.get("/plugins/lamp/")[0] == 404
    before = house.dump()
    assert of_lamp(before) == {} and house.files() == set()

    # installed, but so that others could change it: it is there and off; root leaves its side out, and says why
    package = elsewhere.install()
    (package / "privileged.py").chmod(0o666)
    with house.open() as anna:
        page = anna.get("/system/plugins")[1]
        assert "Lamp and relay" in page and "privileged.py may be changed by others than root" in page
        assert "may be changed by others" in elsewhere.everpx(house.places, "plugins", "list")
        assert anna.get("/plugins/lamp/")[0] == 404
        elsewhere.everpx(house.places, "plugins", "enable", "lamp")
        house.restart_console()
        assert "Lamp and relay" in anna.get("/plugins/lamp/")[1]
        assert "plugin_without_root" in house.look()
        anna.post("/plugins/lamp/blink")
        assert "unknown verb" in str(house.ends(house.newest("lamp.blink"), "failed")["error"])
    (package / "privileged.py").chmod(0o644)

    relay = Relay(plug=lambda: loop_drives.attach(house.green), pull=lambda: loop_drives.unplug(house.green), on=True)
    with house.open() as anna:
        works(house, elsewhere, relay, lights, cold)
        elsewhere.everpx(house.places, "plugins", "disable", "lamp")
        house.restart_console()
        assert anna.get("/plugins/lamp/")[0] == 404
    there = of_lamp(house.dump())
    assert house.files()

    elsewhere.pip("uninstall", "--yes", "everpx-lamp")
    assert not package.exists() and not list(elsewhere.site.glob("*lamp*"))
    with house.open() as anna:
        loop_drives.unplug(house.green)
        is_missed(house, cold)
        now = of_lamp(house.dump())
        assert {name: now[name] for name in ("plugin", "schedule", "drive")} == {"plugin": 1, "schedule": 1, "drive": 1}
        assert there["job"] <= now["job"]  # nothing went by itself: the package may be back tomorrow
        assert any("pages" in name for name in house.files()) and "plugins/lamp/relay.json" in house.files()
        status, page = anna.post("/system/plugins/lamp/forget")
        assert status == 200 and "What lamp left was removed." in page and 'id="left-lamp"' not in page
        assert anna.post("/system/plugins/lamp/forget")[0] == 404
        assert "switch_lost" not in house.look() and "plugin_gone" not in house.issues()
    after = house.dump()
    assert set(of_lamp(after)) == {"event"}  # what happened stays, and nothing else
    assert house.files() == set()
    for table in ("plugin", "setting", "schedule"):
        assert after[table] == before[table]
    assert traces(house.data) == []


def works(house: House, elsewhere: Environment, relay: Relay, lights: Path, cold: int) -> None:
    """A verb, a job, a page, a check, a fix, a plan and a drive's power, by real processes."""
    anna = house.anna
    page = anna.get("/system/plugins")[1]
    assert "Lamp and relay" in page and "may be changed by others" not in page
    assert "Say first where the relay is." in anna.get("/plugins/lamp/")[1]

    anna.post("/plugins/lamp/blink")
    assert house.ends(house.newest("lamp.blink"))["result"] == {"blinked": 5}
    assert lights.read_text() == "0" and lights.stat().st_uid == 0
    assert (house.data / "log" / "broker.log").read_text().count("verb=lamp.light") >= 11
    anna.post("/plugins/lamp/weekly")
    assert any(one["kind"] == "lamp.blink" and one["enabled"] for one in anna.api("GET", "/schedules"))

    with kmtronic(relay) as address:
        elsewhere.everpx(house.places, "plugins", "configure", "lamp", f"relay={address}")
        assert "The relay is on." in anna.get("/plugins/lamp/")[1]
        chinese = anna.get("/plugins/lamp/", "zh")[1]
        assert "灯和继电器" in chinese and "继电器已打开。" in chinese
        assert "不该被换掉的词" not in anna.get("/system/plugins/lamp", "zh")[1]  # our own words stay ours
        anna.api("PATCH", f"/drives/{cold}", {"power_driver": "lamp"})
        relay.turn(False)
        until(lambda: not on_board(house, cold))
        house.new_photo()
        house.ends(anna.api("POST", f"/backup/{cold}/run"))
        assert relay.switched == [True, False] and not on_board(house, cold)
        assert (house.data / "plugins" / "lamp" / "relay.json").exists()
        assert not {"lamp.relay_silent", "plugin_without_root"} & set(house.look())
    silent = house.look()["lamp.relay_silent"]
    assert f"The relay at {address} does not answer." in str(silent)
    with kmtronic(relay) as address:
        elsewhere.everpx(house.places, "plugins", "configure", "lamp", f"relay={address}")
        assert "It answers, and is off." in anna.post(f"/system/health/{silent['id']}/fix")[1]


def on_board(house: House, drive: int) -> bool:
    """Whether the station sees a drive."""
    return bool(house.anna.api("GET", f"/drives/{drive}")["plugged_in"])


def is_missed(house: House, cold: int) -> None:
    """It is told of in words, its page is gone, a person is the switch of its drive, and it may come back."""
    anna = house.anna
    assert anna.get("/plugins/lamp/")[0] == 404
    page = anna.get("/system/plugins")[1]
    assert "This plugin is no longer installed." in page and "Green is switched by it; a person would do that" in page
    assert "not installed" in elsewhere_listing(page)
    found = house.look()
    assert {"plugin_gone", "switch_lost"} <= set(found) and "lamp.relay_silent" not in found
    house.new_photo()
    job = anna.api("POST", f"/backup/{cold}/run")
    until(lambda: "switch_on" in house.issues())
    assert "Please switch on Green." in str(house.issues()["switch_on"])
    loop_drives.attach(house.green)  # by hand
    house.ends(job)
    assert "drive_may_go" in house.look()


def elsewhere_listing(page: str) -> str:
    """The part of the page that tells of plugins that are gone."""
    return page[page.index('id="left-lamp"') :]
