"""Causes of findings about new versions: how the last attempt ended, and news that root judges for itself."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from appliance import plugin
from appliance.upgrade import attempt
from appliance.upgrade.attempt import Attempt, Phase
from appliance.words import Message
from image.release import signing
from plugins.upgrade import news, service
from plugins.upgrade.source import Folder
from tests.component.finding_bed import FindingBed, finding
from tests.component.rauc_bed import DAY, MODEL, ROOT, STABLE

LONG_AGO = 100 * DAY


def _image(bed: FindingBed, version: str) -> None:
    """The running system, built long ago, and a folder where its news lies."""
    now = int(time.time())
    told = {"version": version, "model": MODEL, "commit": "", "built": now - LONG_AGO}
    (bed.image / "release").write_text(json.dumps(told))
    keys = signing.list_of_keys(
        1, [signing.public(ROOT)], 1, {"stable": [signing.public(STABLE)]}, ["ab" * 32], now - LONG_AGO
    )
    (bed.image / "upgrade-keys.json").write_bytes(signing.signed(keys, ROOT))
    with bed.db.writing() as session:
        options = plugin.options(session, service.NAME) | {"source": "https://example.org/news", "automatic": "off"}
        plugin.configure(session, service.NAME, {key: str(value) for key, value in options.items()})


def _ask(bed: FindingBed, document: bytes) -> None:
    """The daily asking, where this is what comes."""
    stick = bed.image / "stick"
    stick.mkdir(exist_ok=True)
    (stick / "stable.json").write_bytes(document)
    news.ask(bed.root, bed.places, Folder(stick), "stable")


def _announced(version: str) -> bytes:
    offer = {MODEL: {"manifest": "cd" * 32, "size": 150_000_000, "url": "https://example.org/a.raucb"}}
    return signing.signed(signing.channel_file("stable", version, offer, int(time.time())), STABLE)


def _forget(bed: FindingBed) -> Path:
    """A station that has heard nothing yet; where its memory is."""
    memory = bed.places.upgrade / "trust.json"
    memory.unlink(missing_ok=True)
    news.forget(bed.places)
    return memory


@finding("upgrade_news_refused", "upgrade_frozen")
def somebody_changes_the_news_on_its_way_for_months(bed: FindingBed) -> Iterator[None]:
    _forget(bed)
    _image(bed, "1.0.0")
    _ask(bed, _announced("1.0.0").replace(b"1.0.0", b"1.0.1"))
    yield
    _ask(bed, _announced("1.0.0"))
    yield
    _forget(bed)


@finding("upgrade_new")
def a_new_version_is_announced(bed: FindingBed) -> Iterator[None]:
    _forget(bed)
    _image(bed, "1.0.0")
    _ask(bed, _announced("1.1.0"))
    yield
    _image(bed, "1.1.0")  # somebody installed it
    time.sleep(1)  # news of the same second would be another's
    _ask(bed, _announced("1.1.0"))
    yield
    _forget(bed)


@finding("upgrade_memory_damaged")
def what_root_remembers_rots(bed: FindingBed) -> Iterator[None]:
    memory = _forget(bed)
    _image(bed, "1.0.0")
    _ask(bed, _announced("1.0.0"))
    kept = memory.read_bytes()
    memory.write_bytes(kept[:-20])
    _ask(bed, _announced("1.0.0"))
    yield
    memory.write_bytes(kept)
    time.sleep(1)
    _ask(bed, _announced("1.0.0"))
    yield
    _forget(bed)


def _ended(bed: FindingBed, state: Phase, why: Message | None = None) -> None:
    attempt.write(bed.places.upgrade, Attempt("1.1.0", "1.0.0", "B").at(Phase.TRYING).at(state, why=why))


@finding("upgrade_kept")
def a_version_was_tried_and_kept(bed: FindingBed) -> Iterator[None]:
    _ended(bed, Phase.KEPT)
    yield
    bed.press("upgrade_kept")
    yield


@finding("upgrade_came_back")
def a_version_was_tried_and_did_not_work(bed: FindingBed) -> Iterator[None]:
    _ended(bed, Phase.CAME_BACK, Message("Version 1.1.0 did not start."))
    yield
    bed.press("upgrade_came_back")
    yield
