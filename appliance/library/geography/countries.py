"""Countries by their English names, as photos carry them, and in Chinese.

Names of GeoNames and of Unicode's CLDR (see ``make``), 250 lines: small enough for every process.
"""

from functools import cache
from pathlib import Path

from appliance.text import plain

COUNTRIES = Path(__file__).with_name("countries.txt")
SHORTEST = 2  # signs of a name that is not yet written to its end


@cache
def _in_chinese() -> dict[str, str]:
    return dict(line.split("\t") for line in COUNTRIES.read_text("utf-8").splitlines())


def shown(name: str, language: str) -> str:
    """A country's name in a reader's language; one that is not known stays as it is."""
    return _in_chinese().get(name, name) if language == "zh" else name


def called(word: str) -> list[str]:
    """English names of the countries whose Chinese name begins like this word, as ``appliance.text`` spells it."""
    if len(word) < SHORTEST:
        return []
    return [english for english, chinese in _in_chinese().items() if plain(chinese).startswith(word)]
