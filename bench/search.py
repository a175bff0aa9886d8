"""Searching a library of a million photos through HTTP: while somebody types, and by filters.

  sudo PYTHONPATH=. .venv/bin/python bench/search.py [--rows 1000000] [--queries 40] [--work DIR] [--keep]

The family is three people, two albums are shared, one photo in ten is "ours"; titles, tags, cameras and places are as
unequal as in life: the commonest word is on every photo, the rarest on one.  Every question is asked of nginx and the
console on a new connection and answered with the pictures' HTML, as a browser that is typed in gets it.  ``--keep``
leaves the filled station for another run.
"""

import argparse
import itertools
import random
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from common import Station, cpu_seconds, hand_over, note, open_rows, percentile, result, signed_in, station, wait_for

from appliance.db import Database
from appliance.jobs import service as jobs
from appliance.jobs.models import Wish
from appliance.words import Message

FILES_A_FOLDER = 4000
FIRST, LAST = datetime(2010, 1, 1, tzinfo=UTC).timestamp(), datetime(2024, 12, 31, tzinfo=UTC).timestamp()
CAMERAS = ("Apple iPhone 13", "Canon EOS R5", "Google Pixel 7", "Nikon Z6", "samsung SM-G991B", "FUJIFILM X-T4")
PLACES = tuple(
    itertools.product(
        ("Berlin", "Paris", "Oslo", "北京", "São Paulo", "Porto", "Kyoto", "Zürich"), ("Germany", "Elsewhere")
    )
)
TAGS = ("family", "holiday", "garden", "birthday", "beach", "dog", "snow", "school", "music", "train")
FILE = """insert into stored_file (folder_id, name, size, modified_ns, digest, damaged, added, copied)
    values (?,?,?,?,?,0,?,1)"""
MEDIA = """insert into media (file_id, user_id, kind, taken, taken_from, month, width, height, camera, preview,
    placeholder, title, description, favourite, rating, shared, place, country, latitude, longitude)
    values (?,?,?,?,?,?,4032,3024,?,'READY','#808080',?,?,?,?,?,?,?,?,?)"""


def vocabulary(dice: random.Random) -> list[str]:
    """Words of no language, each once."""
    return sorted({"".join(dice.choices("abcdefghijklmnoprstuvwz", k=dice.randint(4, 10))) for _ in range(20_000)})


def fill(database: Path, rows: int) -> float:
    """Insert so many photos, each with its triggers; returns rows a second."""
    dice = random.Random(7)
    words = vocabulary(random.Random(3))
    weights = list(itertools.accumulate(1 / (rank + 5) for rank in range(len(words))))
    with closing(open_rows(database)) as db:
        (drive,) = db.execute("select min(id) from drive").fetchone()
        _family(db)
        began = time.monotonic()
        for start in range(0, rows, FILES_A_FOLDER):
            db.execute("begin immediate")
            path = f"Anna/Photos/{2010 + start * 15 // rows}/roll-{start:07d}".encode()
            folder = db.execute("insert into folder (drive_id, path) values (?, ?)", (drive, path)).lastrowid
            for number in range(start + 1, min(start + FILES_A_FOLDER, rows) + 1):
                _photo(db, dice, folder, number, dice.choices(words, cum_weights=weights, k=4))
            db.execute("commit")
        took = time.monotonic() - began
        db.execute("analyze")
        db.execute("pragma wal_checkpoint(truncate)")
    return rows / took


def hold_still(running: Station) -> None:
    """Pause what would look for these photos' files as soon as a kept station starts again, and miss them."""
    db = Database(running.places.database)
    with db.writing() as session:
        for kind in ("library.index", "library.read", "library.catch_up", "library.notes", "album_page.hot"):
            job = jobs.start(session, kind, title=Message(kind), lock=kind)
            jobs.wish(session, job.id, Wish.PAUSE)
    db.close()


