"""Who this station is: an id and the hash of its claim code, written once (by the image build, or at first start).

The claim code is 20 letters and digits without look-alikes (100 bit), printed on the label.  Only its hash is kept;
100 random bits need no slow hash.  It is good for one claim: see ``people.claim``.

The id is for people too: ``EPX-ABCD-EFGH-JKLM-42``, 60 random bits and two check digits (modulo 97), so that
one that was mistyped or misread is noticed.
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass

from appliance.durable import write_atomically
from appliance.places import Places

LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 of them: 5 bit each, no 0/O, 1/I
CODE_LENGTH = 20
ID_START = "EPX"
ID_LENGTH = 12
ON_LABEL = "label"


@dataclass(frozen=True)
class Identity:
    """A station's name for itself."""

    station_id: str
    claim_hash: str
    former: tuple[str, ...] = ()  # stations whose place this one took: their drives are its own

    @property
    def every_id(self) -> frozenset[str]:
        """The ids in markers of drives that belong here."""
        return frozenset({self.station_id, *self.former})

    def matches(self, code: str) -> bool:
        """Whether this is the claim code; spaces, dashes and case do not matter."""
        return hmac.compare_digest(_hash(self.station_id, code), self.claim_hash)


def _hash(station_id: str, code: str) -> str:
    plain = "".join(c for c in code.upper() if c.isalnum())
    return hashlib.sha256(f"{station_id}:{plain}".encode()).hexdigest()


def new_id() -> str:
    """A fresh station id."""
    return id_of("".join(secrets.choice(LETTERS) for _ in range(ID_LENGTH)))


def id_of(letters: str) -> str:
    """The id with these letters."""
    groups = [letters[i : i + 4] for i in range(0, ID_LENGTH, 4)]
    return "-".join([ID_START, *groups, _check(letters)])


def is_id(text: str) -> bool:
    """Whether this can be a station's id; false for one wrong letter and for two neighbours that were swapped."""
    plain = "".join(c for c in text.upper() if c.isalnum())
    shaped = plain.isascii() and plain.startswith(ID_START) and len(plain) == len(ID_START) + ID_LENGTH + 2
    return shaped and plain[-2:] == _check(plain[len(ID_START) : -2])


def _check(letters: str) -> str:
    """The rest of a number to base 36 by a prime above twice that: each sign counts, and so does its place.

    (An IBAN's way writes letters as two digits, so that a letter taken for a digit may go unnoticed.)
    """
    return f"{int(letters, 36) % 97:02d}"


def new_code() -> str:
    """A fresh claim code, grouped for reading aloud: ``ABCDE-FGHJK-LMNPQ-RSTUV``."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
    return "-".join(letters[i : i + 5] for i in range(0, CODE_LENGTH, 5))


def load(places: Places) -> Identity:
    """The station's identity.  Raises FileNotFoundError when none was baked in."""
    stored = json.loads(places.identity.read_text())
    return Identity(stored["station_id"], stored["claim_hash"], tuple(stored.get("former", ())))


def take_place_of(places: Places, former_id: str) -> Identity:
    """From now on the drives of an earlier station belong here; this station keeps its own id and claim code."""
    stored = json.loads(places.identity.read_text())
    if former_id == stored["station_id"]:  # the same image on a new card
        return load(places)
    former = [*stored.get("former", ()), former_id]
    write_atomically(places.identity, json.dumps(stored | {"former": list(dict.fromkeys(former))}).encode())
    return load(places)


def create(places: Places) -> str | None:
    """Write an identity if there is none; return the claim code then (the only time it is known), else None."""
    if places.identity.exists():
        return None
    code, station_id = new_code(), new_id()
    write_atomically(
        places.identity,
        json.dumps({"station_id": station_id, "claim_hash": _hash(station_id, code)}).encode(),
    )
    return code


def labelled(station_id: str, code: str) -> dict[str, str]:
    """What ``station.json`` says where the claim code stands on a label, and nowhere on the station."""
    return {"station_id": station_id, "claim_hash": _hash(station_id, code), "code_on": ON_LABEL}


def is_labelled(places: Places) -> bool:
    """Whether the claim code stands on a label; such an identity is never replaced."""
    return places.identity.exists() and json.loads(places.identity.read_text()).get("code_on") == ON_LABEL


def secret_key(places: Places) -> bytes:
    """The cookie-signing key, made on first use and private to this box."""
    if not places.secret_key.exists():
        write_atomically(places.secret_key, secrets.token_bytes(32))
    return places.secret_key.read_bytes()
