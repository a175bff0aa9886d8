"""Of what Babel knows of every language and country on earth, what the console says: dates, times, numbers and plurals.

The rest (names of languages, currencies and units, and which script is likely in which country) is 3 MiB.  Loaded and
let go of before anything else, since what is loaded next takes the room that this leaves.
"""

from babel import localedata
from babel.core import get_global

LANGUAGES = {"en": "English", "zh": "简体中文"}
NEVER_SAID = (
    *("languages", "scripts", "variants"),
    *("currency_names", "currency_names_plural", "currency_symbols", "compact_currency_formats"),
    *("unit_patterns", "unit_display_names", "compound_unit_patterns", "compact_decimal_formats"),
)
NEVER_ASKED = ("likely_subtags", "territory_languages", "territory_currencies", "all_currencies")


def forget_the_rest() -> None:
    """Load the languages of the console once, and let go of what it never says; asking for that is a KeyError."""
    for name in NEVER_ASKED:
        get_global(name).clear()  # type: ignore[arg-type, attr-defined]
    for language in ("root", *LANGUAGES):
        data = localedata.load(language)  # the one that every later caller gets, too
        for name in NEVER_SAID:
            data.pop(name, None)
