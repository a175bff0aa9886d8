"""Mail providers whose servers need not be looked up: a click fills in the form.

As their own help pages say it (2026).  Not here: Outlook.com, which takes no password from programs any more.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """``own_password``: it wants one made for this program, not the usual one."""

    title: str
    host: str
    port: int = 465
    security: str = "tls"
    own_password: bool = True


PROVIDERS = {
    "gmail": Provider("Gmail", "smtp.gmail.com"),
    "icloud": Provider("iCloud", "smtp.mail.me.com", 587, "starttls"),
    "yahoo": Provider("Yahoo", "smtp.mail.yahoo.com"),
    "gmx": Provider("GMX", "mail.gmx.net", own_password=False),
    "webde": Provider("WEB.DE", "smtp.web.de", 587, "starttls", own_password=False),
    "fastmail": Provider("Fastmail", "smtp.fastmail.com"),
    "qq": Provider("QQ", "smtp.qq.com"),
    "163": Provider("163", "smtp.163.com"),
}
