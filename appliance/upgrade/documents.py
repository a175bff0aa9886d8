"""Signed documents: ``{"signatures":{key:signature},"signed":{…}}`` in one exact form, and nothing around it.

The form is JSON in ASCII with sorted names, no spaces, no fractions and no end of line: what is read is written again
and has to give the same bytes.  So there is one way to write a document, no name can be there twice, and nothing can
stand behind it.  A key is called by what it is, its 32 public bytes (Ed25519) in hexadecimal, so none has two names.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.upgrade.refusals import Garbled, NotExact, TooLarge, Unfamiliar, WrongKey

LARGEST = 32 * 1024  # bytes; a caller reads one more than that at most
SIGNED_AS = b"everpx upgrade document 1\n"  # before what is signed, so that a signature is good for nothing else
LATEST = 2**35  # seconds since 1970: the year 3058
FORMAT = 1

Check = Callable[[Any], bool]


def _matches(pattern: str) -> Check:
    return lambda value: type(value) is str and re.fullmatch(pattern, value) is not None


is_key = _matches("[0-9a-f]{64}")
is_hash = is_key
is_version = _matches(r"(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4})){2}")
is_name = _matches("[a-z][a-z0-9-]{0,39}")
is_address = _matches(r"https://[a-z0-9.-]{1,200}(:[0-9]{1,5})?/[A-Za-z0-9._~/%+-]{0,400}")
_is_signature = _matches("[0-9a-f]{128}")


def is_moment(value: object) -> bool:
    """Whole seconds since 1970, UTC."""
    return type(value) is int and 0 <= value < LATEST


def is_count(value: object) -> bool:
    """A whole number from 1 on, of a size that any program can hold."""
    return type(value) is int and 1 <= value < 2**53


def list_of(check: Check) -> Check:
    """Some of a kind, sorted and each once."""
    return lambda value: type(value) is list and all(map(check, value)) and value == sorted(set(value))


def named(check: Check) -> Check:
    """Values by name."""
    return lambda value: type(value) is dict and all(map(is_name, value)) and all(map(check, value.values()))


def made_of(value: object, fields: Mapping[str, Check]) -> bool:
    """Whether a value has exactly these fields, each in its form."""
    return isinstance(value, dict) and set(value) == set(fields) and all(fields[name](value[name]) for name in fields)


def exact(value: object) -> bytes:
    """The one form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def to_sign(body: Mapping[str, Any]) -> bytes:
    """What a signature of a document is over."""
    return SIGNED_AS + exact(body)


@dataclass(frozen=True)
class Document:
    """A document whose form is right; who signed it, nobody has checked yet."""

    body: Mapping[str, Any]
    signatures: Mapping[str, str]

    def check_signed(self, keys: Iterable[str], needed: int = 1) -> None:
        """Raise WrongKey unless so many of these keys signed it.  A wrong signature refuses it, whoever else signed."""
        signers = set(keys) & set(self.signatures)
        if needed < 1 or len(signers) < needed:
            raise WrongKey
        from cryptography.exceptions import InvalidSignature  # only where there is something to check
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        for key in signers:
            try:
                public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
                public.verify(bytes.fromhex(self.signatures[key]), to_sign(self.body))
            except (InvalidSignature, ValueError):
                raise WrongKey from None


def opened(document: bytes, kind: str, fields: Mapping[str, Check]) -> Document:
    """A document of a kind with exactly these fields beside ``kind`` and ``format``.

    An unknown field is refused, not passed over: it may be the one that says "but not for you".  What older stations
    cannot read has another ``format`` and another address.
    """
    whole = _parsed(document)
    if not made_of(whole, {"signatures": lambda given: type(given) is dict, "signed": lambda body: type(body) is dict}):
        raise Garbled
    body, signatures = whole["signed"], whole["signatures"]
    if len(signatures) > 16 or not all(is_key(key) and _is_signature(one) for key, one in signatures.items()):
        raise Garbled
    if body.get("kind") != kind:
        raise Unfamiliar(name="kind")
    if type(body.get("format")) is not int or body["format"] != FORMAT:
        raise Unfamiliar(name="format")
    for name in sorted({*fields, *body} - {"kind", "format"}):
        if name not in fields or name not in body or not fields[name](body[name]):
            raise Unfamiliar(name=name if is_name(name) else "…")
    return Document(body, signatures)


def _parsed(document: bytes) -> Any:
    if len(document) > LARGEST:
        raise TooLarge
    try:
        value = json.loads(document.decode("ascii"), parse_float=_no_fraction, parse_constant=_no_fraction)
        again = exact(value)
    except (ValueError, RecursionError):
        raise Garbled from None
    if again != document:
        raise NotExact
    return value


def _no_fraction(text: str) -> None:
    raise ValueError(text)
