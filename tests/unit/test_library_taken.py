"""The date of a photo or video is read from its own bytes, and no bytes can break the reader."""

# ruff: noqa: DTZ001  (the clock of a camera has no zone)

import io
import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from appliance.library import formats
from appliance.library.formats import HEAD, format_of
from appliance.library.models import MediaKind
from appliance.library.taken import Taken, from_name, taken

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def read(content: bytes, tmp_path: Path) -> Taken | None:
    """What the reader finds in these bytes."""
    path = tmp_path / "file"
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY)
    try:
        found = format_of(content[:HEAD])
        return taken(fd, len(content), found, STOCKHOLM, NOW) if found else None
    finally:
        os.close(fd)


def picture(kind: str, tags: dict[int, str]) -> bytes:
    """A small picture that Pillow wrote, with these EXIF dates."""
    exif = Image.Exif()
    inner = exif.get_ifd(0x8769)
    for tag, value in tags.items():
        (exif if tag == 0x0132 else inner)[tag] = value
    if kind == "tiff":  # as raw files are: the structure is the file
        return exif.tobytes().removeprefix(b"Exif\0\0")
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, kind, exif=exif)
    return out.getvalue()


def box(kind: bytes, *content: bytes) -> bytes:
    """An ISO box."""
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "avif"])
def test_exif_is_found_in_each_format(kind: str, tmp_path: Path) -> None:
    found = read(picture(kind, {0x9003: "2023:07:05 10:11:12", 0x0132: "2024:01:01 00:00:00"}), tmp_path)
    assert found == Taken(datetime(2023, 7, 5, 10, 11, 12), datetime(2023, 7, 5, 8, 11, 12, tzinfo=UTC), "exif")


def test_an_offset_beats_the_stations_zone(tmp_path: Path) -> None:
    found = read(picture("jpeg", {0x9003: "2023:07:01 00:30:00", 0x9011: "+09:00"}), tmp_path)
    assert found is not None
    assert found.wall == datetime(2023, 7, 1, 0, 30)
    assert found.moment == datetime(2023, 6, 30, 15, 30, tzinfo=UTC)


def test_a_changed_date_serves_where_there_is_no_other(tmp_path: Path) -> None:
    found = read(picture("jpeg", {0x0132: "2019:02:03 04:05:06"}), tmp_path)
    assert found is not None and found.wall == datetime(2019, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    "date",
    ["0000:00:00 00:00:00", "2023:13:40 99:00:00", "2099:01:01 00:00:00", "1980:01:01 00:00:00", "    :  :     :  :  "],
)
def test_what_a_camera_writes_when_it_does_not_know_is_no_date(date: str, tmp_path: Path) -> None:
    assert read(picture("jpeg", {0x9003: date}), tmp_path) is None


CAMERAS = Path("/usr/share/gocode/src/github.com/rwcarlsen/goexif/exif/samples")


@pytest.mark.skipif(not CAMERAS.is_dir() and not os.environ.get("CI"), reason="no samples installed")
def test_files_of_many_cameras_tell_their_date(tmp_path: Path) -> None:
    samples = sorted(CAMERAS.glob("2*-sep-*"))
    assert len(samples) > 40
    for sample in samples:
        year, *_ = parts = sample.name.split("-sep-")[0].split("-")
        found = read(sample.read_bytes(), tmp_path)
        if int(year) > 2026:  # a clock that was set wrong
            assert found is None
        else:
            assert found is not None and found.wall == datetime(*map(int, parts)), sample.name  # type: ignore[arg-type]


def film(*boxes: bytes) -> bytes:
    """A film with its header at the end, as cameras write it."""
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"mdat", bytes(5000)) + box(b"moov", *boxes)


def movie_header(at: datetime) -> bytes:
    """An ``mvhd`` of version 0."""
    seconds = int((at - datetime(1904, 1, 1, tzinfo=UTC)).total_seconds())
    return box(b"mvhd", bytes(4), struct.pack(">II", seconds, seconds), bytes(88))


def test_a_movie_header_is_utc(tmp_path: Path) -> None:
    found = read(film(movie_header(datetime(2022, 12, 31, 23, 30, tzinfo=UTC))), tmp_path)
    assert found is not None
    assert found.wall == datetime(2023, 1, 1, 0, 30) and found.source == "video"


