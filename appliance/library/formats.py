"""What a file is by its first bytes, never by its name: a web page called ``holiday.jpg`` is a web page."""

from typing import NamedTuple

from appliance.library.models import MediaKind

HEAD = 1024  # bytes that ``format_of`` wants to see, if there are as many


class Format(NamedTuple):
    """A kind of picture or film."""

    name: str
    mime: str
    kind: MediaKind


def _photo(name: str, mime: str = "application/octet-stream") -> Format:
    return Format(name, mime, MediaKind.PHOTO)


def _video(name: str, mime: str) -> Format:
    return Format(name, mime, MediaKind.VIDEO)


JPEG = _photo("jpeg", "image/jpeg")
PNG = _photo("png", "image/png")
WEBP = _photo("webp", "image/webp")
HEIF = _photo("heif", "image/heic")
AVIF = _photo("avif", "image/avif")
TIFF = _photo("tiff", "image/tiff")  # and most cameras' raw files: DNG, NEF, CR2, ARW, PEF
CR3 = _photo("cr3")
MP4 = _video("mp4", "video/mp4")
QUICKTIME = _video("quicktime", "video/quicktime")

_BEGINNINGS: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", _photo("gif", "image/gif")),
    (b"GIF89a", _photo("gif", "image/gif")),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"IIRO", _photo("orf")),
    (b"IIRS", _photo("orf")),
    (b"IIU\0", _photo("rw2")),
    (b"FUJIFILMCCD-RAW", _photo("raf")),
    (b"\0\0\0\x0cJXL \r\n\x87\n", _photo("jxl", "image/jxl")),
    (b"\xff\x0a", _photo("jxl", "image/jxl")),
    (b"\x1a\x45\xdf\xa3", _video("matroska", "video/x-matroska")),
    (b"\0\0\x01\xba", _video("mpeg", "video/mpeg")),
    (b"\0\0\x01\xb3", _video("mpeg", "video/mpeg")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _video("asf", "video/x-ms-wmv")),
    (b"FLV\x01", _video("flv", "video/x-flv")),
)
_BRANDS: dict[bytes, Format | None] = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIF),
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    b"crx ": CR3,
    b"qt  ": QUICKTIME,
    **dict.fromkeys((b"3gp4", b"3gp5", b"3gp6", b"3g2a"), _video("3gpp", "video/3gpp")),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P ", b"aax "), None),  # sound only
}
_OLD_QUICKTIME = frozenset((b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))
_TRANSPORT_PACKETS = (188, 192)  # broadcast, and cameras (four bytes of time before each)


def format_of(head: bytes) -> Format | None:
    """The picture or film that begins with ``head`` (``HEAD`` bytes of it); None for everything else."""
    for beginning, found in _BEGINNINGS:
        if head.startswith(beginning):
            return found
    if head[:4] == b"RIFF":
        return {b"WEBP": WEBP, b"AVI ": _video("avi", "video/x-msvideo")}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[4:8] in _OLD_QUICKTIME and head[:4] < b"\0\xff":
        return QUICKTIME
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return _photo("bmp", "image/bmp")
    for packet in _TRANSPORT_PACKETS:
        if len(head) > 3 * packet and all(head[packet * (i + 1) - 188] == 0x47 for i in range(3)):
            return _video("mpegts", "video/mp2t")
    return None


def _by_brand(head: bytes) -> Format | None:
    """ISO base media: the main brand, or for a general one such as ``mif1`` a more telling one among its companions."""
    brand = head[8:12]
    companions = {head[i : i + 4] for i in range(16, min(len(head), int.from_bytes(head[:4], "big")), 4)}
    if brand in (b"mif1", b"msf1") and companions & {b"avif", b"avis"}:
        return AVIF
    return _BRANDS.get(brand, MP4)
