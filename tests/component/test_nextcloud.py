"""Nextcloud's own sync client and rclone against a whole station: both ways, odd names, conflicts, renames, a crash."""

import hashlib
import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.component.front_door import wait_for
from tests.component.phone_station import PhoneStation, phone_station

pytestmark = pytest.mark.component
MANY, FEW = 2000, 300
REAL = (Path("/usr/share/doc"), Path("/usr/share/zoneinfo"), Path("/usr/lib/python3"), Path("/usr/lib/python3.11"))
LARGEST = 60_000  # bytes of most of the real files: their number is what is tried
ODD = [
    "plain.txt",
    "with space.txt",
    " leading space",
    "ünïcödé 日本語 ελληνικά.txt",
    "emoji 👩‍👩‍👧 📷.jpg",
    "100% sure #1 & more; (really) [yes] {no} = ~ ^ ` ' ! @ $ + ,.txt",
    "percent%20encoded%3F.txt",
    "question？ and colon：.txt",
    "no suffix",
    "..two dots.txt",
    "UPPER.JPG",
    "upper.jpg",
    "x" * 200 + ".bin",
    "a.b.c.d",
    "-dash",
    "CON.jpg",
    "nul",
    "trailing dots...",
    "trailing space ",
    "a\\backslash.txt",
    "名" * 80 + ".jpg",
]
REFUSED = (" leading space", "trailing dots...", "trailing space ", "a\\backslash.txt")  # by Nextcloud's own client


