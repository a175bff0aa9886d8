"""Gather every sentence of the project and bring the catalogues up to date.

    python -m console.translations.catalogue update     new sentences into every messages.po
    python -m console.translations.catalogue compile    messages.po -> messages.mo, what the console reads

Sentences stand in Python (``N_``, ``gettext``, …), in templates (``_()``) and in ``plugin.toml`` (titles, help).
"""

import argparse
import ast
import tomllib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
METHODS = [
    ("**/vendor/**", "ignore"),
    ("**.py", "python"),
    ("**/templates/**.html", "jinja2"),
    ("**/plugin.toml", "console.translations.catalogue:sentences_of_plugin"),
]
KEYWORDS = DEFAULT_KEYWORDS | {"N_": None, "lazy_gettext": None, "lazy_ngettext": (1, 2)}


def sentences_of_plugin(
    source: IO[bytes], keywords: Any, comment_tags: Any, options: Any
) -> Iterator[tuple[int, str, str, list[str]]]:
    """What a person reads of a ``plugin.toml``: an extraction method as Babel calls it."""
    facts = tomllib.load(BytesIO(source.read()))
    words = [facts.get("title", ""), facts.get("description", "")]
    for option in facts.get("options", {}).values():
        words += [option.get("title", ""), option.get("help", ""), *option.get("choices", ())]
    for sentence in words:
        if sentence:
            yield 1, "gettext", sentence, []


def extract() -> Catalog:
    """Every sentence there is, with the files it stands in."""
    catalogue = Catalog(project="Everpx", charset="utf-8", fuzzy=False)
    for folder in ("appliance", "console", "plugins"):
        options = {"**/templates/**.html": {"extensions": "jinja2.ext.i18n", "silent": "false"}}
        for name, _, message, comments, context in extract_from_dir(
            ROOT / folder, METHODS, options_map=options, keywords=KEYWORDS
        ):
            catalogue.add(message, None, [(f"{folder}/{name}", 0)], auto_comments=comments, context=context)
        for name, noun in _nouns(ROOT / folder):
            catalogue.add(noun, None, [(name, 0)])
    return catalogue


def _nouns(folder: Path) -> Iterator[tuple[str, str]]:
    """What can be missing: the ``what`` of every ``NotFound``."""
    for module in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("NotFound"):
                for given in node.keywords:
                    if given.arg == "what" and isinstance(given.value, ast.Constant):
                        yield str(module.relative_to(ROOT)), str(given.value.value)


def read(po: Path) -> Catalog:
    """A language's catalogue."""
    with po.open("rb") as source:
        return read_po(source, locale=po.parent.parent.name)


def catalogues() -> list[Path]:
    """The ``messages.po`` of every language."""
    return sorted(HERE.glob("*/LC_MESSAGES/messages.po"))


def update() -> None:
    """New sentences come in empty, those that are gone leave; nothing is guessed."""
    every = extract()
    for po in catalogues():
        known = read(po)
        made = known.creation_date
        known.update(every, no_fuzzy_matching=True)
        known.creation_date = made  # an update without news leaves the file as it is
        known.obsolete.clear()
        with po.open("wb") as out:
            write_po(out, known, width=120, sort_output=True, include_lineno=False)


def compile_all() -> None:
    """What the console reads at its start."""
    for po in catalogues():
        with po.with_suffix(".mo").open("wb") as out:
            write_mo(out, read(po))


def main() -> None:
    """Do what the one argument says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["update", "compile"])
    {"update": update, "compile": compile_all}[parser.parse_args().what]()


if __name__ == "__main__":
    main()
