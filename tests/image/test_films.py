"""The image's own ffmpeg against Debian's: the same previews of what families have, whatever film it is.

Debian's writes a short film of each kind; then both programs are used as the preview's process uses them.  Both are of
the image's processor: each kind has a way of its own to make colours, and they differ by a shade.
"""

import dataclasses
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.library import preview_worker
from image.build import stamp
from image.build.arch import ARCHES
from image.build.emulation import emulated
from tests.root import need_root
from tests.trixie import programs

pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]
SOUND = ("-f", "lavfi", "-i", "sine=duration=2.5")


@dataclasses.dataclass(frozen=True)
class Kind:
    """A film: the end of its name, how its pictures are written, and its sound."""

    end: str
    pictures: str
    sound: str = ""
    size: str = "640x360"
    dots: str = "yuv420p"

    def __str__(self) -> str:
        return f"{self.end}-{self.pictures.split()[0]}-{self.dots}"


H264, HEVC = "libx264 -preset ultrafast", "libx265 -preset ultrafast -x265-params log-level=none"
AV1, VP8, VP9 = "libaom-av1 -cpu-used 8 -usage realtime", "libvpx -deadline realtime", "libvpx-vp9 -deadline realtime"
DEEP = "yuv420p10le"
KINDS = [
    *(Kind(end, H264, sound) for end, sound in (("mp4", "aac"), ("mov", "pcm_s16le"), ("mkv", "ac3"), ("avi", "mp3"))),
    *(Kind(end, H264, sound) for end, sound in (("mts", "ac3"), ("ts", "aac"), ("3gp", "aac"), ("flv", "mp3"))),
    Kind("mp4", f"{H264} -flags +ildct+ilme", "aac"),
    Kind("mp4", H264, "aac", dots="yuv422p10le"),
    *(Kind("mp4", f"{HEVC} -tag:v hvc1", "aac", dots=dots) for dots in ("yuv420p", DEEP)),
    Kind("mov", f"{HEVC} -tag:v hvc1", "pcm_s16le", dots=DEEP),
    Kind("mkv", HEVC, "flac"),
    *(Kind("mp4", AV1, "aac", dots=dots) for dots in ("yuv420p", DEEP)),
    Kind("webm", VP8, "libvorbis"),
    *(Kind("webm", codec, "libopus", dots=dots) for codec in (AV1, VP9) for dots in ("yuv420p", DEEP)),
    Kind("mp4", "mpeg4", "aac"),
    Kind("3gp", "mpeg4", "aac"),
    Kind("3gp", "h263", "aac", size="352x288"),
    Kind("avi", "mpeg4 -tag:v XVID -bf 2", "mp3"),
    *(Kind("avi", name, "pcm_u8") for name in ("msmpeg4v2", "msmpeg4", "msvideo1", "huffyuv", "ffvhuff", "rawvideo")),
    Kind("avi", "cinepak", "pcm_u8", size="64x48"),
    *(Kind("avi", "mjpeg", "pcm_u8", dots=dots) for dots in ("yuvj420p", "yuvj422p", "yuvj444p")),
    Kind("mov", "mjpeg", "pcm_s16be", dots="yuvj420p"),
    Kind("mpg", "mpeg1video", "mp2"),
    Kind("mpg", "mpeg2video -f vob", "ac3"),
    Kind("m2v", "mpeg2video"),
    Kind("mts", "mpeg2video", "mp2"),
    Kind("avi", "dvvideo", "pcm_s16le -ar 48000 -ac 2", size="720x576"),
    Kind("mov", "prores_ks", "pcm_s16le", dots="yuv422p10le"),
    Kind("mov", "prores_ks -profile:v 4444", "pcm_s16le", dots="yuva444p10le"),
    Kind("mov", "dnxhd -profile:v dnxhr_sq", "pcm_s16le", size="1280x720", dots="yuv422p"),
    Kind("mov", "cfhd", "pcm_s16le", dots="yuv422p10le"),
    Kind("mov", "svq1", "pcm_s16be", size="320x240", dots="yuv410p"),
    Kind("mov", "rpza", "pcm_s16be", size="320x240", dots="rgb555be"),
    Kind("mov", "qtrle", "pcm_s16be", dots="rgb24"),
    *(Kind("wmv", name, "wmav2") for name in ("wmv1", "wmv2")),
    Kind("flv", "flv", "mp3"),
    Kind("mkv", "ffv1", "flac"),
    Kind("mkv", "libtheora", "libvorbis"),
]


