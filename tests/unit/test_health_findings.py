"""Every finding explains itself and ends in a button or in steps; none is without a test that injects its cause."""

import ast
import importlib
from pathlib import Path

import pytest

from appliance.health import service
from appliance.health.guides import GUIDES
from tests import finding_codes

COMPONENT = Path(__file__).parents[1] / "component"


def test_every_finding_says_what_can_be_done_about_it() -> None:
    for one in finding_codes.raised():
        assert one.given >= {"code", "severity", "message", "hint"}, one.where
        assert one.given & {"fix", "guide"}, f"{one.where}: neither a button nor steps"


def test_every_button_and_every_guide_that_the_source_names_is_there() -> None:
    _import_all()
    buttons, guides = finding_codes.named("fix"), finding_codes.named("guide")
    assert buttons <= set(service.FIXES), buttons - set(service.FIXES)
    assert guides == set(GUIDES), guides ^ set(GUIDES)  # and no guide is without a finding


@pytest.mark.parametrize("name", sorted(finding_codes.named("guide")))
def test_a_guide_has_a_few_steps_and_a_button_to_its_page(name: str) -> None:
    _import_all()
    guide = GUIDES[name]
    assert 2 <= len(guide.steps) <= 5 and all(step.endswith((".", "?", "”.")) for step in guide.steps)
    assert bool(guide.page) == bool(guide.opens)


def test_every_finding_is_shown_and_cleared_by_a_test_with_a_real_cause() -> None:
    """``@pytest.mark.finding(code, …)`` or a row ``@finding(code, …)``: behind both it must be seen, and seen going."""
    injected = {code for path in COMPONENT.rglob("*.py") for code in _marked(path)}
    assert injected == finding_codes.codes(), injected ^ finding_codes.codes()


def _import_all() -> None:
    """Importing declares buttons and guides."""
    for one in finding_codes.raised():
        importlib.import_module(one.where.partition(".py")[0].replace("/", "."))


def _marked(path: Path) -> set[str]:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    marks = [call for call in calls if finding_codes.name_of(call.func) == "finding"]
    return {word.value for call in marks for word in call.args if isinstance(word, ast.Constant)}
