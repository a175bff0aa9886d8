"""The process that decodes what anybody may have sent.  Standard library, Pillow, pi-heif and ffmpeg; nothing of ours.

It runs in a sandbox (``sandbox``): no network, no files but programs, no way to the drives.  Originals come as open
file descriptors over one Unix socket, each with the name of its format; each is handled by a forked child with its
own limits, which writes its result into a memory file and ends.  A child that crashes, hangs or grows too large takes
only its own picture with it.  Result: four bytes of length, JSON facts with the lengths of the pictures, the pictures.
"""

import contextlib
import io
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from typing import Any

from PIL import Image, ImageOps

SIZES = {"320": (1280, 320), "1600": (1600, 1600)}  # the grid's rows are of one height, the viewer's square is not
MEMORY = 768 << 20
CPU_S = 60
WALL_S = 90
LARGEST_RESULT = 32 << 20
FILM_BY = "file,pipe,fd"  # how ffmpeg may read, and nothing that a film names
MOST_PIXELS = 100_000_000
MOST_PIXELS_JPEG = 400_000_000  # decoded at a fraction of its size
FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "heif": "HEIF", "avif": "AVIF"}
FORMATS |= {"tiff": "TIFF", "bmp": "BMP"}
ORIENTATION, MAKE, MODEL, GPS, EXIF, MAKER_NOTE = 0x0112, 0x010F, 0x0110, 0x8825, 0x8769, 0x927C


def main() -> None:
    """Take requests until the other end closes."""
    from pi_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
    Image.init()
    Image.MAX_IMAGE_PIXELS = None  # checked below, before anything is decoded
    with socket.socket(fileno=int(sys.argv[1])) as line:
        while True:
            asked, fds, _, _ = socket.recv_fds(line, 64, 1)
            if not fds:
                return
            answer = os.memfd_create("preview")
            good = in_child(asked.decode(), fds[0], answer, line)
            socket.send_fds(line, [b"good" if good else b"none"], [answer])
            for fd in (*fds, answer):
                os.close(fd)


def in_child(kind: str, source: int, answer: int, line: socket.socket) -> bool:
    """Make a preview in a process of its own; False when it ended in any way but well."""
    child = os.fork()
    if child == 0:
        line.close()
        os.setsid()
        status = 1
        try:
            limit()
            write(answer, *answered(source, kind))
            status = 0
        finally:
            os._exit(status)
    ended = wait(child)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # whatever it has started
    return ended


def answered(source: int, kind: str) -> tuple[dict[str, Any], list[bytes]]:
    """Previews and facts; of ``look:jpeg`` nothing but the word that both halves of a Live Photo carry."""
    word, colon, name = kind.rpartition(":")
    if colon and word == "look":
        return {"content_id": identifier_of(source, name)}, []
    return video(source) if kind == "video" else photo(source, kind)


def identifier_of(source: int, kind: str) -> str:
    """Of a photo or film, decoding no picture."""
    if kind == "video":
        return film_identifier(probed(source))
    with os.fdopen(os.dup(source), "rb") as file:
        return apple_identifier(Image.open(file, formats=[FORMATS[kind]]))


