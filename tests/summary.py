"""One table of all floors, from what ``run-tests.sh`` left in its report folder."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main() -> None:
    """Print how each floor went, and the names of what failed or was skipped and why."""
    reports = Path(sys.argv[1])
    print((reports / "floors.txt").read_text())
    for report in sorted(reports.glob("*.xml")):
        cases = list(ElementTree.parse(report).iter("testcase"))
        bad = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
        skipped = [c for c in cases if c.find("skipped") is not None]
        print(f"{report.stem}: {len(cases)} tests, {len(bad)} failed, {len(skipped)} skipped")
        for case in bad:
            print(f"  failed: {case.get('classname')}::{case.get('name')}")
        for why in sorted({str(c.find("skipped").get("message")) for c in skipped}):  # type: ignore[union-attr]
            print(f"  skipped: {why}")


if __name__ == "__main__":
    main()