def _family(db) -> None:  # type: ignore[no-untyped-def]
    (anna,) = db.execute('select min(id) from "user"').fetchone()
    columns = [name for _, name, *_ in db.execute('pragma table_info("user")') if name not in ("id", "name", "folder")]
    listed = ", ".join(f'"{name}"' for name in columns)
    for name in ("Ben", "Cleo"):
        db.execute(
            f'insert into "user" (name, folder, {listed}) select ?, ?, {listed} from "user" where id = ?',
            (name, name, anna),
        )
    db.executemany("insert into tag (id, name) values (?, ?)", enumerate(TAGS, 1))
    moment = "2024-01-01 00:00:00.000000"
    for album in (1, 2):
        db.execute(
            "insert into album (id, uuid, user_id, title, created, changed) values (?, ?, ?, ?, ?, ?)",
            (album, f"album-{album}", anna + album, f"Album {album}", moment, moment),
        )
        db.execute("insert into album_member (album_id, user_id, may_add) values (?, ?, 0)", (album, anna))


def _photo(db, dice: random.Random, folder: int, number: int, words: Sequence[str]) -> None:  # type: ignore[no-untyped-def]
    taken = datetime.fromtimestamp(dice.uniform(FIRST, LAST), UTC)
    moment = f"{taken:%Y-%m-%d %H:%M:%S.%f}"
    owner = dice.choices((1, 2, 3), (90, 9, 1))[0]
    town, country = PLACES[min(len(PLACES) - 1, int(dice.expovariate(0.5)))]
    stored = (folder, f"IMG_{number:07d}.jpg".encode(), 3_000_000, number, dice.randbytes(32), moment)
    file = db.execute(FILE, stored).lastrowid
    facts = ("PHOTO" if dice.random() < 0.9 else "VIDEO", moment, "exif" if dice.random() < 0.95 else "file")
    said = (
        " ".join(words[:2]),
        " ".join(words[2:]),
        dice.random() < 0.05,
        dice.choices(range(6), (80, 2, 4, 6, 5, 3))[0],
    )
    place = (dice.random() < 0.1, town, country, 50 + dice.random(), 10 + dice.random())
    camera = CAMERAS[min(len(CAMERAS) - 1, int(dice.expovariate(0.8)))]
    row = (file, owner, *facts, taken.year * 100 + taken.month, camera, *said, *place)
    media = db.execute(MEDIA, row).lastrowid
    if dice.random() < 0.3:
        tag = min(len(TAGS), 1 + int(dice.expovariate(0.6)))
        db.execute("insert into media_tag (media_id, tag_id) values (?, ?)", (media, tag))
    if owner > 1 and dice.random() < 0.02:
        db.execute(
            "insert into album_item (album_id, digest, media_id, added, added_by) values (?, ?, ?, ?, ?)",
            (owner - 1, number.to_bytes(8, "big"), media, moment, owner),
        )


def _is_idle(running: Station) -> bool:
    with closing(open_rows(running.places.database)) as db:
        asked = "select count(*) from job where state in ('WAITING', 'RUNNING', 'INTERRUPTED')"
        return not db.execute(asked).fetchone()[0]


def typed(words: Sequence[str]) -> list[str]:
    """What a search gets while each word is typed, from its second letter on."""
    return [urlencode({"words": word[:length]}) for word in words for length in range(2, len(word) + 1)]


