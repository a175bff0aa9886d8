"""Loading without docstrings changes nothing that a program does."""

import dis
import importlib.util
import marshal
import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from console import undocumented
from console.undocumented import INSTEAD, without_docstrings
from image.build import bare_libraries

PROGRAM = '''
def documented(a, b="x"):
    """What it does."""
    def inner():
        """Inside."""
        return "Inside."
    return [a, b, "y", inner()]

def plain():
    return "text"

def only_text():
    """the same"""
    return "the same"

class Thing:
    """A class."""
    name = "thing"
    def method(self):
        """A method."""
        return ["z" for _ in range(2)], (lambda: "l")(), list("g" for _ in range(1))

class Other:
    """other"""
    name = "other"
'''


def test_functions_lose_what_they_say_and_do_the_same() -> None:
    before: dict[str, object] = {}
    after: dict[str, object] = {}
    code = compile(PROGRAM, "program", "exec")
    exec(code, before)
    exec(without_docstrings(code), after)
    for name in ("documented", "plain", "only_text"):
        arguments = (1,) if name == "documented" else ()
        assert after[name](*arguments) == before[name](*arguments)  # type: ignore[operator]
    assert after["Thing"]().method() == before["Thing"]().method()  # type: ignore[operator]
    assert (after["documented"].__doc__, after["Thing"].method.__doc__) == (INSTEAD, INSTEAD)  # type: ignore[attr-defined]
    assert after["Thing"].__doc__ == INSTEAD  # type: ignore[attr-defined]
    assert after["Other"].__doc__ == after["Other"].name == "other"  # type: ignore[attr-defined]
    assert after["plain"].__doc__ is None
    assert after["only_text"].__doc__ == "the same"  # its text is loaded, so it stays


@pytest.mark.parametrize(
    "module", ["argparse", "typing", "sqlalchemy.orm.session", "sqlalchemy.sql.compiler", "flask.app"]
)
def test_every_instruction_of_a_real_module_means_the_same(module: str) -> None:
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    code = compile(Path(spec.origin).read_bytes(), spec.origin, "exec")
    changed = 0
    for old, new in zip(walk(code), walk(without_docstrings(code)), strict=True):
        assert old.co_code == new.co_code
        assert as_documented(list(loaded(old))) == as_documented(list(loaded(new)))
        changed += old.co_consts[:1] != new.co_consts[:1] and new.co_consts[0] == INSTEAD
    assert changed > 2


def walk(code: CodeType) -> Iterator[CodeType]:
    """A code object and everything in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from walk(constant)


def loaded(code: CodeType) -> Iterator[tuple[str, object]]:
    """Each instruction with its plain constant."""
    for step in dis.get_instructions(code):
        yield step.opname, None if isinstance(step.argval, CodeType) else step.argval


def as_documented(steps: list[tuple[str, object]]) -> list[tuple[str, object]]:
    """Without what is stored as ``__doc__``."""
    stored = {number - 1 for number, step in enumerate(steps) if step == ("STORE_NAME", "__doc__")}
    return [step for number, step in enumerate(steps) if number not in stored]


def test_an_image_has_its_libraries_written_so(tmp_path: Path) -> None:
    """A library's module and package, and what is no library's, compiled as the build compiles."""
    for name in ("json/decoder.py", "typing.py", "appliance/words.py"):
        source = tmp_path / name
        source.parent.mkdir(exist_ok=True)
        source.write_text(f'"""What it is."""\n{PROGRAM}')
        py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    bare_libraries.rewrite(tmp_path)
    said = {}
    for path in tmp_path.rglob("*.pyc"):
        room: dict[str, object] = {}
        exec(marshal.loads(path.read_bytes()[bare_libraries.HEADER :]), room)
        said[path.name.partition(".")[0]] = room["__doc__"], room["documented"].__doc__, room["plain"]()  # type: ignore[operator]
    assert said["decoder"] == said["typing"] == (INSTEAD, INSTEAD, "text")
    assert said["words"] == ("What it is.", "What it does.", "text")
    spec = importlib.util.spec_from_file_location("one", tmp_path / "typing.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    assert loaded.__doc__ == INSTEAD, "Python takes the file as it takes any that it wrote itself"


def test_what_was_written_so_is_loaded_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [*sys.path_hooks]
    monkeypatch.setattr(sys, "path_hooks", [*before])
    monkeypatch.setattr(undocumented.opcode, "__doc__", INSTEAD)
    undocumented.install()
    assert sys.path_hooks == before
    monkeypatch.setattr(undocumented.opcode, "__doc__", "as Python comes")
    undocumented.install()
    assert sys.path_hooks[1:] == before
