"""Where the front door listens (``EVERPX_LISTEN``): addresses with spaces between; ``/tls`` behind one means https."""

import os

TLS = "/tls"


def _all() -> list[str]:
    return os.environ.get("EVERPX_LISTEN", "127.0.0.1:8080").split()


def plain() -> tuple[str, ...]:
    """Addresses that speak http."""
    return tuple(one for one in _all() if not one.endswith(TLS))


def encrypted() -> tuple[str, ...]:
    """Addresses that speak https."""
    return tuple(one.removesuffix(TLS) for one in _all() if one.endswith(TLS))


def port(addresses: tuple[str, ...]) -> int | None:
    """The first one's port."""
    ports = [one.rpartition(":")[2] for one in addresses]
    return next((int(one) for one in ports if one.isdigit()), None)


def https(host: str) -> str | None:
    """The beginning of this station's https address under a name; None where it has none."""
    found = port(encrypted())
    shown = f"[{host}]" if ":" in host else host
    return None if found is None else f"https://{shown}" + ("" if found == 443 else f":{found}")
