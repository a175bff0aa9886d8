"""Passwords: argon2id, and which ones are good enough.

19 MiB, two passes, one lane is OWASP's smallest argon2id profile and takes a third of a second on a Raspberry Pi; at
most two are computed at a time, so that a row of guesses can neither take the memory nor both cores of a small box.
There are no composition rules: length, and not being among the first that anybody would try.
"""

import unicodedata
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from appliance.words import N_, Message

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 8, 128
COMMON = Path(__file__).with_name("common_passwords.txt")

_two_at_a_time = BoundedSemaphore(2)

#: Of a password nobody knows: compared against where there is no such person, so that the answer takes as long.
DECOY = "$argon2id$v=19$m=19456,t=2,p=1$xyUozHoILhmENlqCJY6wtQ$/PRRSNcOD0Yypf6zpIbtCQOR6vRJ9O8Gd5tro0fZBMA"


@cache
def _hasher() -> "PasswordHasher":
    """Loaded by the first who signs in: a station may be on for months without that."""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def make_hash(password: str) -> str:
    """The form to store."""
    with _two_at_a_time:
        return _hasher().hash(_canonical(password))


def matches(password_hash: str, password: str) -> bool:
    """Whether this is the password; an empty or unreadable hash matches nothing and takes as long."""
    from argon2.exceptions import InvalidHashError, VerificationError

    usable = password_hash.startswith("$argon2")
    with _two_at_a_time:
        try:
            return _hasher().verify(password_hash if usable else DECOY, _canonical(password)) and usable
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher().check_needs_rehash(password_hash)


def problem(password: str, user_name: str) -> Message | None:
    """Why this password cannot be chosen, or None."""
    plain = _canonical(password)
    if len(plain) < SHORTEST:
        return Message(N_("Choose at least {shortest} characters. Three or four words are easy to remember."), _LIMITS)
    if len(plain) > LONGEST:
        return Message(N_("Choose at most {longest} characters."), _LIMITS)
    folded = plain.casefold()
    bare = "".join(c for c in folded if c.isalpha())
    if {folded, bare} & {_canonical(user_name).casefold(), "everpx"}:
        return Message(N_("Choose something that is not a name."))
    if folded in _common() or len(set(folded)) < 3:
        return Message(N_("This is one of the first passwords that anybody would try. Choose another."))
    return None


_LIMITS = {"shortest": SHORTEST, "longest": LONGEST}


def _canonical(password: str) -> str:
    """One form for what different keyboards send for the same letters (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


@cache
def _common() -> frozenset[str]:
    """Passwords that lists of stolen ones have in common, the short ones left out; read when first needed."""
    return frozenset(COMMON.read_text(encoding="utf-8").split())
