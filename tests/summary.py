"""One table of all floors, from what ``run-tests.sh`` left in its report folder."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

SLOWEST = 10  # a floor; so that growth is seen before it hurts


def main() -> None:
    """Print how each floor went, the names of what failed or was skipped and why, and what took longest."""
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
        for case in sorted(cases, key=seconds, reverse=True)[:SLOWEST]:
            print(f"  {seconds(case):6.1f} s  {case.get('classname')}::{case.get('name')}")


def seconds(case: ElementTree.Element) -> float:
    """How long a test took, with what it set up and took down."""
    return float(case.get("time") or 0)


if __name__ == "__main__":
    main()
