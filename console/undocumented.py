"""Functions without their docstrings: nobody reads them in a served console, and they are 3 of its 54 MiB.

Like ``python -OO``, but asserts stay, and no second set of compiled files has to be made and kept.
"""

import sys
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from opcode import hasconst
from types import CodeType

INSTEAD = "."  # not None: SQLAlchemy adds notes to some docstrings and insists that they are there
LOADS_OF_THE_FIRST = tuple(bytes((operation, 0)) for operation in hasconst if operation < 256)


class Loader(SourceFileLoader):
    """Loads a module as usual, and lets go of what its functions say about themselves."""

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, from its compiled file if there is one."""
        code = super().get_code(fullname)
        return None if code is None else without_docstrings(code)


def without_docstrings(code: CodeType) -> CodeType:
    """The same program; a docstring is a first constant that is text and that no instruction loads."""
    constants = [without_docstrings(one) if isinstance(one, CodeType) else one for one in code.co_consts]
    if constants and isinstance(constants[0], str) and not any(load in code.co_code for load in LOADS_OF_THE_FIRST):
        constants[0] = INSTEAD
    if all(new is old for new, old in zip(constants, code.co_consts, strict=True)):
        return code
    return code.replace(co_consts=tuple(constants))


def install() -> None:
    """Everything that is imported from now on is loaded so."""
    ours = FileFinder.path_hook((ExtensionFileLoader, EXTENSION_SUFFIXES), (Loader, SOURCE_SUFFIXES))
    sys.path_hooks.insert(0, ours)
    sys.path_importer_cache.clear()
