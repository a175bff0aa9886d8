"""Is this the station that its drives belong to?  A card that was copied, or brought back from a backup, says it is.

Each HOT drive is asked once per start and plugging-in (:mod:`appliance.drives.meeting`), a COLD one with each copy.
"""

import contextlib
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import events
from appliance.broker.client import Broker
from appliance.drives import meeting
from appliance.drives.meeting import Doubt
from appliance.drives.models import Drive
from appliance.drives.mounts import hot_mounts
from appliance.health.guides import GUIDES, Guide
from appliance.health.models import Severity
from appliance.health.service import Check, Finding, HealthContext, fix
from appliance.places import Places
from appliance.words import N_, Message

CODES = tuple(Doubt)  # whose findings compute their code
SAID = {
    Doubt.OLDER: (
        N_("{drive} was used by this station at a later time than the station remembers."),
        N_(
            "Its card is an older copy, or there is a second card of it. Photos are safe on the drives; people, albums "
            "and settings may be old. What the drive knows of the later time is kept until you decide."
        ),
    ),
    Doubt.COPIED: (
        N_("{drive} was used by another card that says it is this station."),
        N_(
            "Somebody copied the station's card, and both are in use. Photos are safe on the drives, but only one of "
            "the two may go on, or each undoes what the other notes."
        ),
    ),
    Doubt.TAKEN: (
        N_("{drive} belongs to a newer box that took the place of this one."),
        N_("Nothing is lost. Switch this box off, or give it a new card, so that the two do not use the same drives."),
    ),
}


def same_card(context: HealthContext) -> Iterator[Finding]:
    """Drives that have met somebody else who says to be this station."""
    for mount in hot_mounts(context.session, context.places):
        if not meeting.is_asked(context.places, mount):
            with contextlib.suppress(OSError):  # it is told elsewhere that it does not answer
                meeting.meet(context.places, mount)
    for marker_id, (doubt, _) in sorted(meeting.doubts(context.places).items()):
        drive = context.session.scalar(select(Drive).where(Drive.marker_id == marker_id))
        if drive is None:
            continue
        message, hint = SAID[doubt]
        yield Finding(
            code=doubt.value,
            severity=Severity.DANGER,
            subject=f"drive:{drive.id}",
            message=Message(message, {"drive": drive.name}),
            hint=Message(hint),
            fix="station.right_one",
            guide="copied_card",
        )


@fix("station.right_one", N_("This box is the right one"))
def right_one(session: Session, broker: Broker, places: Places) -> Message:
    """This card goes on, and its drives follow it; another one is told the same when it meets them."""
    meeting.settle(places, hot_mounts(session, places))
    events.record(session, "station.right_one", N_("Somebody said that this box is the right one for its drives."))
    return Message(N_("Good. Switch the other box off, or write another image onto its card."))


GUIDES["copied_card"] = Guide(
    N_("Decide which card goes on"),
    (
        N_("Was the station's card copied, or brought back from a backup? Is there a second box, or an older one?"),
        N_("If another box is the right one: switch this one off. Nothing on the drives was changed."),
        N_(
            "If this card is an old copy and there is no other: write the station's image onto it anew and start it "
            "with the drives. It offers to move in with everything as of the last copy."
        ),
        N_("If this one is the right one: say so with the button under Health. The drives then follow it."),
        N_("Never use the other card again as it is. With an image that has a label of its own it is another station."),
    ),
    page="/system/health",
    opens=N_("Open Health"),
)

CHECKS = [Check("station.same_card", same_card, N_("The drives know this station"))]
