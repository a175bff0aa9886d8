"""A browser's own long name, shortened to what a person recognises: ``Chrome, Android``."""

from flask_babel import gettext

_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


def browser(user_agent: str) -> str:
    """Browser and system, as far as the name tells."""
    parts = [next((title for mark, title in table if mark in user_agent), "") for table in (_BROWSERS, _SYSTEMS)]
    return ", ".join(part for part in parts if part) or user_agent[:40] or gettext("Unknown browser")
