"""What the front door's configuration may and may not contain."""

from pathlib import Path

import pytest

from appliance.web.nginx import Shelf, Site, quoted, render

HOT_1, HOT_12 = (Shelf(tag, Path("/run/everpx/drives") / tag, uploads=True) for tag in ("HOT-1", "HOT-12"))


def site(**given: object) -> Site:
    here = {"run": Path("/run/everpx"), "static": Path("/app/static"), "pages": Path("/app/pages")}
    return Site(**(here | given))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ['/a"; load_module x; "', "/a\nb", "/a$host", "/a\\b", "relative"])
def test_a_path_that_nginx_could_misread_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        quoted(Path(path))
    with pytest.raises(ValueError, match="path"):
        render(site(static=Path(path)))


@pytest.mark.parametrize("tag", ["WARM-1", "HOT-0", "HOT-1/../..", "HOT-1; ", "HOT-", "hot-1", "HOT-99999999"])
def test_only_the_tag_of_a_drive_gets_a_door(tag: str) -> None:
    with pytest.raises(ValueError, match="not a drive"):
        Shelf(tag, Path("/run/everpx/drives/x"))


def test_every_way_to_the_console_sets_or_blanks_what_the_console_trusts() -> None:
    text = render(site(shelves=(HOT_1, HOT_12)))
    ways = text.count("proxy_pass http://console;")
    for header in ("X-Everpx-Body-File", "X-Everpx-Front", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"):
        assert text.count(f"proxy_set_header {header} ") == ways
    assert text.count("X-Everpx-Body-File $request_body_file;") == 5  # two drives; PUT, and two ways for devices
    assert text.count("auth_request /internal/upload-allowed;") == 5


def test_without_a_hot_drive_nothing_is_spooled() -> None:
    text = render(site(shelves=(Shelf("COLD-1", Path("/run/everpx/drives/COLD-1")),)))
    assert "client_body_in_file_only" not in text
    assert "$request_body_file" not in text


def test_nothing_in_it_is_run_as_somebody_else_or_loaded() -> None:
    text = render(site(shelves=(HOT_1,)))
    assert "load_module" not in text
    assert "\nuser " not in text
