"""Mail addresses as they go over the wire (RFC 5321): one mailbox, ASCII, and nothing in it that could be a header.

A name of a domain in other letters is sent in its ASCII form (IDNA).  Other letters before the @ would need SMTPUTF8
from every server on the way, which few speak; quoted local parts and address literals nobody types here.
"""

import re

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
LOCAL = re.compile(rf"{ATOM}(?:\.{ATOM})*")
DOMAIN = re.compile(rf"{LABEL}(?:\.{LABEL})*")


def on_wire(address: str) -> str:
    """``anna@münchen.example`` as ``anna@xn--mnchen-3ya.example``.  Raises ValueError for what is no address."""
    local, _, domain = address.rpartition("@")
    domain = domain.encode("idna").decode()
    if not (LOCAL.fullmatch(local) and DOMAIN.fullmatch(domain) and len(local) <= 64 and len(domain) <= 253):
        raise ValueError("not a mail address")
    return f"{local}@{domain}"


def is_mail(text: str) -> bool:
    """Whether mail can be sent to this."""
    try:
        return bool(on_wire(text))
    except ValueError:
        return False
