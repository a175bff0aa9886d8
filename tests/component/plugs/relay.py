"""What is inside every emulated plug: a relay, a meter, and the ways in which they fail."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Relay:
    """``plug`` and ``pull`` are what the relay does to the drive that hangs on it."""

    plug: Callable[[], object] = lambda: None
    pull: Callable[[], object] = lambda: None
    on: bool = False
    draws: float = 6.4  # watts, while it is on
    draws_off: float = 0.0
    start_s: float = 0.0  # how long the drive takes until it is here
    stuck: bool = False  # takes orders, says so, does nothing, and shows the old state
    lies: bool = False  # shows what was ordered, and does nothing
    counter_wh: float = 1000.0
    switched: list[bool] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    shown: bool | None = None  # of a liar
    since: float = field(default_factory=time.monotonic)

    def order(self, on: bool) -> None:
        """As the plug's radio hears it."""
        with self.lock:
            self.switched.append(on)
            if self.stuck:
                return
            if self.lies:
                self.shown = on
                return
            self.turn(on)

    def turn(self, on: bool) -> None:
        """As by the button on it, or by itself."""
        with self.lock:
            if on is self.on:
                return
            self._count()
            self.on, self.shown = on, None
            if not on:
                self.pull()
            elif self.start_s:
                threading.Timer(self.start_s, self._late).start()
            else:
                self.plug()

    def _late(self) -> None:
        with self.lock:
            if self.on:
                self.plug()

    def _count(self) -> None:
        moment = time.monotonic()
        self.counter_wh += (self.draws if self.on else self.draws_off) * (moment - self.since) / 3600
        self.since = moment

    @property
    def says_on(self) -> bool:
        """What it tells."""
        return self.on if self.shown is None else self.shown

    @property
    def watts(self) -> float:
        """What really goes through."""
        return self.draws if self.on else self.draws_off

    @property
    def wh(self) -> float:
        """What went through so far."""
        with self.lock:
            self._count()
            return self.counter_wh
