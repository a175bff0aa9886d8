"""A ZIP that is made while it is sent: as long as it said, whole, and honest about what it could not get."""

import io
import os
import zipfile
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

import pytest

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.errors import NotFound
from appliance.library import zipping
from appliance.library.folders import Place
from appliance.library.zipping import Part, Zip, parts_of
from appliance.places import Places
from tests.hot_drive import hand_over


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    return hand_over(db, places, tmp_path / "hot")


def say(files: int, incomplete: Sequence[str]) -> str:
    return f"{files} files, not complete: {list(incomplete)}"


def made(parts: list[Part]) -> Zip:
    return Zip(parts, "About.txt", say, UTC)


def write(hot: Mount, name: str, content: bytes) -> None:
    path = hot.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def opened(archive: Zip) -> zipfile.ZipFile:
    whole = b"".join(archive.stream())
    assert len(whole) == archive.length
    read = zipfile.ZipFile(io.BytesIO(whole))
    assert read.testzip() is None
    return read


def test_a_folder_and_a_file_come_whole_with_their_names_and_dates(hot: Mount) -> None:
    write(hot, "Anna/Photos/Süße Träume 🏖/1.jpg", b"one" * 1000)
    write(hot, "Anna/Photos/Süße Träume 🏖/empty", b"")
    write(hot, "Anna/Files/2.txt", b"two")
    os.utime(hot.path / "Anna/Files/2.txt", (1_600_000_000, 1_600_000_000))
    chosen = [Place(hot, b"Anna/Photos"), Place(hot, b"Anna/Files/2.txt")]
    archive = opened(made(parts_of(chosen)))
    names = ["Photos/Süße Träume 🏖/1.jpg", "Photos/Süße Träume 🏖/empty", "2.txt", "About.txt"]
    assert archive.namelist() == names
    assert archive.read(names[0]) == b"one" * 1000 and archive.read("2.txt") == b"two"
    assert archive.getinfo("2.txt").date_time == (2020, 9, 13, 12, 26, 40)
    assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
    assert archive.read("About.txt").decode().strip() == "3 files, not complete: []"


def test_files_that_vanish_or_change_meanwhile_are_named_and_the_rest_is_whole(hot: Mount) -> None:
    for name in ("gone", "shorter", "longer", "good"):
        write(hot, f"Anna/{name}", name.encode() * 50_000)
    archive = made(parts_of([Place(hot, b"Anna")]))
    (hot.path / "Anna/gone").unlink()
    write(hot, "Anna/shorter", b"short")
    write(hot, "Anna/longer", b"longer" * 60_000)
    read = opened(archive)
    told = read.read("About.txt").decode().strip()
    assert told == "4 files, not complete: ['Anna/gone', 'Anna/longer', 'Anna/shorter']"
    assert read.read("Anna/good") == b"good" * 50_000
    assert read.read("Anna/longer") == b"longer" * 50_000
    assert read.read("Anna/shorter") == b"short" + bytes(7 * 50_000 - 5)


def test_a_pulled_drive_ends_in_a_zip_that_says_so(hot: Mount) -> None:
    for number in range(5):
        write(hot, f"Anna/{number}", os.urandom(3 << 20))
    archive = made(parts_of([Place(hot, b"Anna")]))
    stream = archive.stream()
    begun = b"".join(next(stream) for _ in range(4))
    (hot.path / "everpx-drive.json").unlink()
    hot.path.rename(hot.path.with_name("pulled"))
    assert len(begun + b"".join(stream)) == archive.length
    assert archive.incomplete[-2:] == ["Anna/3", "Anna/4"], "those that were not open yet"


def test_links_are_left_out_and_lead_nowhere(hot: Mount, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    write(hot, "Anna/real", b"real")
    (hot.path / "Anna/link").symlink_to(tmp_path / "secret")
    assert [part.name for part in parts_of([Place(hot, b"Anna")])] == ["Anna/real"]
    with pytest.raises(NotFound):
        parts_of([Place(hot, b"Anna/link")])


def test_equal_names_get_numbers_also_where_only_capitals_differ(hot: Mount) -> None:
    for folder in ("1", "2", "3"):
        write(hot, f"Anna/{folder}/{'IMG.jpg' if folder == '2' else 'img.JPG'}", folder.encode())
    chosen = [Place(hot, f"Anna/{n}/{'IMG.jpg' if n == 2 else 'img.JPG'}".encode()) for n in (1, 2, 3)]
    archive = opened(made(parts_of(chosen)))
    assert archive.namelist()[:3] == ["img.JPG", "IMG (2).jpg", "img (3).JPG"]
    assert [archive.read(name) for name in archive.namelist()[:3]] == [b"1", b"2", b"3"]


def test_too_many_files_are_refused_before_anything_is_sent(hot: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipping, "MOST", 10)
    for number in range(11):
        write(hot, f"Anna/{number}", b"")
    with pytest.raises(zipping.TooMany):
        parts_of([Place(hot, b"Anna")])


def test_the_length_is_right_where_sizes_offsets_or_numbers_ask_for_zip64(
    hot: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((zipfile, "ZIP64_LIMIT"), (zipping, "LIMIT")):
        monkeypatch.setattr(module, name, 100_000)
    for module, name in ((zipfile, "ZIP_FILECOUNT_LIMIT"), (zipping, "COUNT_LIMIT")):
        monkeypatch.setattr(module, name, 5)
    for sizes in ((10,), (99_000,), (97_000, 10), (100_001, 10), (60_000, 60_000, 60_000), (1,) * 5, (1,) * 6):
        for number, size in enumerate(sizes):
            write(hot, f"Anna/{len(sizes)}-{sizes[0]}/{number}", b"x" * size)
        archive = made(parts_of([Place(hot, f"Anna/{len(sizes)}-{sizes[0]}".encode())]))
        assert sum(map(len, archive.stream())) == archive.length, sizes
