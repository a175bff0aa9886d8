"""How a page looks to everybody, and pictures of it for people who look at pages."""

import os
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.conftest import DESKTOP, PHONE


def usable(page: Page, serious: Callable[[Page], list[str]], name: str) -> None:
    """On phone and desktop, light and dark: nothing serious for axe-core, nothing wider than its screen."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for size in (PHONE, DESKTOP):
            page.set_viewport_size(size)
            assert serious(page) == [], (name, scheme, size)
            assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    page.emulate_media(color_scheme="light")
    shoot(page, name)


def shoot(page: Page, name: str) -> None:
    """EVERPX_SHOTS names a folder."""
    if folder := os.environ.get("EVERPX_SHOTS"):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            for size, word in ((PHONE, "phone"), (DESKTOP, "desktop")):
                page.set_viewport_size(size)
                page.screenshot(path=Path(folder) / f"{name}-{word}-{scheme}.png", full_page=True)
        page.emulate_media(color_scheme="light")
