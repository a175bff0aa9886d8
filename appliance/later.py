"""Modules that a small process imports without ever using them.

``dataclasses`` imports ``inspect`` to describe classes that have no docstring, and with it Python's parser and
disassembler: 1.6 MiB in each process that is always there, for nothing.
"""

import importlib
import sys
import threading
from types import ModuleType
from typing import Any

_making_way = threading.Lock()  # two threads may ask for the first time at once


class Later(ModuleType):
    """Stands in for a module until somebody asks it for anything; from then on the real one answers.

    Not ``importlib.util.LazyLoader``: before Python 3.12 a second ``import`` of the same name already loads it.
    """

    def __getattr__(self, name: str) -> Any:
        """Load the real one, and let it answer from now on."""
        with _making_way:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def put_off(name: str) -> None:
    """Load a module when it is first used; nothing to do when it is loaded."""
    sys.modules.setdefault(name, Later(name))