def apple_identifier(image: Image.Image) -> str:
    """ContentIdentifier (tag 17) of Apple's maker note: a TIFF folder of its own, counted from the note's beginning."""
    note = image.getexif().get_ifd(EXIF).get(MAKER_NOTE)
    if not isinstance(note, bytes) or not note.startswith(b"Apple iOS\0") or len(note) < 16:
        return ""
    order = "<" if note[12:14] == b"II" else ">"
    (count,) = struct.unpack_from(order + "H", note, 14)
    for number in range(min(count, (len(note) - 16) // 12)):
        tag, kind, length, offset = struct.unpack_from(order + "HHII", note, 16 + 12 * number)
        if (tag, kind) == (17, 2):
            return note[offset : offset + min(length, 64)].split(b"\0")[0].decode("ascii", "replace")
    return ""


def film_identifier(told: Any) -> str:
    """The same of a film, as ffprobe says it."""
    return str(told.get("format", {}).get("tags", {}).get("com.apple.quicktime.content.identifier", ""))


def limit() -> None:
    """What one picture may cost."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_RESULT, LARGEST_RESULT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a broken picture is no news


def wait(child: int) -> bool:
    """Whether the child ended well, and in time."""
    end = time.monotonic() + WALL_S
    pause = 0.001
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(pause)
        pause = min(0.05, pause * 1.5)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def write(answer: int, facts: dict[str, Any], pictures: list[bytes]) -> None:
    """The result, as described at the top."""
    head = json.dumps(facts | {"lengths": [len(p) for p in pictures]}).encode()
    with os.fdopen(os.dup(answer), "wb") as out:
        out.write(struct.pack(">I", len(head)) + head)
        for picture in pictures:
            out.write(picture)


def photo(source: int, kind: str) -> tuple[dict[str, Any], list[bytes]]:
    """Previews and facts of a photo."""
    with os.fdopen(os.dup(source), "rb") as file:
        image = Image.open(file, formats=[FORMATS[kind]])
        width, height = image.size
        if width * height > (MOST_PIXELS_JPEG if kind == "jpeg" else MOST_PIXELS):
            raise ValueError("too many pixels")
        facts = exif_facts(image)
        turned = image.getexif().get(ORIENTATION) in (5, 6, 7, 8)
        facts |= {"width": height if turned else width, "height": width if turned else height}
        facts["content_id"] = apple_identifier(image)
        image.draft("RGB", fitting(image.size, SIZES["1600"]))
        return pictures_of(image, facts)


def pictures_of(image: Image.Image, facts: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """The two sizes, upright, and the mean colour."""
    profile = image.info.get("icc_profile")
    orientation = image.getexif().get(ORIENTATION)
    if image.mode in ("1", "P", "PA"):  # a picture of numbered colours would be scaled by leaving dots out
        image = image.convert("RGBA" if has_alpha(image) else "RGB")
    large = fitted(image, SIZES["1600"], Image.Resampling.BICUBIC)
    large = large.convert("RGBA" if has_alpha(large) else "RGB")
    if orientation in range(2, 9):
        large.getexif()[ORIENTATION] = orientation
        large = ImageOps.exif_transpose(large)
    small = fitted(large.copy(), SIZES["320"], Image.Resampling.LANCZOS)
    red, green, blue = small.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
    facts["placeholder"] = f"#{red:02x}{green:02x}{blue:02x}"
    facts["likeness"] = likeness(small)
    keep = profile if isinstance(profile, bytes) and len(profile) < 16_384 and image.mode in ("RGB", "RGBA") else None
    return facts, [encoded(small, keep, method=2), encoded(large, keep, method=0)]


def likeness(image: Image.Image) -> str:
    """Sixteen digits that few changes of a picture change: in 8 rows of 9 dots, is each brighter than the next?"""
    dots = image.convert("RGB").convert("L").resize((9, 8), Image.Resampling.BOX).tobytes()
    bits = 0
    for row in range(8):
        for column in range(8):
            bits = bits << 1 | (dots[row * 9 + column] > dots[row * 9 + column + 1])
    return f"{bits:016x}"


def fitting(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same shape in a box: a JPEG is decoded at the smallest fraction of its size above it."""
    part = min(box[0] / size[0], box[1] / size[1])
    return max(1, int(size[0] * part)), max(1, int(size[1] * part))


def fitted(image: Image.Image, box: tuple[int, int], filter: Image.Resampling) -> Image.Image:
    """The picture itself, made to fit the box if it is larger."""
    image.thumbnail(box, filter, reducing_gap=1.5)
    return image


def has_alpha(image: Image.Image) -> bool:
    """Whether any of it may be see-through."""
    return image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info


def encoded(image: Image.Image, profile: bytes | None, method: int) -> bytes:
    """As WebP, without any of the original's metadata but its colour profile.

    ``method``: how long to look for fewer bytes.  At 0 a large picture is as good as at 2, a sixth larger, and takes
    half the time, which is most of what an import costs.
    """
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80, method=method, icc_profile=profile, exif=b"")
    return out.getvalue()


def exif_facts(image: Image.Image) -> dict[str, Any]:
    """Camera and place."""
    exif = image.getexif()
    make, model = (str(exif.get(tag, "")).strip("\0 ") for tag in (MAKE, MODEL))
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}"
    facts: dict[str, Any] = {"camera": camera.strip()[:100]}
    gps = exif.get_ifd(GPS)
    try:
        for name, tag, sign in (("latitude", 2, "S"), ("longitude", 4, "W")):
            degrees, minutes, seconds = (float(part) for part in gps[tag])
            value = degrees + minutes / 60 + seconds / 3600
            facts[name] = -value if str(gps.get(tag - 1, "")).startswith(sign) else value
    except (KeyError, ValueError, TypeError, ZeroDivisionError):
        facts.pop("latitude", None)
    return facts


def video(source: int) -> tuple[dict[str, Any], list[bytes]]:
    """A frame one second in (or the first), and what ffprobe says."""
    told = probed(source)
    stream = told["streams"][0]
    width, height = int(stream["width"]), int(stream["height"])
    if width * height > MOST_PIXELS:
        raise ValueError("too many pixels")
    sides = [side["rotation"] for side in stream.get("side_data_list", []) if "rotation" in side]
    turn = sides[0] if sides else stream.get("tags", {}).get("rotate", 0)
    if int(float(turn)) % 180:
        width, height = height, width
    seconds = float(told.get("format", {}).get("duration") or stream.get("duration") or 0)
    facts = {"width": width, "height": height, "seconds": seconds, "content_id": film_identifier(told)}
    fit = "scale=w='min(1600,iw)':h='min(1600,ih)':force_original_aspect_ratio=decrease"
    for start in ("1", "0"):
        frame = ["ffmpeg", "-v", "error", "-threads", "1", "-protocol_whitelist", FILM_BY, "-ss", start]
        frame += ["-i", film(), "-an", "-sn", "-dn", "-frames:v", "1", "-vf", fit, "-filter_threads", "1"]
        if picture := run([*frame, "-f", "image2pipe", "-c:v", "bmp", "pipe:1"], source):
            return pictures_of(Image.open(io.BytesIO(picture), formats=["BMP"]), facts)
    raise ValueError("no frame")


def film() -> str:
    """How ffmpeg is told to read, and to jump in, its standard input; where there is no /proc it knows a way itself."""
    return "/proc/self/fd/0" if os.access("/proc/self/fd", os.X_OK) else "fd:"  # from ffmpeg 6 on


def probed(source: int) -> Any:
    """What ffprobe says of a film."""
    entries = "format=duration:format_tags:stream=width,height,duration:stream_tags=rotate:stream_side_data=rotation"
    probe = ["ffprobe", "-v", "error", "-protocol_whitelist", FILM_BY]
    probe += ["-print_format", "json", "-select_streams", "v:0"]
    return json.loads(run([*probe, "-show_entries", entries, film()], source))


def run(command: list[str], source: int) -> bytes:
    """What a program prints about the file on its standard input; b"" when it fails."""
    os.lseek(source, 0, os.SEEK_SET)
    return subprocess.run(command, stdin=source, stdout=subprocess.PIPE, timeout=WALL_S, check=False).stdout


if __name__ == "__main__":
    main()
