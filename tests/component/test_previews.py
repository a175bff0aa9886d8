"""Previews of real files by the real sandbox; broken and hostile ones take nothing with them."""

import io
import os
import resource
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import delete, func, select, update

from appliance.db import Database
from appliance.jobs.models import Job
from appliance.jobs.progress import Progress
from appliance.library import catching_up
from appliance.library import sandbox as sandbox_module
from appliance.library.arrivals import Arrival
from appliance.library.formats import AVIF, HEAD, JPEG, PNG, Format, format_of
from appliance.library.ingest import Ingest
from appliance.library.jobs import make_previews
from appliance.library.models import LikenessBucket, LikenessPair, Media
from appliance.library.sandbox import Preview, Sandbox, bubblewrap, command
from appliance.places import Places
from appliance.words import Message
from tests.hot_drive import hand_over, person
from tests.unit.test_library_ingest import spooled

pytestmark = pytest.mark.component
MATE = Path("/usr/share/backgrounds/mate/nature")
CAMERAS = Path("/usr/share/gocode/src/github.com/rwcarlsen/goexif/exif/samples")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One worker for all, as in a batch: nothing here may stop it from making the next."""
    with Sandbox() as running:
        yield running


def preview(sandbox: Sandbox, path: Path, pretend: Format | None = None) -> Preview | None:
    """What the sandbox makes of a file."""
    fd = os.open(path, os.O_RDONLY)
    try:
        found = pretend or format_of(os.pread(fd, HEAD, 0))
        return sandbox.make(fd, found) if found else None
    finally:
        os.close(fd)


def opened(picture: bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture), formats=["WEBP"])


def sample(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no samples in {folder}")
    return found


def test_the_sandbox_has_no_network_and_no_files(program: Callable[[str], str], tmp_path: Path) -> None:
    program("bwrap")
    bwrap = bubblewrap()
    assert bwrap, "bubblewrap does not work here"
    (tmp_path / "photo.jpg").write_bytes(b"somebody's")
    places = [
        str(tmp_path / "photo.jpg"),
        "/etc/passwd",
        "/etc/hostname",
        "/var/lib",
        "/root",
        "/home",
        "/sys",
        __file__,
    ]
    assert all(Path(place).exists() for place in places[:-2])
    look = f"""import os, socket
