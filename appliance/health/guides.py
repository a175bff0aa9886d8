"""What a person can do where no button can: a few steps, shown as a page and by ``everpx health --guide``."""

from dataclasses import dataclass

from appliance.words import N_


@dataclass(frozen=True)
class Guide:
    """A title and steps, in the order in which they are worth trying."""

    title: str
    steps: tuple[str, ...]


GUIDES: dict[str, Guide] = {
    "power": Guide(
        N_("Give the station enough power"),
        (
            N_("Use the power supply that was made for this box (5 V, at least 3 A), not a phone charger."),
            N_("Use a short, thick cable. Long thin ones lose power on the way."),
            N_("Give hard disks a power supply of their own, or a USB hub that has one."),
            N_("Unplug what the station does not need, such as a phone that charges on it."),
        ),
    ),
    "cable": Guide(
        N_("Check the connection of a drive"),
        (
            N_("Choose “Unplug safely” for the drive, under Drives."),
            N_("Push both ends of its cable in firmly, or use another cable. Short ones are better."),
            N_("Use another USB port of the station, without a hub in between if that is possible."),
            N_("If it goes on, the drive's case may be the reason. Try the drive in another one."),
        ),
    ),
    "replace": Guide(
        N_("Replace a drive"),
        (
            N_("Make a copy now, as long as the drive can be read. Under Backup, choose “Copy now”."),
            N_("Plug in the new drive, and hand it over under Drives."),
            N_("For a drive that holds everything: bring everything back from the copy, onto the new drive."),
            N_("Then let the old drive go, on its page under Drives. Erase it before you give it away."),
        ),
    ),
    "room": Guide(
        N_("Make room on a drive"),
        (
            N_("Empty the bin, and look for photos that you have twice."),
            N_("Plug in one more drive to hold everything. New photos then go where there is room."),
            N_("Or move folders to another drive, under Files."),
            N_("If the warning comes too early, choose another limit on the drive's page."),
        ),
    ),
    "cooler": Guide(
        N_("Keep a drive cool"),
        (
            N_("Put it where air can move around it, not on top of another drive or the station."),
            N_("Keep it out of the sun and away from the television."),
            N_("A copy that runs for hours makes a drive warm; that alone is no reason to worry."),
        ),
    ),
    "card": Guide(
        N_("Replace the station's card"),
        (
            N_("Make a copy now: it also keeps the station's people, albums and settings on the drive."),
            N_("Write the station's image onto a new card, made for cameras or dashcams (“high endurance”)."),
            N_("Start with the new card and the drives plugged in. The station offers to move in with everything."),
        ),
    ),
    "clock": Guide(
        N_("Set the station's clock"),
        (
            N_("Check the network cable and that the router has internet. The time comes from there."),
            N_("If your router blocks time servers (NTP), allow them."),
            N_("Wait a few minutes, then choose “Look now” under Health."),
        ),
    ),
}
