"""Why the image is small: its own ffmpeg has what films need and no more, and ICU has no data."""

from pathlib import Path

import pytest

from appliance.library import formats
from appliance.library.models import MediaKind
from image.build import archive, films, icu, sbom
from image.build.arch import AMD64, ARCHES, ARM64
from image.build.archive import Archive
from image.build.compilers import Compilers
from image.build.contents import listed
from image.build.programs import BuildFailed

PARTS = listed(films.PARTS.read_text())
DEMUXERS = {
    **{name: {"mov"} for name in ("mp4", "quicktime", "3gpp")},
    **{name: {name} for name in ("matroska", "avi", "asf", "flv", "mpegts")},
    "mpeg": {"mpegps", "mpegvideo"},
}


def known_films() -> set[str]:
    """Every container that the library takes for a film."""
    kinds = [*vars(formats).values(), *formats._BRANDS.values(), *(found for _, found in formats._BEGINNINGS)]
    heads = (b"RIFF\0\0\0\0AVI ", b"\x47" * formats.HEAD)
    kinds += [formats.format_of(head) for head in heads]
    return {one.name for one in kinds if isinstance(one, formats.Format) and one.kind is MediaKind.VIDEO}


def test_every_film_that_the_library_knows_can_be_opened() -> None:
    assert known_films() == set(DEMUXERS)
    assert {f"demuxer={name}" for names in DEMUXERS.values() for name in names} <= set(PARTS)
    assert len(PARTS) == len(set(PARTS))


def test_nothing_in_it_writes_films_or_reaches_a_network() -> None:
    assert {part for part in PARTS if part.startswith(("encoder=", "muxer="))} == {"encoder=bmp", "muxer=image2pipe"}
    assert {part for part in PARTS if part.startswith("protocol=")} == {"protocol=file", "protocol=pipe", "protocol=fd"}
    for arch in ARCHES.values():
        words = films.options(arch, "x86_64-linux-gnu-", PARTS)
        assert "--disable-network" in words and not {"--enable-gpl", "--enable-nonfree"} & set(words)
        assert f"--cross-prefix={arch.machine}-linux-gnu-" in words


def test_sources_are_asked_for_where_the_packages_are() -> None:
    lines = archive.sources("http://a.example/debian", "")
    assert [line.replace("deb-src ", "deb ", 1) for line in archive.sources_of(lines)] == lines
    entry = sbom.of_source("ffmpeg", "7:7.1-1", films.LICENCE)
    assert entry["externalRefs"][0]["referenceLocator"].startswith("pkg:deb/debian/ffmpeg@7:7.1-1?arch=source")


def test_icu_without_data_is_refused_where_something_else_asks_for_it(tmp_path: Path) -> None:
    libraries = tmp_path / "tree/usr/lib/aarch64-linux-gnu"
    libraries.mkdir(parents=True)
    for name in ("bin", "sbin", "libexec"):
        (tmp_path / "tree/usr" / name).mkdir()
    (tmp_path / "tree/opt").mkdir()
    asks = b"\x7fELF" + bytes(3000) + b"libicuuc.so.76\0"
    (libraries / "libicudata.so.76.1").write_bytes(b"\x7fELF" + bytes(3000))
    (libraries / "libsamba-util.so.0.0.1").write_bytes(asks)
    (libraries / "a-note-about-it").write_bytes(asks[4:])
    tree = tmp_path / "tree"
    assert [path.name for path in icu.who_asks(tree)] == ["libsamba-util.so.0.0.1"]
    assert icu.library(tree).name == "libicudata.so.76.1"
    (tree / "usr/bin/reader").write_bytes(asks)
    with pytest.raises(BuildFailed, match="reader uses ICU"):
        icu.compiled(ARM64, tree, Compilers(tmp_path, Archive(tmp_path, AMD64.debian, []), tmp_path / "log"))
