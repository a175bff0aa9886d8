"""Plugins: found, switched, configured; and whatever one does, the station goes on."""

import ast
import importlib
import inspect
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pluggy
import psutil
import pytest
from flask import Flask
from sqlalchemy import select, text

import console
import plugins
from appliance import events, hookspecs, manifest, packages, plugin
from appliance.broker import contract
from appliance.db import Database
from appliance.errors import Invalid, NotFound
from appliance.health.service import HealthContext
from appliance.hookspecs import hookimpl
from appliance.jobs import kinds
from appliance.manifest import BadManifest, Manifest, read_manifest
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from appliance.plugin import PluginRow
from tests import strangers_plugin
from tests.browsers import Browser
from tests.callers import PASSWORD

ROOT = Path(plugins.__file__).parent
DOCS = ROOT.parent / "docs" / "plugins.md"
HOOKS = sorted(name for name, spec in vars(hookspecs).items() if hasattr(spec, "everpx_spec"))
FOLDERS = sorted(path.parent.name for path in ROOT.glob("*/plugin.toml"))


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test finds and loads plugins anew."""
    monkeypatch.setattr(plugin, "_loaded", None)
    manifest.BROKEN.clear()
    plugin.found.cache_clear()
    for name in [name for name in sys.modules if name.startswith("everpx_trial")]:
        del sys.modules[name]
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("report on "):
            thread.join(10)
    plugin.found.cache_clear()


def loaded_with(db: Database, **modules: Any) -> plugin.Loaded:
    """The guard around these plugins, each an object with hook implementations."""
    loaded = plugin.load(db)
    for name in loaded.manager.list_name_plugin():
        loaded.manager.unregister(name=name[0])
    for name, module in modules.items():
        loaded.manager.register(module, name=name)
    return loaded


def last_error(db: Database, name: str) -> str:
    for thread in threading.enumerate():
        if thread.name == f"report on {name}":
            thread.join(10)
    with db.reading() as session:
        row = session.get(PluginRow, name)
        return row.last_error if row else ""


class PluginContract:
    """What every plugin of this repository keeps; runs for each folder of ``plugins/``."""

    name: str

    def module(self, part: str) -> ModuleType | None:
        if not (ROOT / self.name / f"{part}.py").exists():
            return None
        return importlib.import_module(f"plugins.{self.name}.{part}")

    def test_its_manifest_is_complete(self) -> None:
        manifest = plugin.found()[self.name]
        assert manifest.title and manifest.description and manifest.version >= 1
        assert manifest.tier in ("free", "standard", "premium")
        for option in manifest.options:
            assert option.title
            if option.kind == "number":
                assert option.parse(str(option.default)) == option.default
        assert set(manifest.requires) <= set(plugin.found())

    def test_its_hooks_can_be_imported_and_are_known(self) -> None:
        hooks = self.module("hooks")
        assert hooks is not None
        manager = pluggy.PluginManager("everpx")
        manager.add_hookspecs(hookspecs)
        manager.register(hooks)
        manager.check_pending()
        assert manager.get_hookcallers(hooks)

    def test_importing_its_hooks_loads_no_web(self) -> None:
        code = f"import sys, plugins.{self.name}.hooks; print('flask' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
        assert done.stdout.strip() == "False"

    def test_it_can_be_switched_on_and_off_and_leaves_nothing(self, db: Database) -> None:
        for on in (True, False, True, False):
            with db.writing() as session:
                plugin.switch(session, self.name, on=on)
            assert (self.name in dict(plugin.load(db).manager.list_name_plugin())) == on
        assert plugin.call("health_checks") == [] or self.name not in dict(plugin.call_named("health_checks"))
        assert last_error(db, self.name) == ""

    def test_its_options_keep_what_was_chosen_and_refuse_nonsense(self, db: Database) -> None:
        manifest = plugin.found()[self.name]
        with db.writing() as session:
            before = plugin.options(session, self.name)
            form = {k: ("on" if v else "off") if isinstance(v, bool) else str(v) for k, v in before.items()}
            plugin.configure(session, self.name, form)
            assert plugin.options(session, self.name) == before
            for option in manifest.options:
                if option.kind == "number":
                    with pytest.raises(Invalid) as caught:
                        plugin.configure(session, self.name, form | {option.key: "many"})
                    assert option.key in caught.value.problems

    def test_its_hooks_answer_what_the_specs_say(self, db: Database) -> None:
        with db.writing() as session:
            plugin.switch(session, self.name, on=True)
        plugin.load(db)
        with db.reading() as session:
            for card in (c for cards in plugin.call("home_cards", session=session) for c in cards):
                assert all(str(words) for words in card[:2])
        for check in (c for checks in plugin.call("health_checks") for c in checks):
            assert check.name and check.title and callable(check.run)
        assert last_error(db, self.name) == ""

    def test_its_jobs_are_named_after_it(self, db: Database) -> None:
        with db.writing() as session:
            plugin.switch(session, self.name, on=True)
        plugin.load(db)
        plugin.import_modules("job_modules")
        own = {name for name, kind in kinds.KINDS.items() if kind.body.__module__.startswith(f"plugins.{self.name}.")}
        assert all(name.startswith(f"{self.name}.") for name in own)

    def test_imports_run_from_views_to_service_to_broker(self) -> None:
        forbidden = {
            "hooks": {"flask", "console"},
            "service": {"flask", "console", f"plugins.{self.name}.views", f"plugins.{self.name}.hooks"},
            "models": {"flask", "console", f"plugins.{self.name}.service", f"plugins.{self.name}.views"},
            "views": {f"plugins.{self.name}.privileged", f"plugins.{self.name}.hooks"},
        }
        for part, names in forbidden.items():
            for imported in top_imports(ROOT / self.name / f"{part}.py"):
                assert not any(imported == name or imported.startswith(name + ".") for name in names), (part, imported)
        if (ROOT / self.name / "privileged.py").exists():
            assert contract.forbidden(f"plugins.{self.name}", ROOT / self.name) == ""


def top_imports(path: Path) -> list[str]:
    """What a module imports when it is imported (not inside its functions)."""
    if not path.exists():
        return []
    names = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


for _folder in FOLDERS:
    globals()[f"TestPlugin_{_folder}"] = type(f"TestPlugin_{_folder}", (PluginContract,), {"name": _folder})


def test_there_are_hooks_and_plugins() -> None:
    assert len(HOOKS) >= 5 and FOLDERS


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_and_has_a_user(hook: str) -> None:
    assert f"`{hook}`" in DOCS.read_text(), f"{hook} is not in docs/plugins.md"
    houses = [ROOT.parent / "appliance", Path(console.__file__).parent]
    sources = [path for house in houses for path in house.rglob("*.py") if path.name != "hookspecs.py"]
    assert any(f'"{hook}"' in path.read_text() for path in sources), f"nobody calls {hook}"


@pytest.mark.parametrize("failure", ["raises", "exits", "half way", "nonsense"])
@pytest.mark.parametrize("hook", HOOKS)
def test_a_failing_plugin_is_left_out_and_told(db: Database, hook: str, failure: str) -> None:
    names = list(inspect.signature(getattr(hookspecs, hook)).parameters)

    def fail(*given: Any) -> Any:
        if failure == "raises":
            raise RuntimeError("by purpose")
        if failure == "exits":
            sys.exit("by purpose")
        if failure == "half way":
            return half_way()
        return 1 / 0

    def half_way() -> Iterator[object]:
        yield object()
        raise ValueError("by purpose")

    bad, good = ModuleType("bad"), ModuleType("good")
    setattr(bad, hook, hookimpl(_with_parameters(fail, names)))
    setattr(good, hook, hookimpl(_with_parameters(lambda *given: ["fine"], names)))
    loaded_with(db, bad=bad, good=good)
    with db.writing() as session:
        arguments = {name: session if name == "session" else None for name in names}
        assert plugin.call_named(hook, **arguments) == [("good", ["fine"])]
        for _ in range(5):
            plugin.call(hook, **arguments)
    assert plugin._loaded is not None and plugin._loaded.failures["bad"] == plugin.REST_AFTER
    assert hook in last_error(db, "bad")


def _with_parameters(body: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    scope = {"body": body}
    exec(f"def implementation({', '.join(names)}): return body({', '.join(names)})", scope)
    made: Callable[..., Any] = scope["implementation"]  # type: ignore[assignment]
    return made


def test_a_full_disk_does_not_send_a_plugin_to_rest(db: Database) -> None:
    writes = ModuleType("writes")

    @hookimpl
    def before_backup(session: Any) -> None:
        session.execute(text("create table big as select zeroblob(20000000)"))

    writes.before_backup = before_backup  # type: ignore[attr-defined]
    loaded_with(db, writes=writes)
    with db.writing() as session:
        pages = session.scalar(text("pragma page_count"))
        session.execute(text(f"pragma max_page_count = {pages + 100}"))
        for _ in range(plugin.REST_AFTER + 1):
            plugin.call("before_backup", session=session)
        assert plugin._loaded is not None and plugin._loaded.failures["writes"] == 0
        session.execute(text("pragma max_page_count = 1000000"))
        plugin.call("before_backup", session=session)
        assert session.scalar(text("select count(*) from big")) == 1


def test_a_plugin_that_fails_in_a_transaction_takes_nothing_of_the_callers_with_it(db: Database) -> None:
    bad = ModuleType("bad")

    @hookimpl
    def before_backup(session: Any) -> None:
        events.record(session, "bad.half", "Half done")
        session.flush()
        raise RuntimeError("by purpose")

    bad.before_backup = before_backup  # type: ignore[attr-defined]
    loaded_with(db, bad=bad)
    with db.writing() as session:
        events.record(session, "caller.before", "Before")
        plugin.call("before_backup", session=session)
        events.record(session, "caller.after", "After")
    with db.reading() as session:
        kinds_kept = [event.kind for event in session.scalars(select(events.Event).order_by(events.Event.id))]
    assert kinds_kept == ["caller.before", "caller.after"]


def test_a_plugin_with_an_unknown_hook_or_a_syntax_error_is_not_loaded(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, hooks in enumerate(
        ("def oops(:", "from appliance.hookspecs import hookimpl\n\n\n@hookimpl\ndef no_such_hook():\n    return 1\n")
    ):
        site = strangers_plugin.install(tmp_path / str(number), hooks=hooks)
        with monkeypatch.context() as path:
            path.syspath_prepend(str(site))
            plugin.found.cache_clear()
            loaded = plugin.load(db)
            assert not loaded.manager.has_plugin("trial")
            assert last_error(db, "trial")


def test_a_third_partys_package_is_found_loaded_and_configured(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(strangers_plugin.install(tmp_path)))
    manifest = plugin.found()["trial"]
    assert (manifest.title, manifest.module) == ("Trial", "everpx_trial")
    assert "everpx_trial" not in sys.modules  # looking at a plugin runs none of its code
    plugin.load(db)
    assert "trial" in dict(plugin.call_named("health_checks"))
    assert kinds.find("trial.count").title == "Counting"
    with db.writing() as session:
        plugin.configure(session, "trial", {"word": "good bye"})
        assert plugin.options(session, "trial") == {"word": "good bye"}
        assert not plugin.waits_for_restart(session)
        plugin.switch(session, "trial", on=False)
        assert plugin.waits_for_restart(session)


def test_a_strangers_package_cannot_take_the_name_of_one_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = strangers_plugin.install(tmp_path)
    facts = site / "everpx_trial-1.0.dist-info" / "entry_points.txt"
    facts.write_text(f"[everpx.plugins]\n{FOLDERS[0]} = everpx_trial\n")
    monkeypatch.syspath_prepend(str(site))
    assert plugin.found()[FOLDERS[0]].module == f"plugins.{FOLDERS[0]}"
    assert f"the name {FOLDERS[0]} belongs to Everpx" in manifest.BROKEN["everpx_trial"]


def test_names_that_verbs_and_jobs_of_the_core_begin_with_are_taken() -> None:
    from appliance.broker import daemon, elsewhere  # noqa: F401 - declare verbs
    from appliance.broker.protocol import VERBS

    ours = {name.partition(".")[0] for name, (_, verb) in VERBS.items() if verb.__module__.startswith("appliance.")}
    assert {"drives", "plugins", "services"} <= ours
    assert ours | set(kinds.ROOMS) <= packages.taken()
    for name in ("Lamp", "1lamp", "lamp-two", "../lamp", "", "x" * 41, "drives"):
        assert packages.Point(name, "everpx_lamp", Path("/opt/x.dist-info")).problem
    for package in ("plugins", "appliance", "a.b", "a-b", ""):
        assert packages.Point("lamp", package, Path("/opt/x.dist-info")).problem
    assert packages.Point("lamp", "everpx_lamp", Path("/opt/x.dist-info")).problem == ""


def test_a_broken_package_is_named_and_the_rest_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(strangers_plugin.install(tmp_path, manifest="title = ")))
    assert set(FOLDERS) <= set(plugin.found())
    assert "trial" in manifest.BROKEN and "trial" not in plugin.found()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "title = 1\n[",
        'title = "A"\ndescription = "B"\nversion = 1\nsurprise = true',
        'title = "A"\ndescription = "B"\nversion = 1\noptions = {a = 1}',
        'title = "A"\ndescription = "B"\nversion = 1\n[options.a]\ntitle = "A"\nkind = "number"\ndefault = "1"',
        'title = "A"\ndescription = "B"\nversion = 1\n[options.a]\nkind = "text"\ndefault = "1"',
        'title = "A"\ndescription = "B"\nversion = 1\n[options.a]\ntitle = "A"\ndefault = "1"\nsurprise = 1',
        'title = "A"\ndescription = "B"\nversion = 1\n[options.a]\ntitle = "A"\nkind = "file"\ndefault = "1"',
    ],
)
def test_a_bad_manifest_is_refused_with_its_reason(tmp_path: Path, text: str) -> None:
    source = tmp_path / "plugin.toml"
    source.write_text(text)
    with pytest.raises(BadManifest, match=r"“x” cannot be used: ."):
        read_manifest("x", "plugins.x", source)


def test_a_plugin_that_another_needs_stays_on(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"module": "plugins.x", "description": "x", "version": 1}
    both = {
        "plug": Manifest(name="plug", title="Plugs", **facts),  # type: ignore[arg-type]
        "kasa": Manifest(name="kasa", title="Kasa", requires=("plug",), **facts),  # type: ignore[arg-type]
    }
    monkeypatch.setattr(plugin, "found", lambda: both)
    with db.writing() as session:
        with pytest.raises(Invalid, match="correct"):
            plugin.switch(session, "kasa", on=True)
        plugin.switch(session, "plug", on=True)
        plugin.switch(session, "kasa", on=True)
        with pytest.raises(Invalid):
            plugin.switch(session, "plug", on=False)
        with pytest.raises(NotFound):
            plugin.switch(session, "nothing", on=True)
    monkeypatch.setattr(plugin.found, "cache_clear", lambda: None, raising=False)


def test_the_example_is_seen_on_the_home_page_and_has_a_page_of_its_own(app: Flask, db: Database) -> None:
    with db.writing() as session:
        people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
    anna = Browser(app, "Anna")
    assert "Memory free" in anna.get("/plugins/station_report/").text
    assert "of memory free" in anna.get("/").text
    with db.writing() as session:
        plugin.configure(session, "station_report", {"hot_from": "80", "memory_from": "5"})
    assert "of memory free" not in anna.get("/").text
    assert last_error(db, "station_report") == ""


def test_the_example_warns_when_it_is_warm_and_says_nothing_where_there_is_no_sensor(
    db: Database, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugins.station_report import service

    plugin.load(db)
    for degrees, codes in ((85.0, ["station_warm"]), (50.0, []), (None, [])):
        monkeypatch.setattr(service, "_temperature", lambda degrees=degrees: degrees)
        with db.reading() as session:
            context = HealthContext(session, lambda verb, request: {}, places, None)
            assert [one.code for one in service.too_warm(context)] == codes
            assert str(service.cards(session)[0][1]).startswith("Up for")


def test_the_example_reads_what_the_kernel_says() -> None:
    from plugins.station_report import service

    now = service.read()
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    kernel = {name: int(amount) * 1024 for name, amount, *_ in lines}
    assert now.memory_bytes == kernel["MemTotal:"]
    assert abs(now.free_bytes - kernel["MemAvailable:"]) < now.memory_bytes / 10
    assert abs(now.up_seconds - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5


def test_the_example_takes_the_warmest_of_the_processors_sensors(monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.station_report import service

    def warm(*degrees: float) -> list[SimpleNamespace]:
        return [SimpleNamespace(current=one) for one in degrees]

    box = {"cpu_thermal": warm(44.0, 48.312), "k10temp": warm(40.0), "drivetemp": warm(61.0)}
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: box)
    assert service._temperature() == 48.312
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: {"drivetemp": box["drivetemp"]})
    assert service._temperature() is None


def test_manifests_are_readable_without_importing_anything() -> None:
    for folder in FOLDERS:
        facts = tomllib.loads((ROOT / folder / "plugin.toml").read_text())
        assert {"title", "description", "version"} <= set(facts)