@pytest.fixture(scope="module")
def writes() -> Path:
    """Debian 13's program for this machine."""
    return programs("ffmpeg", package="ffmpeg") / "ffmpeg"


@pytest.fixture(scope="module")
def debians(built: stamp.Built) -> Iterator[Path]:
    """A folder with Debian 13's programs for the image's processor."""
    arch = ARCHES[str(built.facts["arch"])]
    with emulated(arch):
        yield programs("ffmpeg", "ffprobe", package="ffmpeg", machine=arch.machine)


@pytest.fixture(scope="module")
def ours(built: stamp.Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the image's, which run with the image's own libraries and nothing else."""
    need_root()  # it enters the image's tree
    arch = ARCHES[str(built.facts["arch"])]
    tree = Path(os.environ.get("CACHE", "/var/tmp/everpx-image")) / f"tree-{arch.debian}"
    place = tmp_path_factory.mktemp("programs")
    for name in ("ffmpeg", "ffprobe"):
        (place / name).write_text(f'#!/bin/sh\nexec chroot {tree} /usr/bin/{name} "$@"\n')
        (place / name).chmod(0o755)
    with emulated(arch):
        yield place


@pytest.fixture
def seen_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path], Any]:
    """What the preview's process makes of a film with the programs of a folder; there is no ``/proc`` on the image."""

    def seen(folder: Path, film: Path) -> Any:
        monkeypatch.setenv("PATH", f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin")
        monkeypatch.setattr(preview_worker, "film", lambda: "fd:")
        fd = os.open(film, os.O_RDONLY)
        try:
            return preview_worker.video(fd)
        finally:
            os.close(fd)

    return seen


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_film_looks_as_debians_ffmpeg_shows_it(
    kind: Kind, writes: Path, debians: Path, ours: Path, seen_by: Callable[[Path, Path], Any], tmp_path: Path
) -> None:
    film = tmp_path / f"film.{kind.end}"
    pictures = ("-f", "lavfi", "-i", f"testsrc2=s={kind.size}:r=25:d=2.5")
    sound = ("-c:a", *kind.sound.split()) if kind.sound else ("-an",)
    words = [writes, "-v", "error", *pictures, *SOUND, "-pix_fmt", kind.dots, "-c:v"]
    subprocess.run([*words, *kind.pictures.split(), "-strict", "-2", *sound, film], check=True, timeout=300)
    facts, looks = seen_by(ours, film)
    assert f"{facts['width']}x{facts['height']}" == kind.size
    assert (facts, looks) == seen_by(debians, film)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_film_is_turned_back(
    degrees: int,
    writes: Path,
    debians: Path,
    ours: Path,
    seen_by: Callable[[Path, Path], Any],
    tmp_path: Path,
) -> None:
    flat, turned = tmp_path / "flat.mp4", tmp_path / "turned.mp4"
    pictures = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=2.5")
    words = [str(writes), "-v", "error"]
    subprocess.run([*words, *pictures, "-pix_fmt", "yuv420p", "-c:v", *H264.split(), flat], check=True, timeout=300)
    words += ["-display_rotation", str(degrees)]
    subprocess.run([*words, "-i", flat, "-c", "copy", turned], check=True, timeout=60)
    facts, looks = seen_by(ours, turned)
    assert (facts["width"], facts["height"]) == ((640, 360) if degrees == 180 else (360, 640))
    assert (facts, looks) == seen_by(debians, turned)
