"""Telling how far a build is, and how long each step took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Steps, told when they begin and with their time when they end."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step; its time is told also when it fails."""
        began = time.monotonic()
        print(f"== {name} …", file=sys.stderr, flush=True)
        try:
            yield
        finally:
            self.took[name] = time.monotonic() - began
            print(f"   {name}: {self.took[name]:.1f} s", file=sys.stderr, flush=True)

    def table(self) -> str:
        """All steps and the whole."""
        lines = [f"{seconds:8.1f} s  {name}" for name, seconds in self.took.items()]
        return "\n".join([*lines, f"{sum(self.took.values()):8.1f} s  together"])
