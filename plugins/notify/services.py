"""ntfy, Telegram and the rest, by Apprise.  Imported only to send; it takes 43 MiB.

Apprise answers yes or no, and says why to its log; the log's status code is what people are told, and the rest of it
goes nowhere, since it may name a token.
"""

import logging
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from appliance.health.models import Severity
from appliance.words import N_
from plugins.notify.failures import NotDelivered, of_status

STATUS = re.compile(r"error[=: ]+(\d{3})")
TIMES = "cto=10&rto=15"  # seconds to connect and to answer
PRIORITY = {Severity.DANGER: "max", Severity.WARNING: "high", Severity.NOTICE: "default"}


def address_of(way: str, given: Mapping[str, str], severity: Severity) -> str:
    """A channel as Apprise writes it."""
    if way == "ntfy":
        parts = urlsplit(given["server"])
        scheme = "ntfys" if parts.scheme == "https" else "ntfy"
        who = f"{quote(given['token'], safe='')}@" if given.get("token") else ""
        auth = "&auth=token" if who else ""
        topic = quote(given["topic"], safe="")
        return f"{scheme}://{who}{parts.netloc}/{topic}?mode=private&priority={PRIORITY[severity]}&redirect=no&{TIMES}{auth}"
    if way == "telegram":
        return f"tgram://{given['token']}/{quote(given['chat'], safe='@-')}/?redirect=no&{TIMES}"
    return given["address"]


def send(way: str, given: Mapping[str, str], severity: Severity, subject: str, body: str) -> None:
    """Hand it over.  Raises NotDelivered."""
    import apprise

    heard = _Listener()
    log = logging.getLogger("apprise")
    log.handlers, log.propagate = [heard], False
    log.setLevel(logging.WARNING)
    logging.getLogger("urllib3").propagate = False  # what it complains about it names by address, key and all
    asset = apprise.AppriseAsset(async_mode=False, app_id="Everpx", app_desc="Everpx", http_redirects=False)
    service = apprise.Apprise.instantiate(address_of(way, given, severity), asset=asset, suppress_exceptions=True)
    host = _host(way, given)
    if not isinstance(service, apprise.NotifyBase):
        raise NotDelivered(N_("This is not an address that can be sent to. Look at it again."), slow=True)
    kind = apprise.NotifyType.FAILURE if severity is Severity.DANGER else apprise.NotifyType.INFO
    if not service.notify(body=body, title=subject, notify_type=kind):
        if heard.status:
            raise of_status(heard.status, host)
        raise NotDelivered(N_("{host} cannot be reached."), host=host)


def _host(way: str, given: Mapping[str, str]) -> str:
    if way == "ntfy":
        return urlsplit(given["server"]).hostname or ""
    return "Telegram" if way == "telegram" else given["address"].partition("://")[0]


class _Listener(logging.Handler):
    """Remembers the last status code that was complained about."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Look for ``error=401``."""
        if found := STATUS.search(record.getMessage()):
            self.status = int(found[1])
