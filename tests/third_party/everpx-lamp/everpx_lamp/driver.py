"""The relay as a way to switch a drive."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.drives.models import Drive
from appliance.drives.switches import Circuit, Means, PowerDriver
from appliance.words import N_, Message
from everpx_lamp import relay, service


class RelayDriver(PowerDriver):
    """One relay, one drive (or one hub)."""

    name = "lamp"
    title = N_("A relay in the network")

    def on(self, drive: Drive, means: Means) -> None:
        """Close it."""
        self._switch(means, True)

    def off(self, drive: Drive, means: Means) -> None:
        """Open it, proven by what it answers."""
        self._switch(means, False)

    def is_on(self, drive: Drive, means: Means) -> bool | None:
        """As it answers."""
        with means.db.reading() as session:
            return relay.is_on(service.address(session))

    def circuit(self, drive: Drive, means: Means) -> Circuit | None:
        """Every drive that was told to hang on it."""
        with means.db.reading() as session:
            drives = session.scalars(select(Drive.id).where(Drive.power_driver == self.name))
            return Circuit("lamp-relay", frozenset(drives))

    def patience(self, drive: Drive, means: Means) -> float:
        """A disk takes its time."""
        return 60

    def refuses(self, session: Session, drive: Drive) -> Message | None:
        """Without an address there is no relay."""
        return None if service.address(session) else Message(N_("Say first where the relay is."))

    def _switch(self, means: Means, on: bool) -> None:
        with means.db.reading() as session:
            where = service.address(session)
        relay.switch(where, on)
        service.note_switching(means.places)
