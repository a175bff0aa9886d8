"""Getting something from an address: bounded in size and time, and never led elsewhere."""

import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from appliance import reach
from appliance.errors import ApplianceError
from appliance.words import N_

SILENT_S = 30  # without a byte
LONGEST_S = 6 * 3600  # in all
BLOCK = 1 << 18
LONGEST_ADDRESS = 700


class BadAddress(ApplianceError):
    """Not an address that can be asked."""

    code, status, template = (
        "upgrade_bad_address",
        422,
        N_("Enter a whole address that begins with https:// or http://."),
    )


class NotFetched(ApplianceError):
    """It did not come, or not all of it."""

    code, status, template = "upgrade_not_fetched", 502, N_("{host} could not be asked: {why}")
    hint = N_("Nothing was changed. Look whether the station has a network, and try again later.")


class Elsewhere(NotFetched):
    """It wants us to ask another address."""

    code, template = (
        "upgrade_led_elsewhere",
        N_("{host} leads to another address, which the station does not follow: {to}"),
    )
    hint = N_("Use that address if you trust it.")


class NotThere(NotFetched):
    """It answered that it has no such thing."""

    code, template = "upgrade_not_there", N_("There is nothing at this address of {host}.")
    hint = N_("Look whether the address is written as it should be.")


class Endless(NotFetched):
    """More than it can be."""

    code, template = "upgrade_endless", N_("What {host} sends is far too large.")
    hint = N_("Nothing was changed. The station stays on the version that it has.")


class CutOff(NotFetched):
    """Less came than was announced; what is here can be gone on from."""

    code, template = "upgrade_cut_off", N_("{host} stopped sending before the end.")
    hint = N_("The station goes on from there when it is tried again.")


@dataclass(frozen=True)
class Answer:
    """The beginning of an answer: how large it all is (None when nobody says), and where this begins."""

    size: int | None
    begins: int


def check(address: str, *, only_https: bool = False) -> SplitResult:
    """An address that can be asked, in its parts.  Raises BadAddress."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise BadAddress from None
    schemes = {"https"} if only_https else {"https", "http"}
    plain = all(33 <= ord(sign) < 127 for sign in address)
    if not plain or len(address) > LONGEST_ADDRESS or parts.scheme not in schemes or not parts.hostname:
        raise BadAddress
    if port == 0 or parts.username is not None or parts.fragment:
        raise BadAddress
    return parts


def fetch(
    address: str,
    take: Callable[[bytes], None],
    *,
    most: int,
    begin: Callable[[Answer], None] = lambda answer: None,
    since: int = 0,
    only_https: bool = False,
) -> None:
    """Ask an address, and hand on what comes, from byte ``since`` on where the other side can do that.

    ``begin`` hears first where it begins and how large it is; at most ``most`` bytes in all.  Raises NotFetched.
    """
    parts = check(address, only_https=only_https)
    host = str(parts.hostname)
    secure = parts.scheme == "https"
    try:
        if secure:
            line: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=SILENT_S, context=ssl.create_default_context()
            )
        else:
            line = http.client.HTTPConnection(host, parts.port, timeout=SILENT_S)
        try:
            with reach.outside(public_only=False):
                _ask(line, parts, since)
            with line.getresponse() as answer:
                _take(answer, host, take, begin, most, since)
        finally:
            line.close()
    except (OSError, http.client.HTTPException) as error:
        raise NotFetched(host=host, why=(str(error) or type(error).__name__)[:200]) from None


def _ask(line: http.client.HTTPConnection, parts: SplitResult, since: int) -> None:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"User-Agent": "Everpx", "Accept-Encoding": "identity"}
    if since:
        headers["Range"] = f"bytes={since}-"
    line.request("GET", path, headers=headers)


def _take(
    answer: http.client.HTTPResponse,
    host: str,
    take: Callable[[bytes], None],
    begin: Callable[[Answer], None],
    most: int,
    since: int,
) -> None:
    if 300 <= answer.status < 400:
        raise Elsewhere(host=host, to=(answer.getheader("Location") or "?")[:200])
    if answer.status in (404, 410):
        raise NotThere(host=host)
    if answer.status not in (200, 206):
        raise NotFetched(host=host, why=f"{answer.status} {answer.reason}"[:200])
    begins = since if answer.status == 206 and _begins(answer) == since else 0
    if answer.status == 206 and begins != since:
        raise NotFetched(host=host, why="206")
    size = None if answer.length is None else begins + answer.length
    if size is not None and size > most:
        raise Endless(host=host)
    begin(Answer(size, begins))
    end, arrived = time.monotonic() + LONGEST_S, begins
    while block := answer.read1(BLOCK):
        arrived += len(block)
        if arrived > most or time.monotonic() > end:
            raise Endless(host=host)
        take(block)
    if size is not None and arrived < size:
        raise CutOff(host=host)


def _begins(answer: http.client.HTTPResponse) -> int:
    """The first byte of a part: ``bytes 100-199/200``."""
    said = (answer.getheader("Content-Range") or "").removeprefix("bytes ").partition("-")[0]
    return int(said) if said.isdigit() else -1
