"""``python -m appliance.backup.head_start appliance.jobs.runner 42``: the runner, while HOT is being listed already.

Importing the database layer takes as long as half the listing of a hundred thousand files.  Standard library only
until the listing is under way.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.drives import records
from appliance.library import scan
from appliance.places import places


def begin() -> None:
    """List the first HOT drive that is here; a run that does not want it lets go of it."""
    mounts = places().mounts
    hots = [record for record in records.all_records(mounts) if record.tag.startswith("HOT-")]
    for record in sorted(hots, key=lambda record: int(record.tag.removeprefix("HOT-"))):
        if record.is_live(mounts):
            scan.begin(Path(record.path))
            return


@contextmanager
def importing() -> Iterator[None]:
    """Import without looking for garbage again and again: what is imported stays, and is never looked at later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def main() -> None:
    """Begin, then do what the runner does."""
    begin()
    with importing():
        from appliance.backup import jobs as _jobs  # noqa: F401
        from appliance.jobs import runner

    try:
        runner.main()
    finally:
        scan.forget()


if __name__ == "__main__":
    main()
