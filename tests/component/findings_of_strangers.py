"""Causes of findings about plugins from elsewhere: one that was removed, and one that root does not trust."""

import os
import shutil
from collections.abc import Iterator

from appliance import leftovers, plugin
from appliance.drives.models import Drive
from appliance.plugin import PluginRow
from appliance.station.home import APP
from tests.component.finding_bed import FindingBed, finding


@finding("plugin_gone", "switch_lost")
def a_package_that_was_removed(bed: FindingBed) -> Iterator[None]:
    with bed.db.writing() as session:
        session.add(PluginRow(name="lamp", enabled=True, options={}))
        session.get_one(Drive, bed.green.id).power_driver = "lamp"
    yield
    with bed.db.writing() as session:
        leftovers.forget(session, bed.places, "lamp")
    yield


@finding("plugin_without_root")
def a_package_that_others_may_change(bed: FindingBed) -> Iterator[None]:
    site = bed.places.data.parent / "site"
    shutil.copytree(APP / "tests/third_party/everpx-lamp/everpx_lamp", site / "everpx_lamp")
    (site / "everpx_lamp" / "privileged.py").chmod(0o666)
    (site / "everpx_lamp-1.0.dist-info").mkdir()
    (site / "everpx_lamp-1.0.dist-info" / "entry_points.txt").write_text("[everpx.plugins]\nlamp = everpx_lamp\n")
    with bed.patch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        plugin.found.cache_clear()
        with bed.db.writing() as session:
            plugin.switch(session, "lamp", on=True)
        bed.root.kill()
        bed.root.start()
        yield
    shutil.rmtree(site)
    plugin.found.cache_clear()
    with bed.db.writing() as session:
        leftovers.forget(session, bed.places, "lamp")
    bed.root.kill()
    bed.root.start()
    yield
