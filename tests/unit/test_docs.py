"""The pages for families: every picture and every test that they name is there, and no picture is left over."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("flash.md", "recovery.md")
LARGEST = 1_500_000  # bytes of all pictures


def test_pictures_are_there_used_and_small() -> None:
    used = {name for page in PAGES for name in re.findall(r"\]\(pictures/([\w-]+\.webp)\)", (DOCS / page).read_text())}
    there = {path.name: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    assert used == set(there)
    assert sum(there.values()) < LARGEST


def test_every_picture_says_what_is_on_it() -> None:
    for page in PAGES:
        assert "![](" not in (DOCS / page).read_text(), page


def test_every_path_is_walked_by_a_test_that_is_there() -> None:
    named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", (DOCS / "recovery.md").read_text())
    assert len(named) > 10
    for file, name in named:
        assert f"\ndef {name}(" in (DOCS.parent / file).read_text(), f"{file}::{name}"


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_every_link_between_pages_leads_somewhere(page: str) -> None:
    text = (DOCS / page).read_text()
    for target, anchor in re.findall(r"\]\((?!http)([\w./-]*)(?:#([\w-]+))?\)", text):
        place = (DOCS / target) if target else DOCS / page
        assert place.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in _anchors(place.read_text()), f"{page}: {target}#{anchor}"


def _anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
