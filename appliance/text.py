"""What of a text can be searched: its words, in one spelling.

Small letters without accents.  Scripts that write no spaces (Chinese, Japanese, Thai) are taken apart into single signs
and pairs of neighbours, so that any two signs in a row find the text; this needs no dictionary.  SQLite calls these
functions from triggers (``appliance.db``), so whoever writes a row, its words are right.
"""

import re
import unicodedata
from collections.abc import Iterator

LONGEST = 40  # letters of a word that count
MOST = 2000  # words of one text
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
_UNSPACED += "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # Japanese, Chinese
_PART = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_NUMBERED = re.compile(r"[^\d]+(\d{3,})")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")


def plain(text: str) -> str:
    """Small letters, without accents, full-width signs as ordinary ones."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(sign for sign in apart if not unicodedata.combining(sign)))


def parts(text: str) -> list[str]:
    """The words of a text in their order, and whole runs of signs without spaces."""
    return [part[:LONGEST] for part in _PART.findall(plain(text))]


def is_unspaced(part: str) -> bool:
    """Whether this is a run of a script without spaces."""
    return bool(_IS_UNSPACED.match(part))


def pairs(run: str) -> list[str]:
    """Neighbours of a run of signs; a single one is itself."""
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def words_of(*texts: str | bytes | float | None) -> str:
    """Every word that shall find these texts, once each, with a space between; for SQLite."""
    found: dict[str, None] = {}
    for text in texts:
        if text is not None:
            told = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
            found.update(dict.fromkeys(_keys(told)))
    return " ".join(list(found)[:MOST])


def _keys(text: str) -> Iterator[str]:
    for part in parts(text):
        if is_unspaced(part):
            yield from part
            yield from pairs(part)
            continue
        yield part
        if numbered := _NUMBERED.fullmatch(part):  # DSC01234 is found by 01234, too
            yield numbered[1]


def one_word(text: str | None) -> str:
    """A name as a single word, for names that shall be equal: ``Canon EOS R5`` is ``canoneosr5``."""
    return "".join(parts(text or ""))[:LONGEST]
