"""Names from outside become names that every filesystem holds."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.library.names import numbered, portable_problem, safe_name, split_suffix

anything = st.one_of(st.text(max_size=400), st.binary(max_size=400), st.text("./\\ :*é️‍👩CONcon1.", max_size=40))


@pytest.mark.parametrize(
    ("given_name", "stored"),
    [
        ("IMG_1234.JPG", "IMG_1234.JPG"),
        ("../../etc/passwd", "_.._.._etc_passwd"),
        ("C:\\Users\\a.jpg", "C__Users_a.jpg"),
        ("CON.jpg", "CON_.jpg"),
        ("con", "con_"),
        ("Lpt1 .tar.gz", "Lpt1_.tar.gz"),
        ("COM10.txt", "COM10.txt"),
        ("console.jpg", "console.jpg"),
        ("name.", "name"),
        ("name. . .", "name"),
        ("  two words .jpg ", "two words .jpg"),
        (".everpx", "_.everpx"),
        ("..", "Unnamed"),
        (".", "Unnamed"),
        ("", "Unnamed"),
        ("\u202egpj.exe", "gpj.exe"),
        ("a\nb\x00c.jpg", "a_b_c.jpg"),
        ("👩‍👩‍👧 café.heic", "👩‍👩‍👧 café.heic"),
        (b"caf\xe9.jpg", "caf\ufffd.jpg"),
        (unicodedata.normalize("NFD", "Ünïcode.jpg"), "Ünïcode.jpg"),
    ],
)
def test_a_name_is_stored_as(given_name: str | bytes, stored: str) -> None:
    assert safe_name(given_name) == stored


@given(anything)
def test_every_name_comes_out_safe_and_stays_as_it_is(name: str | bytes) -> None:
    safe = safe_name(name)
    assert portable_problem(safe.encode()) is None
    assert safe not in ("", ".", "..") and not safe.startswith(".") and "/" not in safe
    assert len(safe.encode()) <= 255
    assert safe_name(safe) == safe
    assert unicodedata.is_normalized("NFC", safe)


@given(anything, st.integers(2, 99_999))
def test_a_numbered_name_is_as_safe_and_keeps_its_suffix(name: str | bytes, number: int) -> None:
    safe = safe_name(name)
    other = numbered(safe, number)
    assert safe_name(other) == other
    assert split_suffix(other)[1] == split_suffix(safe)[1]
    assert f"({number})" in other


def test_a_long_name_keeps_its_suffix() -> None:
    assert safe_name("ü" * 300 + ".jpeg").endswith("ü.jpeg")
    assert len(safe_name("👩" * 300).encode()) <= 255
    assert numbered("x" * 251 + ".jpg", 12).endswith("x (12).jpg")


@pytest.mark.parametrize(
    "name", [b"a:b", b"dot.", b"space ", b"AUX.txt", b"\xff\xfe.jpg", b"tab\t", "é".encode() * 300]
)
def test_a_name_that_some_drive_cannot_hold_is_told(name: bytes) -> None:
    assert portable_problem(name)


def test_ordinary_names_are_portable() -> None:
    assert portable_problem("Ferien 2026 👍.jpg".encode()) is None
