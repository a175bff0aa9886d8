"""Root's side of a plugin that pip installed: loaded when only root can have put it there, else told of."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.broker.client import Refusal, SocketBroker
from appliance.errors import RefusedByRoot
from appliance.station.home import APP
from appliance.words import Message
from tests.component.loop_drives import USER, listens, until
from tests.component.stranger_bed import Environment, environment

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="needs root"),
]


@pytest.fixture(scope="module")
def installed() -> Iterator[Environment]:
    with environment() as made:
        made.install()
        yield made


@pytest.fixture
def package(installed: Environment) -> Iterator[Path]:
    """The installed package, to be changed; as pip left it for the next test."""
    here, kept = installed.site / "everpx_lamp", installed.folder / "kept"
    shutil.copytree(here, kept)
    yield here
    shutil.rmtree(here)
    kept.rename(here)
    installed.site.chmod(0o755)


@contextmanager
def root(installed: Environment, run: Path) -> Iterator[SocketBroker]:
    """The daemon of the image, in that environment."""
    (run / "leds" / "ACT").mkdir(parents=True)
    (run / "leds" / "ACT" / "max_brightness").write_text("255\n")
    (run / "leds" / "ACT" / "brightness").write_text("0\n")
    words = ["-m", "appliance.broker.daemon", "--socket", str(run / "b.sock"), "--user", USER, "--plugins"]
    with (run / "log").open("wb") as log:
        process = subprocess.Popen(
            [installed.python, "-W", "error", *words],
            env=os.environ | {"EVERPX_LEDS": str(run / "leds"), "EVERPX_RUN": str(run), "PYTHONPATH": str(APP)},
            cwd=APP,
            stderr=log,
        )
    try:
        until(lambda: listens(run / "b.sock"))
        yield SocketBroker(run / "b.sock")
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_what_root_installed_is_loaded_and_serves(installed: Environment, package: Path, tmp_path: Path) -> None:
    with root(installed, tmp_path) as ask:
        assert ask("plugins.elsewhere", {}) == {"loaded": ["lamp"], "left_out": {}}
        assert ask("lamp.light", {"name": "ACT", "on": True}) == {"on": True}
        assert (tmp_path / "leds/ACT/brightness").read_text() == "255"
        for name in ("../ACT", "/etc", "ACT/../../x", ""):
            with pytest.raises(RefusedByRoot, match="no name of a light"):
                ask("lamp.light", {"name": name, "on": True})
        with pytest.raises(Refusal, match="no light called PWR"):
            ask("lamp.light", {"name": "PWR", "on": True})
    assert "verb=lamp.light" in (tmp_path / "log").read_text()


def add(part: str, text: str) -> Callable[[Path], None]:
    """More code at the end of a module of the package."""

    def change(package: Path) -> None:
        path = package / part
        path.write_text((path.read_text() if path.exists() else '"""More."""\n') + text)

    return change


def link(package: Path) -> None:
    real = package / "real.py"
    (package / "privileged.py").rename(real)
    (package / "privileged.py").symlink_to(real)


def another_verb(name: str) -> str:
    return f"\n@verb({name!r})\ndef more(request: Light) -> dict[str, Any]:\n    return {{}}\n"


SMALL = "from appliance.broker import services\n"
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a file that everybody may write": (
        lambda p: (p / "privileged.py").chmod(0o666),
        "privileged.py may be changed by",
    ),
    "a file that a group may write": (lambda p: (p / "relay.py").chmod(0o664), "relay.py may be changed by others"),
    "compiled code that others may write": (
        lambda p: next((p / "__pycache__").glob("hooks*")).chmod(0o666),
        "may be changed by others",
    ),
    "a folder above that everybody may write": (lambda p: p.parent.chmod(0o777), "site-packages may be changed by"),
    "a file of somebody else": (lambda p: os.chown(p / "service.py", 65534, 65534), "service.py belongs to nobody"),
    "a folder of somebody without a name": (
        lambda p: os.chown(p / "templates", 54321, 0),
        "templates belongs to 54321",
    ),
    "a link": (link, "privileged.py is a link"),
    "one that raises": (add("privileged.py", "\n1 / 0\n"), "ZeroDivisionError"),
    "one that leaves": (add("privileged.py", "\nimport sys\nsys.exit(3)\n"), "SystemExit: 3"),
    "one that cannot be read": (add("privileged.py", "\ndef (:\n"), "SyntaxError"),
    "a database in root's process": (add("privileged.py", "\nimport sqlalchemy\n"), "It imports sqlalchemy"),
    "the station's in a function": (
        add("privileged.py", "\ndef late():\n    from appliance import plugin\n"),
        "It imports appliance",
    ),
    "a web server by way of a neighbour": (
        lambda p: (
            add("more.py", "def late():\n    import flask\n")(p),
            add("privileged.py", "\nfrom . import more\n")(p),
        )[-1],
        "It imports flask",
    ),
    "a verb of the core": (add("privileged.py", another_verb("drives.mount")), "two verbs named drives.mount"),
    "a verb in somebody else's name": (add("privileged.py", another_verb("drives.more")), "drives.more does not begin"),
    "a verb that it does not list": (add("privileged.py", another_verb("lamp.more")), "Its verb lamp.more is only in"),
    "a program in somebody else's name": (
        add("privileged.py", f"\n{SMALL}services.declare('more', plugin='smb')\n"),
        "declares the program more for another",
    ),
    "one that fails at the start": (
        add(
            "privileged.py", "\nfrom appliance.broker.protocol import at_start\n\n@at_start\ndef begin():\n    1 / 0\n"
        ),
        "ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_root_does_not_trust_is_left_out_and_told_and_root_goes_on(
    installed: Environment, package: Path, tmp_path: Path, what: str
) -> None:
    change, told = REFUSED[what]
    change(package)
    with root(installed, tmp_path) as ask:
        answer = ask("plugins.elsewhere", {})
        assert answer["loaded"] == []
        assert told in str(Message.from_json(answer["left_out"]["lamp"])), answer
        for verb in ("lamp.light", "lamp.more", "drives.more"):
            with pytest.raises(RefusedByRoot, match="unknown verb"):
                ask(verb, {"name": "ACT", "on": True})
        assert ask("services.state", {}) == {"services": []}  # the rest answers as ever
    assert "root's side of the plugin lamp is not loaded" in (tmp_path / "log").read_text()


def test_nobody_takes_the_name_of_a_plugin_of_ours_or_of_the_core(installed: Environment, tmp_path: Path) -> None:
    (facts,) = installed.site.glob("everpx_lamp-*.dist-info")
    points = (facts / "entry_points.txt").read_text()
    try:
        for number, name in enumerate(("smb", "drives", "services")):
            (facts / "entry_points.txt").write_text(f"[everpx.plugins]\n{name} = everpx_lamp\n")
            run = tmp_path / str(number)
            run.mkdir()
            with root(installed, run) as ask:
                assert ask("plugins.elsewhere", {}) == {"loaded": [], "left_out": {}}
            shown = installed.run("from appliance import manifest; manifest.found(); print(manifest.BROKEN)")
            assert f"the name {name} belongs to Everpx" in shown
    finally:
        (facts / "entry_points.txt").write_text(points)


def test_a_package_that_is_worked_on_is_found_but_root_leaves_it_out(tmp_path: Path) -> None:
    with environment() as made:
        made.install()
        (made.folder / "work").mkdir()
        (made.site / "everpx_lamp").rename(made.folder / "work" / "everpx_lamp")
        (made.site / "work.pth").write_text(f"{made.folder / 'work'}\n")
        with root(made, tmp_path) as ask:
            answer = ask("plugins.elsewhere", {})
        assert "not installed as a copy" in str(Message.from_json(answer["left_out"]["lamp"]))
        assert "everpx_lamp" in made.run("from appliance import manifest; print(manifest.found()['lamp'].module)")


def test_a_program_of_a_plugin_that_was_removed_is_wanted_no_longer(installed: Environment, tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    left, ours = tmp_path / "services" / "lamp.json", tmp_path / "services" / "smbd.json"
    for wish in (left, ours):
        wish.write_text('{"argv": ["/bin/sleep", "9"]}')
    os.environ["EVERPX_SERVICES"] = "launcher"
    try:
        with root(installed, tmp_path):
            assert (left.exists(), ours.exists()) == (False, True)
    finally:
        del os.environ["EVERPX_SERVICES"]
