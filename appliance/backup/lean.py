"""Keeping a job small, however many files there are: a station may have 1 GB for everything."""

import ctypes
from typing import Any

from sqlalchemy import event

from appliance.db import Database

M_ARENA_MAX = -8  # malloc.h
ARENAS = 1  # memory pools of the C library; else it makes one for each thread, and keeps it
CACHE_KB = 1500  # of SQLite, per connection; the kernel caches the file as well


def stay_small(db: Database) -> None:
    """Bound what threads and connections keep for themselves; call before they exist."""
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    if not event.contains(db.engine, "connect", _small_cache):
        event.listen(db.engine, "connect", _small_cache)
        db.engine.dispose()


def _small_cache(connection: Any, _record: Any) -> None:
    connection.execute(f"PRAGMA cache_size=-{CACHE_KB}")
