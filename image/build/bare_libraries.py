"""Write the compiled files of libraries without docstrings: ``python bare_libraries.py FOLDER…``.

Run by the Python that will load them, with the appliance's packages at hand, since it is the console's own way.
"""

import marshal
import sys
from pathlib import Path

from console.undocumented import LIBRARIES, without_docstrings

HEADER = 16  # bytes ahead of the code


def rewrite(folder: Path) -> None:
    """Take them out of whatever libraries lie in this folder."""
    for path in sorted(folder.rglob("*.pyc")):
        top = path.relative_to(folder).parts[0]
        if (path.name.partition(".")[0] if top == "__pycache__" else top) in LIBRARIES:
            content = path.read_bytes()
            code = without_docstrings(marshal.loads(content[HEADER:]))
            path.write_bytes(content[:HEADER] + marshal.dumps(code))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        rewrite(Path(name))
