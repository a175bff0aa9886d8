"""Libraries without their docstrings: nobody reads them in a served console, and they are 4 of its 58 MiB.

Like ``python -OO``, but asserts stay, no second set of compiled files has to be made and kept, and our own docstrings,
which describe the API, stay too.

An image's build does this once, for every process (``image/build/bare_libraries.py``).  Elsewhere the libraries are not
ours to change, and it is done while the console loads them.
"""

import opcode
import sys
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from opcode import hasconst, opmap
from types import CodeType

LIBRARIES = sys.stdlib_module_names | {
    *("sqlalchemy", "flask", "werkzeug", "jinja2", "click", "babel", "gunicorn", "pluggy", "itsdangerous", "blinker"),
    *("flask_login", "flask_wtf", "flask_babel", "wtforms", "pytz", "psutil", "typing_extensions"),
}
INSTEAD = "."  # not None: SQLAlchemy adds notes to some docstrings and insists that they are there
LOADS = tuple(operation for operation in hasconst if operation < 256)


class Loader(SourceFileLoader):
    """Loads a module as usual, but lets go of what a library says about itself."""

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, from its compiled file if there is one."""
        code = super().get_code(fullname)
        return code if code is None or fullname.partition(".")[0] not in LIBRARIES else without_docstrings(code)


def without_docstrings(code: CodeType) -> CodeType:
    """The same program, with next to nothing as ``__doc__``."""
    constants = [without_docstrings(one) if isinstance(one, CodeType) else one for one in code.co_consts]
    place = _of_function(code)
    if place is None:
        place = _of_class(code)
    if place is not None:
        constants[place] = INSTEAD
    if all(new is old for new, old in zip(constants, code.co_consts, strict=True)):
        return code
    return code.replace(co_consts=tuple(constants))


def _of_function(code: CodeType) -> int | None:
    """Where a function's docstring is: the first constant, when it is text and no instruction loads it."""
    found = code.co_consts and isinstance(code.co_consts[0], str) and not _loads(code, 0)
    return 0 if found else None


def _of_class(code: CodeType) -> int | None:
    """Where a class's or a module's docstring is: the text that is loaded once, to be stored as ``__doc__``."""
    if "__doc__" not in code.co_names or (name := code.co_names.index("__doc__")) > 255:
        return None
    program = code.co_code
    store = program.find(bytes((opmap["STORE_NAME"], name)))
    if (
        store < 2
        or store % 2
        or program[store - 2] != opmap["LOAD_CONST"]
        or opmap["EXTENDED_ARG"] in program[:store:2]
    ):
        return None
    place = program[store - 1]
    return place if isinstance(code.co_consts[place], str) and _loads(code, place) == 1 else None


def _loads(code: CodeType, place: int) -> int:
    """How often a constant is loaded, rather one too many than one too few."""
    return sum(code.co_code.count(bytes((operation, place))) for operation in LOADS)


def install() -> None:
    """Everything that is imported from now on is loaded so, unless it was written so."""
    if opcode.__doc__ == INSTEAD:
        return
    ours = FileFinder.path_hook((ExtensionFileLoader, EXTENSION_SUFFIXES), (Loader, SOURCE_SUFFIXES))
    sys.path_hooks.insert(0, ours)
    sys.path_importer_cache.clear()
