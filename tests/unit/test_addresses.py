"""Addresses that are put together late are the same, and none is put together before somebody asks."""

import pytest
from flask import Flask, url_for
from werkzeug.routing import Map, Rule

from console.addresses import LateRule

SHAPES = ("/", "/photos/<int:media_id>/", "/files/<path:name>", "/a b/<one>/é/<int:two>", "/fixed/<int:page>")


def built(kind: type[Rule]) -> list[str]:
    rules = [kind(shape, endpoint=shape, defaults={"page": 1} if "fixed" in shape else None) for shape in SHAPES]
    adapter = Map(rules).bind("station")
    values = {"media_id": 7, "name": "a/b ü.jpg", "one": "x/y", "two": 2, "page": 1, "rule": "said", "self": "too"}
    return [adapter.build(shape, values, append_unknown=unknown) for shape in SHAPES for unknown in (True, False)]


def test_they_are_werkzeugs() -> None:
    assert built(LateRule) == built(Rule)


def test_none_is_put_together_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    as_it_was = Rule._compile_builder

    def noted(self: Rule, append_unknown: bool = True) -> object:
        asked.append(self.rule)
        return as_it_was(self, append_unknown)

    monkeypatch.setattr(Rule, "_compile_builder", noted)
    app = Flask("test", static_folder=None)
    app.url_rule_class = LateRule
    for name in ("one", "two"):
        app.add_url_rule(f"/{name}", name, str)
    assert asked == []
    with app.test_request_context():
        assert [url_for("two"), url_for("two")] == ["/two", "/two"]
    assert asked == ["/two"], "once, and nobody else's"
