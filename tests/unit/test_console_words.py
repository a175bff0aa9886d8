"""Every sentence in every language: gathered, translated, with its fields; and no English left on a Chinese page."""

import re
import string
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from flask import Flask

from appliance.db import Database
from appliance.people import service
from console.translations import catalogue
from tests.browsers import Browser
from tests.english import english
from tests.unit.test_console_routes import _address, _routes, every_plugin, world  # noqa: F401  (a fixture)

PERCENT_FIELD = re.compile(r"%\(\w+\)s")


@pytest.fixture(scope="module")
def gathered() -> Catalog:
    """Every sentence that stands anywhere in the project."""
    return catalogue.extract()


def parts(message: Message) -> tuple[list[str], list[str]]:
    """A message's forms, and its translation's."""
    ids = [message.id] if isinstance(message.id, str) else list(message.id)
    words = [message.string] if isinstance(message.string, str) else list(message.string or ())
    return ids, words


def fields(sentence: str) -> set[str]:
    """The ``{fields}`` and ``%(fields)s`` of a sentence."""
    named = set(PERCENT_FIELD.findall(sentence))
    try:
        return named | {f"{{{name}}}" for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}
    except ValueError:
        return named | {sentence}  # a brace that belongs to nothing


@pytest.mark.parametrize("po", catalogue.catalogues(), ids=lambda po: po.parent.parent.name)
def test_every_sentence_is_translated_and_none_is_left_over(po: Path, gathered: Catalog) -> None:
    known = catalogue.read(po)
    wanted, there = {m.id for m in gathered if m.id}, {m.id for m in known if m.id}
    assert wanted - there == set(), "run: python -m console.translations.catalogue update"
    assert there - wanted == set(), "run: python -m console.translations.catalogue update"
    assert [m.id for m in known if m.id and not all(parts(m)[1])] == []
    assert [m.id for m in known if m.id and m.fuzzy] == []


@pytest.mark.parametrize("po", catalogue.catalogues(), ids=lambda po: po.parent.parent.name)
def test_a_translation_has_the_fields_of_its_sentence(po: Path) -> None:
    wrong = {}
    for message in catalogue.read(po):
        ids, words = parts(message)
        if message.id and any(fields(word) != fields(ids[-1]) for word in words):
            wrong[ids[0]] = words
    assert wrong == {}


def test_every_sentence_names_its_fields(gathered: Catalog) -> None:
    for message in gathered:
        for sentence in parts(message)[0]:
            unnamed = [name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None and not name]
            assert unnamed == [] and not re.search(r"%[sd]", sentence), sentence


def test_sentences_are_calm_and_plain(gathered: Catalog) -> None:
    loud = re.compile(r"!|\b(mount|unmount|rsync|inode|sync failed|daemon|stack trace)\b", re.IGNORECASE)
    assert [message.id for message in gathered if message.id and loud.search(parts(message)[0][0])] == []


def test_no_page_has_an_english_sentence_left_in_chinese(app: Flask, db: Database, world: dict[str, Browser]) -> None:  # noqa: F811
    catalogue.compile_all()
    with db.writing() as session:
        service.get(session, 1).language = "zh"
    left = {}
    for route in _routes(app):
        method, path = route.split(" ", 1)
        if method != "GET" or path.startswith(("/api/", "/static/", "/live", "/internal", "/metrics")):
            continue
        answer = world["admin"].get(_address(path))
        is_page = answer.mimetype == "text/html" and answer.status_code not in (302, 303)
        if is_page and (found := english(answer.text)):
            left[path] = found
        answer.close()
    assert left == {}, "\n".join(f"{path}: {found}" for path, found in left.items())


def test_the_browsers_language_counts_until_somebody_chooses(app: Flask, world: dict[str, Browser]) -> None:  # noqa: F811
    catalogue.compile_all()
    stranger = app.test_client()
    assert "Who is it?" in stranger.get("/sign-in", headers={"Accept-Language": "fr, en;q=0.5"}).text
    assert "您是哪一位？" in stranger.get("/sign-in", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).text
    world["member"].post("/account/language", language="zh")
    page = world["member"].get("/account").text
    assert 'lang="zh-Hans"' in page and "您登录的地方" in page
