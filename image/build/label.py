"""The label that goes onto a station, PNG and PDF, 80 × 40 mm: id, claim code, and a QR code to the console.

The QR code carries the claim code too, so that a phone has nothing to type; both are worth nothing after the claim.
"""

import io
from pathlib import Path

import segno
from PIL import Image, ImageDraw, ImageFont

CONSOLE = "http://everpx.local/"
DPI = 300
SIZE_MM = (80, 40)
MARGIN_MM = 3
QR_MM = 26
BLACK, WHITE = 0, 255


def _dots(mm: float) -> int:
    return round(mm / 25.4 * DPI)


def drawn(station_id: str, claim_code: str) -> Image.Image:
    """The label as a picture in black and white, readable by people and by phones."""
    label = Image.new("L", (_dots(SIZE_MM[0]), _dots(SIZE_MM[1])), WHITE)
    draw, left = ImageDraw.Draw(label), _dots(MARGIN_MM)
    right = _dots(SIZE_MM[0] - MARGIN_MM - QR_MM)

    def text(base_mm: float, words: str, size_mm: float) -> None:
        font = ImageFont.load_default(_dots(size_mm))
        room = label.width - 2 * left
        if (width := draw.textlength(words, font)) > room:  # a code with many wide letters
            font = ImageFont.load_default(int(_dots(size_mm) * room / width))
        overhang = draw.textbbox((0, 0), words, font, anchor="ls")[0]  # so that all lines begin at one edge
        draw.text((left - overhang, _dots(base_mm)), words, BLACK, font, anchor="ls")

    code = _code(f"{CONSOLE}wizard?code={claim_code}")
    label.paste(code, (right + (_dots(QR_MM) - code.width), _dots(1.5)))
    text(7.5, "Everpx", 6)
    text(13, "Scan with a phone at home, or open", 2.4)
    text(17, CONSOLE, 3.4)
    text(22.5, "Station", 2.4)
    text(26.5, station_id, 3.6)
    text(31, "Claim code: makes you its owner, once. Keep this label.", 2.4)
    text(36.5, claim_code, 5.2)
    return label


def _code(address: str) -> Image.Image:
    """The QR code, as large as whole dots allow."""
    matrix = segno.make(address, error="m", micro=False)
    border = 2
    scale = _dots(QR_MM) // (matrix.symbol_size(border=border)[0])
    out = io.BytesIO()
    matrix.save(out, kind="png", scale=scale, border=border)
    return Image.open(out).convert("L")


def written(station_id: str, claim_code: str, start: Path) -> list[Path]:
    """``<start>.png`` and ``<start>.pdf``, both in the size in which they are printed."""
    label = drawn(station_id, claim_code)
    places = [start.with_name(f"{start.name}.{kind}") for kind in ("png", "pdf")]
    label.save(places[0], dpi=(DPI, DPI))
    label.save(places[1], resolution=DPI, title=f"Everpx {station_id}")
    for place in places:
        place.chmod(0o600)  # it shows the claim code
    return places
