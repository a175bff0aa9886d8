"""Facts of a photo as words of the search: each begins with a sign that no keyboard has.

So whatever is asked together (this word, that camera, a favourite, of mine or ours) is one question to one index, which
walks its lists side by side and never looks at photos that do not match.  The triggers of the revision that made
``media_document`` write the same words.
"""

(
    OWNER,
    OURS,
    SHOWN_IN,
    ALBUM,
    NO_ALBUM,
    TAG,
    KIND,
    CAMERA,
    PLACE,
    COUNTRY,
    FAVOURITE,
    RATING,
    NO_DATE,
    TOP,
    LOCATED,
    AREA,
) = (chr(0xE001 + number) for number in range(16))
YES = "1"
PHOTO, VIDEO, RAW, LIVE, SCREENSHOT = "photo", "video", "raw", "live", "screenshot"
KINDS = (PHOTO, VIDEO, RAW, LIVE, SCREENSHOT)
SECONDS_FROM, ID_BITS = 2_208_988_800, 28  # 1900 to 1970; see models.MediaWords


def key_of(seconds: float, media_id: int = 0) -> int:
    """A photo's place in the search: ``seconds`` are since 1970."""
    return (max(0, int(seconds) + SECONDS_FROM) << ID_BITS) | media_id


def id_of(key: int) -> int:
    """The photo of a place."""
    return key & ((1 << ID_BITS) - 1)
