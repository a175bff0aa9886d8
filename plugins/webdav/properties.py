"""Properties that clients invent and want to find again ("dead" ones, RFC 4918): in memory, written through."""

import threading
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from wsgidav.dav_error import HTTP_FORBIDDEN, DAVError

from appliance.db import Database
from plugins.webdav.models import WebdavProperty

LARGEST, MOST = 16_384, 20_000  # bytes of one, and how many there may be


class Properties:
    """What wsgidav asks of a property manager; a place is a resource's reference."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._turn = threading.RLock()
        self._known: dict[str, dict[str, bytes]] = {}
        with db.reading() as session:
            for row in session.scalars(select(WebdavProperty)):
                self._known.setdefault(row.place, {})[row.name] = row.value

    def get_properties(self, place: str, environ: Any = None) -> list[str]:
        """Names."""
        with self._turn:
            return list(self._known.get(place, {}))

    def get_property(self, place: str, name: str, environ: Any = None) -> bytes | None:
        """A value, as XML."""
        with self._turn:
            return self._known.get(place, {}).get(name)

    def write_property(self, place: str, name: str, value: bytes, dry_run: bool = False, environ: Any = None) -> None:
        """Keep a value."""
        with self._turn:
            if len(value) > LARGEST or sum(map(len, self._known.values())) >= MOST:
                raise DAVError(HTTP_FORBIDDEN)
            if not dry_run:
                with self._db.writing() as session:
                    _forget(session, place, name)
                    session.add(WebdavProperty(place=place, name=name, value=value))
                self._known.setdefault(place, {})[name] = value

    def remove_property(self, place: str, name: str, dry_run: bool = False, environ: Any = None) -> None:
        """Forget a value; one that is not there is no error."""
        with self._turn:
            if not dry_run and name in self._known.get(place, {}):
                with self._db.writing() as session:
                    _forget(session, place, name)
                del self._known[place][name]

    def remove_properties(self, place: str, environ: Any = None) -> None:
        """Forget everything about a file, or a folder and what was below it."""
        with self._turn:
            for one in self._at(place):
                with self._db.writing() as session:
                    session.execute(delete(WebdavProperty).where(WebdavProperty.place == one))
                del self._known[one]

    def copy_properties(self, place: str, to: str, environ: Any = None) -> None:
        """The same for a copy."""
        with self._turn:
            for name, value in dict(self._known.get(place, {})).items():
                self.write_property(to, name, value)

    def move_properties(self, place: str, to: str, with_children: bool = True, environ: Any = None) -> None:
        """What was moved takes its properties along."""
        with self._turn:
            for one in self._at(place):
                self.copy_properties(one, to.rstrip("/") + one[len(place.rstrip("/")) :])
            self.remove_properties(place)

    def _at(self, place: str) -> list[str]:
        below = place.rstrip("/") + "/"
        return [one for one in self._known if one == place or one.startswith(below)]


def _forget(session: Session, place: str, name: str) -> None:
    session.execute(delete(WebdavProperty).where(WebdavProperty.place == place, WebdavProperty.name == name))
