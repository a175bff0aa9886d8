"""Photos for tests: real JPEGs, each with its own bytes, dated in EXIF or not."""

import io
import random
from datetime import datetime

from PIL import Image

DATE = 0x9003
EXIF = 0x8769


def jpeg(number: int, taken: datetime | None = None, size: tuple[int, int] = (96, 64)) -> bytes:
    """A picture that no other number has."""
    chance = random.Random(number)
    image = Image.new("RGB", size, tuple(chance.randrange(256) for _ in range(3)))  # type: ignore[arg-type]
    for _ in range(20):
        image.putpixel((chance.randrange(size[0]), chance.randrange(size[1])), (chance.randrange(256), 0, 255))
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(EXIF)[DATE] = taken.strftime("%Y:%m:%d %H:%M:%S")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90, exif=exif, comment=f"picture {number}".encode())
    return out.getvalue()
