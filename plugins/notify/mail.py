"""Mail by SMTP, as RFC 5321 and 3207 say: encrypted from the first byte or from STARTTLS, certificates checked.

Without encryption only where there is no password to lose.  A refusal that passes (4xx, greylisting) is told apart from
one that stays (5xx).
"""

import base64
import json
import smtplib
import socket
import ssl
from dataclasses import asdict, dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate

from appliance.words import N_
from plugins.notify.addresses import on_wire
from plugins.notify.failures import NotDelivered, of_network
from plugins.notify.writing import Written

ANSWER_WITHIN_S = 20.0  # each step; the whole has a limit of its own
TLS, STARTTLS, PLAIN = "tls", "starttls", "plain"


@dataclass(frozen=True)
class Server:
    """The station's mail server; stored sealed."""

    host: str
    port: int
    security: str  # TLS, STARTTLS or PLAIN
    user: str
    password: str
    sender: str
    sender_name: str
    certificate: str = ""  # PEM of an authority of one's own

    def as_text(self) -> str:
        """For sealing."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Server":
        """The inverse of :meth:`as_text`."""
        return cls(**json.loads(text))


def compose(server: Server, to: str, written: Written, message_id: str) -> EmailMessage:
    """The mail: plain text and HTML; nothing in it is loaded from anywhere."""
    mail = EmailMessage()
    mail["From"] = Address(server.sender_name, addr_spec=on_wire(server.sender))
    mail["To"] = Address(addr_spec=on_wire(to))
    mail["Subject"] = written.subject
    mail["Date"] = formatdate(localtime=False)
    mail["Message-ID"] = message_id  # the same at each try: a mailbox that got it already can tell
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(written.plain)
    mail.add_alternative(written.html, subtype="html")
    return mail


def send(server: Server, mail: EmailMessage) -> None:
    """Hand it over; the server has taken it when this returns.  Raises NotDelivered."""
    try:
        with _connected(server) as smtp:
            _sign_in(smtp, server)
            smtp.send_message(mail)
    except smtplib.SMTPException as error:
        raise _refused(error, server.host) from None
    except OSError as error:
        raise of_network(error, server.host) from None


def _connected(server: Server) -> smtplib.SMTP:
    ours = "".join(c for c in socket.gethostname() if c.isalnum() or c in "-.") or "everpx"
    if server.security == TLS:
        return smtplib.SMTP_SSL(server.host, server.port, ours, timeout=ANSWER_WITHIN_S, context=_trusted(server))
    smtp = smtplib.SMTP(server.host, server.port, ours, timeout=ANSWER_WITHIN_S)
    if server.security == STARTTLS:
        try:
            smtp.starttls(context=_trusted(server))
        except BaseException:
            smtp.close()
            raise
    return smtp


def _sign_in(smtp: smtplib.SMTP, server: Server) -> None:
    if not server.user:
        return
    if (server.user + server.password).isascii():
        smtp.login(server.user, server.password)
        return
    smtp.ehlo_or_helo_if_needed()  # smtplib knows ASCII only; SASL's PLAIN is UTF-8 (RFC 4616)
    if "PLAIN" not in smtp.esmtp_features.get("auth", "").upper().split():
        raise smtplib.SMTPNotSupportedError("no PLAIN")
    given = base64.b64encode(f"\0{server.user}\0{server.password}".encode()).decode()
    code, answer = smtp.docmd("AUTH", f"PLAIN {given}")
    if code not in (235, 503):
        raise smtplib.SMTPAuthenticationError(code, answer)


def _trusted(server: Server) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if server.certificate:
        context.load_verify_locations(cadata=server.certificate)
    return context


def _refused(error: smtplib.SMTPException, host: str) -> NotDelivered:
    """What the server's no means."""
    if isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500:
        return NotDelivered(N_("{host} does not accept the user name or the password."), slow=True, host=host)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        template = N_("{host} does not offer encryption, or no sign-in. Nothing was sent.")
        return NotDelivered(template, slow=True, host=host)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        if all(code >= 500 for code in codes):
            template = N_("{host} says that this address does not exist or may not be written to.")
            return NotDelivered(template, slow=True, host=host)
        return NotDelivered(N_("{host} asks to try again later."), host=host)
    if isinstance(error, smtplib.SMTPResponseException):
        if 400 <= error.smtp_code < 500:
            return NotDelivered(N_("{host} asks to try again later."), host=host)
        template = N_("{host} refuses the message ({code}).")
        return NotDelivered(template, slow=error.smtp_code >= 500, host=host, code=str(error.smtp_code))
    if "timed out" in str(error):  # smtplib makes a lost connection of it
        return of_network(TimeoutError(), host)
    return NotDelivered(N_("{host} ended the conversation."), host=host)