def test_apples_own_key_beats_the_movie_header(tmp_path: Path) -> None:
    name = b"com.apple.quicktime.creationdate"
    keys = box(b"keys", bytes(4), struct.pack(">I", 2), box(b"mdta", b"com.apple.quicktime.make"), box(b"mdta", name))
    value = box(b"data", struct.pack(">II", 1, 0), b"2021-08-09T10:11:12+0200")
    items = box(b"ilst", box(b"\0\0\0\2", value))
    for start in (b"", bytes(4)):  # QuickTime's meta, and MP4's with a version
        meta = box(b"meta", start, box(b"hdlr", bytes(24)), keys, items)
        found = read(film(movie_header(NOW), meta), tmp_path)
        assert found is not None and found.wall == datetime(2021, 8, 9, 10, 11, 12), start


def test_the_day_in_user_data_is_read(tmp_path: Path) -> None:
    day = box(b"udta", box(b"\xa9day", struct.pack(">HH", 24, 0), b"2020-02-29T01:02:03+0000"))
    found = read(film(day), tmp_path)
    assert found is not None and found.moment == datetime(2020, 2, 29, 1, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "wall"),
    [
        ("IMG_20231105_101112.jpg", datetime(2023, 11, 5, 10, 11, 12)),
        ("PXL_20231105_101112345.MP.jpg", datetime(2023, 11, 5, 10, 11, 12)),
        ("IMG-20190102-WA0001.jpg", datetime(2019, 1, 2)),
        ("Screenshot 2020-02-29 at 10.11.12.png", datetime(2020, 2, 29)),
        ("2021-08-09 10.11.12.jpg", datetime(2021, 8, 9, 10, 11, 12)),
        ("IMG_1234.jpg", None),
        ("20239999_101112.jpg", None),
        ("order 4201901021234567.pdf", None),
    ],
)
def test_a_name_may_carry_the_date(name: str, wall: datetime | None) -> None:
    found = from_name(name, STOCKHOLM, NOW)
    assert (found.wall if found else None) == wall


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "avif"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "quicktime"),
        (b"\0\0\0\x08wide\0\0\x10\0mdat", "quicktime"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0M4A ", None),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        ((b"\x47" + bytes(187)) * 4, "mpegts"),
        ((bytes(4) + b"\x47" + bytes(187)) * 4, "mpegts"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
        (b"<!doctype html>", None),
        (b"", None),
        (b"PK\3\4", None),
    ],
)
def test_a_file_is_what_its_first_bytes_say(head: bytes, name: str | None) -> None:
    found = format_of(head)
    assert (found.name if found else None) == name


SAMPLES = [
    picture("jpeg", {0x9003: "2023:07:05 10:11:12", 0x9011: "+09:00"}),
    picture("avif", {0x9003: "2023:07:05 10:11:12"}),
    picture("png", {0x9003: "2023:07:05 10:11:12"}),
    film(movie_header(NOW), box(b"udta", box(b"\xa9day", b"\0\0\0\0 2020"))),
]
FORMATS = [formats.JPEG, formats.PNG, formats.WEBP, formats.TIFF, formats.HEIF, formats.MP4]


@settings(max_examples=150, deadline=timedelta(seconds=1))
@given(data=st.data())
def test_no_bytes_break_the_reader(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.one_of(st.sampled_from(SAMPLES), st.binary(max_size=300))))
    for _ in range(data.draw(st.integers(0, 12))):
        if content:
            content[data.draw(st.integers(0, min(len(content), 700) - 1))] = data.draw(st.integers(0, 255))
    fd = os.memfd_create("fuzz")
    try:
        os.write(fd, content)
        size = data.draw(st.sampled_from([len(content), len(content) * 2, len(content) // 2]))
        for found in [f for f in [format_of(bytes(content[:HEAD])), *FORMATS] if f]:
            result = taken(fd, size, found, STOCKHOLM, NOW)
            assert result is None or result.moment <= NOW + timedelta(days=2)
            assert found.kind in MediaKind
    finally:
        os.close(fd)
