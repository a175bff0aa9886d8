"""What root's side of a plugin may import: the standard library, and of Everpx what root's daemon is made of.

It keeps a plugin from carrying a web server or a database into root's process unawares; it is no wall against somebody
who means harm, since whatever root imports may do anything.  Ours are held to it by a test, a stranger's when loaded.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

#: ``upgrade`` is root's own record and what it tells the loader; the part that checks signatures loads a library, which
#: a process of its own does
FOR_ROOT = ("appliance.broker", "appliance.errors", "appliance.words", "appliance.durable", "appliance.upgrade")


def forbidden(package: str, folder: Path, part: str = "privileged") -> str:
    """The first import, of a module or of those beside it that it imports, which root may not have; "" for none."""
    waiting, seen = ["__init__", part], set[str]()
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        for name in imported(folder / f"{here}.py", package):
            beside = name.removeprefix(package).strip(".").partition(".")[0]
            if name.startswith(f"{package}.") and (folder / f"{beside}.py").exists():
                waiting.append(beside)
            elif name != package and not _is_allowed(name):
                return name
    return ""


def imported(path: Path, package: str) -> Iterator[str]:
    """Every module that a file imports, at its top or later, by its whole name.  Raises SyntaxError."""
    for node in ast.walk(ast.parse(path.read_bytes(), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{package}.{node.module or ''}".rstrip(".") if node.level else node.module or ""
            yield module
            if module == package:  # ``from . import words``: the modules beside it
                yield from (f"{module}.{alias.name}" for alias in node.names)


def _is_allowed(name: str) -> bool:
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names or any(name == one or name.startswith(f"{one}.") for one in FOR_ROOT)
