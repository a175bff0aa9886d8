"""One delivery leaves the house, by whichever way its channel goes."""

import json
from dataclasses import dataclass

from appliance import reach, sealed
from appliance.people.models import Role
from appliance.places import Places
from appliance.words import N_
from console.translations.speaking import Speaker
from plugins.notify import failures, mail, web, writing
from plugins.notify.failures import NotDelivered
from plugins.notify.models import NotifyStation
from plugins.notify.outbox import Envelope
from plugins.notify.service import LANGUAGE, PURPOSE
from plugins.notify.texts import Text

WHOLE_WITHIN_S = 60.0  # one delivery, whatever the other side does


@dataclass(frozen=True)
class Sender:
    """What does not change during one round."""

    places: Places
    station: NotifyStation | None
    station_id: str

    def send(self, envelope: Envelope) -> None:
        """Raises NotDelivered."""
        stored = sealed.unseal(self.places, PURPOSE, envelope.channel.sealed)
        if stored is None:
            raise NotDelivered(N_("The address was kept on another memory card. Enter it again."), slow=True)
        given: dict[str, str] = json.loads(stored)
        speaker = Speaker(envelope.user.language or given.get(LANGUAGE, ""))
        text = Text.from_json(envelope.delivery.content)
        member = envelope.user.role is not Role.ADMIN

        def work() -> None:
            # the station's own mail server may stand at home: an admin named it
            with reach.outside(public_only=member and envelope.channel.kind != "mail"):
                self._hand_over(envelope, given, text, speaker)

        failures.within(WHOLE_WITHIN_S, work, envelope.channel.shown)

    def _hand_over(self, envelope: Envelope, given: dict[str, str], text: Text, speaker: Speaker) -> None:
        written = writing.write(text, speaker)
        number = f"{envelope.delivery.id}.{envelope.delivery.created:%Y%m%d%H%M%S}"
        match envelope.channel.kind:
            case "mail":
                server = self.mail_server()
                known = f"<{number}@{self.station_id}.everpx>"
                mail.send(server, mail.compose(server, given["address"], written, known))
            case "webhook":
                web.webhook(given["address"], given["secret"], self._for_programs(envelope, text, speaker), number)
            case way:
                from plugins.notify import services

                body = writing.short(text, speaker)
                services.send(way, given, envelope.delivery.severity, written.subject, body)

    def mail_server(self) -> mail.Server:
        """Raises NotDelivered when there is none, or its password was kept on another card."""
        if self.station is None or self.station.mail is None:
            template = N_("The station has no mail server yet. An admin can enter one under Messages.")
            raise NotDelivered(template, slow=True)
        stored = sealed.unseal(self.places, PURPOSE, self.station.mail)
        if stored is None:
            template = N_("The mail server’s password was kept on another memory card. An admin can enter it again.")
            raise NotDelivered(template, slow=True)
        return mail.Server.from_text(stored)

    def _for_programs(self, envelope: Envelope, text: Text, speaker: Speaker) -> dict[str, object]:
        """The JSON of a webhook; README.md documents it."""
        parts = [
            {
                "head": writing.say(speaker, part.head) if part.head else "",
                "lines": [writing.say(speaker, line) for line in part.lines],
                "hint": writing.say(speaker, part.hint) if part.hint else "",
            }
            for part in text.parts
        ]
        return {
            "station": self.station_id,
            "kind": envelope.delivery.kind.value,
            "severity": envelope.delivery.severity.value,
            "subject": writing.say(speaker, text.subject),
            "parts": parts,
        }