print([place for place in {places} if os.path.isfile(place) or os.path.isdir(place) and os.listdir(place)])
print(len(socket.if_nameindex()), os.access("/usr/bin", os.W_OK))
print(open("/proc/self/status").read().count("CapEff:\\t0000000000000000"))"""
    told = subprocess.run(
        command(["/usr/bin/python3", "-c", look], bwrap), capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert told.splitlines() == ["[]", "1 False", "1"]


def test_real_photos(sandbox: Sandbox) -> None:
    for path in sample(MATE, "*.jpg")[:3]:
        made = preview(sandbox, path)
        assert made is not None
        with Image.open(path) as original:
            assert (made.width, made.height) == original.size
        assert opened(made.small).height == 320 and max(opened(made.large).size) == 1600
        assert len(made.small) < 100_000 and made.placeholder.startswith("#")


def test_photos_of_many_cameras(sandbox: Sandbox) -> None:
    made = {path.name: preview(sandbox, path) for path in sample(CAMERAS, "*.jpg")}
    cameras = [found.camera for found in made.values() if found]
    assert len(cameras) >= 5 and any(cameras)


def test_a_photo_is_shown_upright(sandbox: Sandbox, tmp_path: Path) -> None:
    picture = Image.new("RGB", (400, 200), "blue")
    picture.paste("red", (0, 0, 200, 200))  # left half
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: left is up
    exif[0x010F], exif[0x0110] = "Fairphone", "Fairphone 5"
    gps = exif.get_ifd(0x8825)
    gps |= {1: "S", 2: (59.0, 18.0, 36.0), 3: "E", 4: (18.0, 0.0, 0.0)}
    exif[0x8825] = gps
    picture.save(tmp_path / "turned.jpg", exif=exif)
    made = preview(sandbox, tmp_path / "turned.jpg")
    assert made is not None and (made.width, made.height) == (200, 400)
    small = opened(made.small).convert("RGB")
    assert (
        small.getpixel((small.width // 2, 10))[0] > 200
        and small.getpixel((small.width // 2, small.height - 10))[2] > 200
    )  # type: ignore[index]
    assert made.camera == "Fairphone 5"
    assert made.latitude == pytest.approx(-59.31) and made.longitude == pytest.approx(18.0)
    assert not opened(made.large).getexif()


@pytest.mark.parametrize("kind", ["png", "webp", "gif", "tiff", "avif", "bmp"])
def test_each_format(sandbox: Sandbox, kind: str, tmp_path: Path) -> None:
    Image.new("RGBA" if kind == "png" else "RGB", (2000, 1000), "teal").save(tmp_path / f"a.{kind}")
    made = preview(sandbox, tmp_path / f"a.{kind}")
    assert made is not None and (made.width, made.height) == (2000, 1000)
    assert opened(made.large).size == (1600, 800) and opened(made.small).size == (640, 320)


@pytest.mark.parametrize("mode", ["1", "P"])
def test_a_drawing_of_few_colours_keeps_its_fine_lines(sandbox: Sandbox, mode: str, tmp_path: Path) -> None:
    drawing = Image.new("1", (3200, 1600))
    for column in range(0, 3200, 2):
        drawing.paste(1, (column, 0, column + 1, 1600))
    drawing.convert(mode).save(tmp_path / "plan.png")
    made = preview(sandbox, tmp_path / "plan.png")
    assert made is not None
    dot = opened(made.large).convert("L").getpixel((800, 400))
    assert isinstance(dot, int) and 90 < dot < 165  # grey: every second column is white


def test_heic(sandbox: Sandbox, program: Callable[[str], str], tmp_path: Path) -> None:
    source = sample(MATE, "*.jpg")[0]
    target = tmp_path / "IMG_1.HEIC"
    subprocess.run([program("heif-enc"), "-q", "50", "-o", str(target), str(source)], check=True, timeout=120)
    made = preview(sandbox, target)
    assert made is not None
    with Image.open(source) as original:
        assert (made.width, made.height) == original.size


def film(program: Callable[[str], str], path: Path, *options: str, seconds: float = 3) -> Path:
    """A short film."""
    source = f"testsrc2=s=640x360:r=25:d={seconds}"
    line = [program("ffmpeg"), "-v", "error", "-y", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", *options]
    subprocess.run([*line, str(path)], check=True, timeout=120)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.mts"])
def test_films(sandbox: Sandbox, program: Callable[[str], str], tmp_path: Path, name: str) -> None:
    more = ["-f", "mpegts"] if name.endswith("mts") else []
    made = preview(sandbox, film(program, tmp_path / name, *more))
    assert made is not None and (made.width, made.height) == (640, 360)
    assert made.seconds == pytest.approx(3, abs=0.3) and opened(made.large).size == (640, 360)


def test_a_very_short_and_a_turned_film(sandbox: Sandbox, program: Callable[[str], str], tmp_path: Path) -> None:
    short = film(program, tmp_path / "short.mp4", seconds=0.2)
    assert preview(sandbox, short) is not None
    turned = tmp_path / "turned.mov"
    line = [program("ffmpeg"), "-v", "error", "-y", "-i", str(short), "-metadata:s:v", "rotate=90", "-c", "copy"]
    subprocess.run([*line, str(turned)], check=True, timeout=60)
    made = preview(sandbox, turned)
    assert made is not None and (made.width, made.height) == (360, 640) and opened(made.large).size == (360, 640)


WORD = "B4D3C0FE-1234-5678-9ABC-000000000001"


def apple_note(word: str = WORD) -> bytes:
    """A maker note as iPhones write it: one tag before the identifier, whose text lies at the end."""
    text, entries = word.encode() + b"\0", struct.pack(">HHII", 1, 9, 1, 14)
    place = 14 + 2 + 24 + 4
    entries += struct.pack(">HHII", 17, 2, len(text), place)
    return b"Apple iOS\0\0\x01MM" + struct.pack(">H", 2) + entries + b"\0" * 4 + text


def noted(path: Path, note: bytes) -> Path:
    """A JPEG with a maker note."""
    exif = Image.Exif()
    exif[0x010F] = "Apple"
    exif.get_ifd(0x8769)[0x927C] = note
    Image.effect_noise((640, 480), 90).save(path, exif=exif)
    return path


def test_both_halves_of_a_live_photo_carry_the_same_word(
    sandbox: Sandbox, program: Callable[[str], str], tmp_path: Path
) -> None:
    words = ["-metadata", f"com.apple.quicktime.content.identifier={WORD}", "-movflags", "use_metadata_tags"]
    for half in (noted(tmp_path / "a.jpg", apple_note()), film(program, tmp_path / "b.mov", *words)):
        made = preview(sandbox, half)
        assert made is not None and made.content_id == WORD
        with half.open("rb") as file:
            found = format_of(file.read(HEAD))
            assert found is not None and sandbox.identify(file.fileno(), found) == WORD


@pytest.mark.parametrize(
    "note", [b"Apple iOS\0\0\x01MM\xff\xff", apple_note("<b>\x07"), apple_note("x" * 90), b"Nikon"]
)
def test_a_maker_note_that_lies_says_nothing(sandbox: Sandbox, tmp_path: Path, note: bytes) -> None:
    made = preview(sandbox, noted(tmp_path / "a.jpg", note))
    assert made is not None and (made.content_id == "" or made.content_id == "x" * 64)


def test_previews_made_before_it_was_noted_are_looked_at_again_in_small_steps(
    db: Database, places: Places, program: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot, anna = hand_over(db, places, tmp_path / "hot"), person(db)
    words = ["-metadata", f"com.apple.quicktime.content.identifier={WORD}", "-movflags", "use_metadata_tags"]
    halves = [noted(tmp_path / "a.jpg", apple_note()), film(program, tmp_path / "b.mov", *words)]
    halves.append(tmp_path / "c.png")
    Image.open(tmp_path / "a.jpg").save(halves[-1])  # looks the same, and says nothing
    for half in halves:
        Ingest(db, places).take(hot, spooled(hot, half.read_bytes()), Arrival(anna.id, "Anna", half.name))
    with db.writing() as session:
        job = Job(kind="library.previews", title=Message("Previews"), lock="p")
        session.add(job)
    progress = Progress(db, lambda verb, request: {}, places, job)
    make_previews(progress)

    def known() -> tuple[list[tuple[str | None, str]], int]:
        with db.reading() as session:
            rows = session.execute(select(Media.content_id, Media.stack).order_by(Media.id)).all()
            pairs = session.scalar(select(func.count()).select_from(LikenessPair))
            return [(word, stack) for word, stack in rows], pairs or 0

    as_new = known()
    assert as_new == ([(WORD, "live"), (WORD, ""), ("", "")], 1)
    with db.writing() as session:  # as a station of before has them
        session.execute(update(Media).values(content_id=None, likeness=None, stack_id=None, stack=""))
        session.execute(delete(LikenessPair))
        session.execute(delete(LikenessBucket))
    monkeypatch.setattr(catching_up, "STEP", 1)
    monkeypatch.setattr(catching_up, "BATCH", 1)
    assert [catching_up.run(progress) for _ in range(4)] == [1, 1, 1, 0]
    assert known() == as_new


def bomb() -> bytes:
    """A PNG of 100 gigapixels in a hundred bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 400_000, 250_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def hostile(tmp_path: Path) -> dict[str, bytes]:
    """Files that pretend."""
    good = io.BytesIO()
    Image.effect_noise((800, 600), 60).convert("RGB").save(good, "JPEG")
    frames = io.BytesIO()
    first, *rest = (Image.new("P", (50, 50), n % 250) for n in range(500))
    first.save(frames, "GIF", save_all=True, append_images=rest)
    return {
        "cut.jpg": good.getvalue()[: len(good.getvalue()) // 2],
        "head.jpg": good.getvalue()[:30],
        "noise.jpg": b"\xff\xd8\xff\xe0" + os.urandom(100_000),
        "bomb.png": bomb(),
        "deep.gif": frames.getvalue(),
        "page.jpg": b"<html><script>alert(1)</script>",
        "drawing.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "list.mp4": b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + b"#EXTM3U\nfile:///etc/passwd\n" * 50,
        "noise.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + os.urandom(50_000),
        "noise.mkv": b"\x1a\x45\xdf\xa3" + os.urandom(50_000),
    }


def test_hostile_files_have_no_preview_and_stop_nobody(sandbox: Sandbox, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "good.jpg")
    for name, content in hostile(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        made = preview(sandbox, tmp_path / name)
        assert made is None or name == "deep.gif", name
        assert preview(sandbox, tmp_path / "good.jpg") is not None, f"after {name}"


def test_a_format_that_lies_is_no_way_to_another_decoder(sandbox: Sandbox, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    for pretended in (JPEG, AVIF):
        assert preview(sandbox, tmp_path / "a.png", pretended) is None
    assert preview(sandbox, tmp_path / "a.png", PNG) is not None


def test_half_a_gigabyte_of_noise_costs_no_memory(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "noise.jpg"
    with path.open("wb") as out:
        out.write(b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0")
        noise = os.urandom(1_000_000)
        for _ in range(500):
            out.write(noise)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert preview(sandbox, path) is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    with Sandbox() as mine:
        assert preview(mine, tmp_path / "a.png")
        assert mine._process
        mine._process.kill()
        mine._process.wait()
        assert preview(mine, tmp_path / "a.png")


def test_without_bubblewrap_the_limits_still_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sandbox_module, "bubblewrap", lambda: None)
    (tmp_path / "bomb.png").write_bytes(bomb())
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    with Sandbox() as mine:
        assert preview(mine, tmp_path / "bomb.png") is None
        assert preview(mine, tmp_path / "a.png") is not None


def test_an_answer_is_believed_only_as_far_as_it_makes_sense() -> None:
    def answer(facts: str, *pictures: bytes) -> Preview | None:
        fd = os.memfd_create("answer")
        try:
            os.write(fd, struct.pack(">I", len(facts)) + facts.encode() + b"".join(pictures))
            return sandbox_module.checked(fd)
        finally:
            os.close(fd)

    webp = b"RIFF\0\0\0\0WEBP"
    good = '{"lengths": [12, 12], "width": 1, "height": 1, "placeholder": "#aabbcc", "likeness": "00ff00ff00ff00ff", '
    good += '"seconds": NaN, "latitude": 1e9}'
    made = answer(good, webp, webp)
    assert made is not None and made.seconds is None and made.latitude is None
    for bad in (good.replace("12", "99999999"), good.replace('"width": 1', '"width": -1'), "[]", "{", "[" * 9000, ""):
        assert answer(bad, webp, webp) is None
    assert answer(good, b"<html>      ", webp) is None
    assert answer(good.replace("#aabbcc", "red;x:url(//evil)"), webp, webp) is None
