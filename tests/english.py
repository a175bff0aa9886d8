"""What is left in English on a page that should be in another language."""

import html
import re

#: What stays as it is in any language: names, formats, what is typed or read by programs.
NAMES = [
    "Everpx at home",  # what the certificate is called
    "Everpx",
    "Family",
    "Nextcloud",
    "WebDAV",
    "iPhone",
    "Android",
    "Google",
    "Takeout",
    "Telegram",
    "Webhook",
    "webhook",
    "Signal",
    "Matrix",
    "Pushover",
    "Discord",
    "Apprise",
    "ntfy",
    "BotFather",
    "userinfobot",
    "healthchecks.io",
    "Uptime Kuma",
    "smtp.example.org",
    "station@example.org",
    "https://hc-ping.com/…",
    "STARTTLS",
    "SMTP",
    "PEM",
    "iCloud",
    "Gmail",
    "Yahoo",
    "GMX",
    "WEB.DE",
    "Fastmail",
    "Files",
    "Play",
    "App",
    "Store",
    "rclone",
    "F-Droid",
    "iPhone",
    "My phone",
    "Anna",
    "Ben",
    "Cleo",
    "English",
    "test",
    "Python",
    "Linux",
    "Chromium",
    "Firefox",
    "Windows",
    "Mac",
    "Debian",
    "Raspberry",
    "Pi",
    "GNU",
    "GeoNames.org",
    "CC BY 4.0",
    "Natural Earth",
    "GPL-3.0-or-later",
    "Older",
    "versions",
    "Authorization:",
    "Bearer",
    "Europe/Berlin",
    "Asia/Shanghai",
    "UTC",
    "Etc",
    "local",
    "USB",
    "HOT",
    "COLD",
    "Enter",
    "Esc",
    "ext",
    "btrfs",
    "exFAT",
    "NTFS",
    "everpx",
    "SSD",
    "HDD",
    "COLD-1",
    "HOT-1",
    "Werkzeug",
    "Chrome",
    "Safari",
    "HeadlessChrome",
    "Lamp",
    "TP-Link",
    "Kasa",
    "Tapo",
    "Shelly",
    "Tasmota",
    "MQTT",
    "Zigbee2MQTT",
    "Home Assistant",
    "webhook",
    "Wi-Fi",
]

FILE = re.compile(r"\S+\.(?:jpe?g|png|heic|webp|mp4|mov)\b", re.IGNORECASE)  # a file is called what a camera called it


def english(page: str, names: tuple[str, ...] = ()) -> list[str]:
    """What a person would read as English words; ``names`` are those that the family gave."""
    page = re.sub(r"(?s)<(script|style|svg|code|pre)\b.*?</\1>", " ", page)
    spoken = re.findall(r'(?:aria-label|placeholder|title|alt)="([^"]*)"', page)
    shown = re.split(r"<[^>]+>", re.sub(r'(?s)<(option|dl)[^>]*lang="en".*?</\1>', " ", page))
    found = []
    for piece in [*spoken, *shown]:
        text = FILE.sub(" ", html.unescape(piece).strip())
        for name in sorted([*NAMES, *names], key=len, reverse=True):
            text = re.sub(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])", " ", text)
        if re.search(r"[A-Za-z]{2,}[ ,.]+[A-Za-z]{2,}|\b[A-Z][a-z]{3,}\b", text):
            found.append(html.unescape(piece).strip())
    return found