def questions(dice: random.Random) -> dict[str, list[str]]:
    """Name -> queries: words of every commonness, and three conditions at once."""
    words = vocabulary(random.Random(3))
    common = ["photos", "anna", "img", "jpg", "2015", "iphone", "germany", "berlin", "family", words[0], words[1]]
    middle, rare = (
        [words[rank] for rank in range(100, 1000, 90)],
        [words[rank] for rank in range(15_000, 20_000, 500) if rank < len(words)],
    )
    pairs = [f"{first} {second}" for first, second in itertools.product(common[:6], middle[:5])]
    pairs += [f"{first} {second}" for first, second in itertools.product(rare[:5], common[:3])]
    days = [{"since": f"{year}-06-01", "until": f"{year}-08-31"} for year in (2011, 2016, 2021)]
    several = [
        *({"camera": camera, "favourite": 1, "rating": 4} for camera in CAMERAS),
        *({"place": town, "kind": "video", "tag_id": tag} for town, _ in PLACES[::2] for tag in (1, 4, 10)),
        *({**day, "camera": CAMERAS[1], "favourite": 1} for day in days),
        *({"words": word, "country": "Germany", "rating": 3} for word in (*common[:4], *middle[:3], *rare[:2])),
        *({"not_in_album": 1, "without_date": 1, "kind": "video"} for _ in range(3)),
        *({"album_id": 1, "favourite": 1, "words": word} for word in common[:3]),
        *({"only_one_copy": 1, "kind": "video", "favourite": 1} for _ in range(3)),
    ]
    return {
        "typing common words": typed(common),
        "typing words of middle frequency": typed(middle),
        "typing rare words": typed(rare),
        "two words": [urlencode({"words": each}) for each in pairs],
        "Chinese": [urlencode({"words": each}) for each in ("北京", "北", "京")],
        "three conditions": [urlencode(each) for each in several],
        "later pages": [urlencode({"words": "img", "after": _key(dice)}) for _ in range(60)],
    }


def _key(dice: random.Random) -> int:
    return (int(dice.uniform(FIRST, LAST)) + 2_208_988_800) << 28


def _cpu(running: Station) -> float:
    """Seconds of nginx and the console so far: what a busy machine does not blur."""
    spent = cpu_seconds(running.processes())
    return spent.get("nginx", 0.0) + spent.get("console.serve", 0.0)


def measure(running: Station, name: str, queries: Sequence[str], rounds: int, limit: int) -> None:
    """Ask each question so many times; the result is the 95th percentile of all."""
    for query in queries[:20]:
        running.get(f"/photos/search?{query}")
    before = _cpu(running)
    times = [(running.get(f"/photos/search?{query}") * 1000, query) for _ in range(rounds) for query in queries]
    cpu = (_cpu(running) - before) * 1000 / len(times)
    each = [took for took, _ in times]
    slowest = max(times)
    note(
        "search",
        name,
        cpu_ms=round(cpu, 1),
        p50_ms=round(percentile(each, 0.5), 1),
        slowest_ms=round(slowest[0], 1),
        slowest=slowest[1],
    )
    slow = percentile(each, 0.95)
    result("search", f"{name}, p95", value=round(slow, 1), unit="ms", target=f"<= {limit}", ok=slow <= limit)


def main() -> None:
    """Fill, then ask."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--work", type=Path, default=Path("/var/tmp/everpx-bench"))
    options.add_argument("--keep", action="store_true")
    given = options.parse_args()
    work = given.work / "search"
    if not given.keep:
        shutil.rmtree(work, ignore_errors=True)
    try:
        with station(work / "station", drive_size="1G") as running:
            hand_over(running)
            with closing(open_rows(running.places.database)) as db:
                there = db.execute("select count(*) from media").fetchone()[0]
            if there < given.rows:
                time.sleep(20)
                wait_for(lambda: _is_idle(running), 120)  # a walk over the drive would miss these photos' files
                note("search", f"{given.rows} rows put in", rows_per_s=round(fill(running.places.database, given.rows)))
                hold_still(running)
            with closing(open_rows(running.places.database)) as db:
                (index,) = db.execute("select sum(length(block)) from media_search_data").fetchone()
            note("search", "size", database_mb=running.places.database.stat().st_size // 10**6, index_mb=index // 10**6)
            time.sleep(5)
            running.headers = signed_in(running) + "HX-Request: true\r\n"
            for name, queries in questions(random.Random(11)).items():
                measure(running, name, queries, given.rounds, 40 if name == "three conditions" else 20)
    finally:
        if not given.keep:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
