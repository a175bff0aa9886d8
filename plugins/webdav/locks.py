"""Locks that outlive a restart: kept in memory, written through to their table.

There is one console process, so memory is the truth and the table its copy.
"""

import threading
import time
from typing import Any

from sqlalchemy import delete, select
from wsgidav.lock_man.lock_manager import generate_lock_token, normalize_lock_root

from appliance.db import Database
from plugins.webdav.models import WebdavLock

LONGEST_S = 7 * 24 * 3600.0
MOST = 10_000
Lock = dict[str, Any]


class TooManyLocks(Exception):
    """Nobody needs so many."""


class Locks:
    """What wsgidav's lock manager asks of a storage."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._turn = threading.RLock()
        self._locks: dict[str, Lock] = {}

    def open(self) -> None:
        """Read what an earlier process has kept."""
        with self._turn, self._db.reading() as session:
            for row in session.scalars(select(WebdavLock).where(WebdavLock.expire > time.time())):
                self._locks[row.token] = {
                    "token": row.token,
                    "root": row.root,
                    "principal": row.principal,
                    "type": "write",
                    "scope": row.scope,
                    "depth": row.depth,
                    "owner": row.owner,
                    "timeout": row.timeout,
                    "expire": row.expire,
                }

    def close(self) -> None:
        """There is nothing to let go of."""

    def get(self, token: str) -> Lock | None:
        """A lock that still holds."""
        with self._turn:
            lock = self._locks.get(token)
            if lock is not None and lock["expire"] < time.time():
                self.delete(token)
                return None
            return lock

    def create(self, path: str, lock: Lock) -> Lock:
        """Keep a new lock; it gets its token, its root and its end."""
        with self._turn:
            if len(self._locks) >= MOST:
                raise TooManyLocks
            timeout = float(lock["timeout"])
            lock["timeout"] = LONGEST_S if timeout < 0 else min(timeout, LONGEST_S)
            lock["root"] = normalize_lock_root(path)
            lock["expire"] = time.time() + lock["timeout"]
            lock["token"] = generate_lock_token()
            self._locks[lock["token"]] = lock
            self._write(lock)
            return lock

    def refresh(self, token: str, *, timeout: float) -> Lock:
        """A lock holds longer."""
        with self._turn:
            lock = self._locks[token]
            lock["timeout"] = LONGEST_S if timeout < 0 else min(timeout, LONGEST_S)
            lock["expire"] = time.time() + lock["timeout"]
            self._write(lock)
            return lock

    def delete(self, token: str) -> bool:
        """A lock is given back."""
        with self._turn:
            if self._locks.pop(token, None) is None:
                return False
            with self._db.writing() as session:
                session.execute(delete(WebdavLock).where(WebdavLock.token == token))
            return True

    def get_lock_list(
        self, path: str, *, include_root: bool, include_children: bool, token_only: bool
    ) -> list[Lock] | list[str]:
        """The locks on a path, and on what is below it."""
        root = normalize_lock_root(path)
        below = root.rstrip("/") + "/"
        with self._turn:
            found = [
                lock
                for lock in map(self.get, list(self._locks))
                if lock is not None
                and ((include_root and lock["root"] == root) or (include_children and lock["root"].startswith(below)))
            ]
        return [lock["token"] for lock in found] if token_only else found

    def _write(self, lock: Lock) -> None:
        owner = lock["owner"] or b""
        with self._db.writing() as session:
            session.merge(
                WebdavLock(
                    token=lock["token"],
                    root=lock["root"],
                    principal=lock["principal"],
                    scope=lock["scope"],
                    depth=lock["depth"],
                    owner=owner if isinstance(owner, bytes) else owner.encode(),
                    timeout=lock["timeout"],
                    expire=lock["expire"],
                )
            )