@pytest.fixture(scope="module")
def phones(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Iterator[PhoneStation]:
    for name in ("nginx", "nextcloudcmd", "rclone"):
        program(name)
    with phone_station(tmp_path_factory.mktemp("phones") / "data", "--drive-size", "3G") as running:
        yield running


@pytest.fixture
def place(phones: PhoneStation, request: pytest.FixtureRequest) -> str:
    """A folder on the station for one test."""
    name = re.sub(r"\W", "-", request.node.name)[:60]
    assert phones.ask("MKCOL", f"/dav/{name}") == 201
    return str(name)


class Computer:
    """A computer that keeps a folder in step with one of the station's."""

    def __init__(self, phones: PhoneStation, home: Path, remote: str) -> None:
        self.phones, self.home, self.remote = phones, home, remote
        self.files = home / "files"
        self.files.mkdir(parents=True)

    def command(self) -> list[str]:
        login = ["--non-interactive", "-u", self.phones.name, "-p", self.phones.password, "--path", f"/{self.remote}"]
        return ["nextcloudcmd", "-h", *login, str(self.files), self.phones.url]

    def sync(self) -> str:
        """Until nothing is left to do.  Fails when the client does."""
        environment = os.environ | {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config")}
        done = subprocess.run(
            self.command(), capture_output=True, text=True, timeout=600, env=environment, errors="replace"
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return done.stderr

    def begin(self) -> "subprocess.Popen[bytes]":
        environment = os.environ | {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config")}
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self.command(), stdout=quiet, stderr=quiet, env=environment)

    def hashes(self) -> dict[str, str]:
        return hashes(self.files)


def hashes(top: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its bytes, without what the client keeps for itself."""
    found = {}
    for path in top.rglob("*"):
        own = path.name.startswith((".sync_", "._sync_", ".nextcloudsync"))
        if path.is_file() and not path.is_symlink() and not own:
            found[str(path.relative_to(top))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def different(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Names that one of them lacks, or that hold other bytes."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def fill(folder: Path, count: int) -> None:
    """Real files of this machine, and odd ones: empty, twice the same, oddly named, deep, of many megabytes."""
    chance = random.Random(7)
    for number, name in enumerate(ODD):
        (folder / name).write_bytes(chance.randbytes(number * 37))
    deep = folder / "/".join(f"level {n}" for n in range(12))
    deep.mkdir(parents=True)
    (deep / "deep.txt").write_text("deep")
    (folder / "empty folder").mkdir()
    (folder / "large.bin").write_bytes(chance.randbytes(25_000_000))
    (folder / "the same.bin").write_bytes((folder / ODD[-1]).read_bytes())
    real = [path for top in REAL for path in sorted(top.rglob("*")) if _fits(path)]
    for number, path in enumerate(chance.sample(real, count - len(ODD) - 3)):
        target = folder / f"real {number % 17}" / f"{number} {path.name}"
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)


def _fits(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size < LARGEST


@pytest.fixture
def computer(phones: PhoneStation, tmp_path: Path, place: str) -> Callable[[str], Computer]:
    return lambda name: Computer(phones, tmp_path / name, place)


def test_many_real_and_odd_files_go_both_ways(computer: Callable[[str], Computer], phones: PhoneStation) -> None:
    first, second = computer("first"), computer("second")
    fill(first.files, MANY)
    for name in REFUSED:
        (first.files / name).unlink()
    sent = first.hashes()
    assert len(sent) == MANY - len(REFUSED)
    first.sync()
    assert different(first.hashes(), sent) == []
    assert different(as_stored(phones.files / first.remote), sent) == []
    second.sync()
    assert different(second.hashes(), sent) == []
    assert (second.files / "empty folder").is_dir()
    assert "large.bin" in sent


def test_changes_renames_and_deletions_travel(computer: Callable[[str], Computer], phones: PhoneStation) -> None:
    first, second = computer("first"), computer("second")
    for name in ("a.txt", "b.txt", "folder/c.txt", "folder/d.jpg", "gone.txt"):
        (first.files / name).parent.mkdir(exist_ok=True)
        (first.files / name).write_text(f"this is {name}")
    first.sync()
    second.sync()
    (first.files / "a.txt").write_text("changed")
    (first.files / "folder").rename(first.files / "renamed?")
    (first.files / "gone.txt").unlink()
    first.sync()
    (second.files / "b.txt").rename(second.files / "b moved.txt")
    second.sync()
    first.sync()
    wanted = {"a.txt", "renamed?/c.txt", "renamed?/d.jpg", "b moved.txt"}
    assert set(first.hashes()) == wanted and first.hashes() == second.hashes()
    assert (phones.files / first.remote / "renamed\uf03f" / "c.txt").read_text() == "this is folder/c.txt"


def test_a_conflict_keeps_both_versions(computer: Callable[[str], Computer]) -> None:
    first, second = computer("first"), computer("second")
    (first.files / "a.txt").write_text("at first")
    first.sync()
    second.sync()
    (first.files / "a.txt").write_text("by the first one")
    (second.files / "a.txt").write_text("by the second one, longer")
    first.sync()
    second.sync()
    assert (second.files / "a.txt").read_text() == "by the first one"
    others = [p.read_text() for p in second.files.iterdir() if "conflict" in p.name]
    assert others == ["by the second one, longer"]


def test_a_console_that_is_killed_in_the_middle_loses_and_doubles_nothing(
    computer: Callable[[str], Computer], phones: PhoneStation
) -> None:
    first, second = computer("first"), computer("second")
    chance = random.Random(3)
    for number in range(60):
        (first.files / f"{number}.jpg").write_bytes(b"\xff\xd8\xff" + chance.randbytes(400_000))
    (first.files / "film.mp4").write_bytes(chance.randbytes(60_000_000))
    sent, arrived = first.hashes(), phones.files / first.remote
    for least in (5, 25):
        running = first.begin()
        _until_some(arrived, least, running)
        phones.kill_console()
        phones.launched.read_until("is started again")
        running.wait(300)
        wait_for(lambda: _answers(phones), 30)
    deadline = time.monotonic() + 60
    while True:
        try:
            first.sync()
            break
        except AssertionError:
            assert time.monotonic() < deadline
    assert different(hashes(arrived), sent) == [] == different(first.hashes(), sent)
    second.sync()
    assert different(second.hashes(), sent) == []
    assert list((phones.drive / ".everpx" / "incoming").glob("*.pieces")) == []


def _until_some(folder: Path, least: int, running: "subprocess.Popen[bytes]") -> None:
    wait_for(lambda: len(list(folder.iterdir())) >= least or running.poll() is not None, 60)


def _answers(phones: PhoneStation) -> bool:
    try:
        return phones.launched.get("/status.php") == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    ("vendor", "address", "count"),
    [("other", "/dav", MANY), ("nextcloud", "/remote.php/dav/files/Anna", FEW)],
)
def test_rclone_goes_both_ways(
    phones: PhoneStation, tmp_path: Path, place: str, vendor: str, address: str, count: int
) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.mkdir()
    fill(source, count)
    (source / "empty folder").rmdir()
    sent = hashes(source)
    assert len(sent) == count
    rclone = Rclone(phones, vendor, f"{phones.url}{address}", tmp_path / "rclone.conf")
    there = f"{rclone.remote}/{place}"
    rclone("sync", str(source), there)
    assert different(as_stored(phones.files / place), sent) == []
    rclone("sync", there, str(back))
    assert different(hashes(back), sent) == []
    (source / "plain.txt").write_text("another")
    (source / "a.b.c.d").unlink()
    rclone("sync", str(source), there)
    assert different(as_stored(phones.files / place), hashes(source)) == []


def test_rclone_loses_and_doubles_nothing_when_the_console_is_killed_either_way(
    phones: PhoneStation, tmp_path: Path, place: str
) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.mkdir()
    back.mkdir()
    chance = random.Random(5)
    for number in range(80):
        (source / f"{number} 📷.jpg").write_bytes(b"\xff\xd8\xff" + chance.randbytes(300_000))
    (source / "film.mp4").write_bytes(chance.randbytes(60_000_000))
    sent, arrived = hashes(source), phones.files / place
    rclone = Rclone(phones, "other", f"{phones.url}/dav", tmp_path / "rclone.conf")
    there = f"{rclone.remote}/{place}"
    for words, target in ((("sync", str(source), there), arrived), (("sync", there, str(back)), back)):
        for least in (8, 35):
            running = rclone.begin(*words)
            _until_some(target, least, running)
            phones.kill_console()
            phones.launched.read_until("is started again")
            running.wait(300)
            wait_for(lambda: _answers(phones), 30)
        rclone(*words)
        assert different(hashes(target), sent) == []
    assert list((phones.drive / ".everpx" / "incoming").glob("*.pieces")) == []


def as_stored(top: Path) -> dict[str, str]:
    """What lies on the drive, by the names that the client gave: signs that exFAT refuses are stored at U+F000."""
    return {"/".join(_given(part) for part in name.split("/")): digest for name, digest in hashes(top).items()}


def _given(name: str) -> str:
    return "".join(chr(ord(sign) - 0xF000) if 0xF000 < ord(sign) < 0xF080 else sign for sign in name)


class Rclone:
    """rclone with one remote."""

    def __init__(self, phones: PhoneStation, vendor: str, url: str, config: Path) -> None:
        secret = subprocess.run(
            ["rclone", "obscure", phones.password], capture_output=True, text=True, check=True, timeout=20
        ).stdout.strip()
        facts = {"type": "webdav", "url": url, "vendor": vendor, "user": phones.name, "pass": secret}
        config.write_text("[box]\n" + "".join(f"{key} = {value}\n" for key, value in facts.items()))
        self.config, self.remote = config, "box:"

    def command(self, *words: str) -> list[str]:
        return ["rclone", "--config", str(self.config), "--retries", "1", "--transfers", "8", *words]

    def begin(self, *words: str) -> "subprocess.Popen[bytes]":
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self.command(*words), stdout=quiet, stderr=quiet)

    def __call__(self, *words: str) -> None:
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
