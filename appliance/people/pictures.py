"""The picture a person is known by on the sign-in page: a colour and, if they like, one emoji."""

import unicodedata
from collections import Counter
from collections.abc import Iterable

from appliance.drives.models import COLOURS
from appliance.words import N_, Message

MOST_CODE_POINTS = 10  # a family with skin tones is one emoji of as many
_PARTS = {"So", "Sk", "Mn", "Me", "Cf", "Po"}  # symbols, skin tones, variation selectors, joiners, keycaps


def next_colour(used: Iterable[str]) -> str:
    """The colour that the fewest people have."""
    count = Counter(used)
    return min(COLOURS, key=lambda colour: count[colour])


def colour_problem(colour: str) -> Message | None:
    """Why this is no colour for a picture, or None."""
    return None if colour in COLOURS else Message(N_("Choose one of the listed colours."))


def emoji_problem(emoji: str) -> Message | None:
    """Why this is no sign for a picture, or None; none at all is fine."""
    if not emoji:
        return None
    kinds = {unicodedata.category(c) for c in emoji}
    if len(emoji) > MOST_CODE_POINTS or "So" not in kinds or not kinds <= _PARTS:
        return Message(N_("Choose one emoji."))
    return None
