"""Compiled templates are kept for the next start, and believed only as they were written."""

from pathlib import Path

import jinja2
import pytest

from console import kept_pages
from console.kept_pages import KeptPages


def drawn(folder: Path, source: str = "Hello {{ name }}") -> tuple[str, int]:
    """A page of a station that has just started, and how often something was compiled for it."""
    loader = jinja2.DictLoader({"page.html": source})
    environment = jinja2.Environment(loader=loader, bytecode_cache=KeptPages(folder), autoescape=True)
    compiled, compile_one = [], environment.compile

    def counted(*given: object, **more: object) -> object:
        compiled.append(given)
        return compile_one(*given, **more)  # type: ignore[call-overload]

    environment.compile = counted  # type: ignore[method-assign,assignment]
    return environment.get_template("page.html").render(name="<Anna>"), len(compiled)


def test_a_page_is_compiled_once_for_all_starts(tmp_path: Path) -> None:
    assert drawn(tmp_path / "pages") == ("Hello &lt;Anna&gt;", 1)
    assert drawn(tmp_path / "pages") == ("Hello &lt;Anna&gt;", 0)


def test_another_template_is_compiled_anew(tmp_path: Path) -> None:
    drawn(tmp_path)
    assert drawn(tmp_path, "Good night {{ name }}") == ("Good night &lt;Anna&gt;", 1)
    assert len(list(tmp_path.iterdir())) == 1


def test_another_version_believes_nothing_of_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(tmp_path)
    monkeypatch.setattr(kept_pages, "MADE_BY", b"a later version")
    assert drawn(tmp_path)[1] == 1


@pytest.mark.parametrize("length", [0, 10, 32, 100, 10_000])
def test_what_a_power_cut_left_is_compiled_again(tmp_path: Path, length: int) -> None:
    drawn(tmp_path)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:length] + bytes(max(0, len(whole) - length)) if length < len(whole) else bytes(length))
    assert drawn(tmp_path) == ("Hello &lt;Anna&gt;", 1)
    assert kept.read_bytes() == whole


def test_a_page_is_shown_where_nothing_can_be_kept(tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.write_text("in the way")
    assert drawn(nowhere) == ("Hello &lt;Anna&gt;", 1)
    assert drawn(nowhere / "below") == ("Hello &lt;Anna&gt;", 1)
