"""What a person can do where no button can: a few steps, shown as a page and by ``everpx health --guide``.

A room or a plugin with steps of its own adds them to :data:`GUIDES` where its checks are.
"""

from dataclasses import dataclass

from appliance.words import N_


@dataclass(frozen=True)
class Guide:
    """A title and steps in the order in which they are worth trying; ``page``: where they are taken, or ""."""

    title: str
    steps: tuple[str, ...]
    page: str = ""  # an address of the console
    opens: str = ""  # what the button to it says


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
        page="/drives/",
        opens=N_("Open Drives"),
    ),
    "replace": Guide(
        N_("Replace a drive"),
        (
            N_("Make a copy now, as long as the drive can be read. Under Backup, choose “Copy now”."),
            N_("Plug in the new drive, and hand it over under Drives."),
            N_("For a drive that holds everything: bring everything back from the copy, onto the new drive."),
            N_("Then let the old drive go, on its page under Drives. Erase it before you give it away."),
        ),
        page="/backup/",
        opens=N_("Open Backup"),
    ),
    "room": Guide(
        N_("Make room on a drive"),
        (
            N_("Empty the bin, and look for photos that you have twice."),
            N_("Plug in one more drive to hold everything. New photos then go where there is room."),
            N_("Or move folders to another drive, under Files."),
            N_("If the warning comes too early, choose another limit on the drive's page."),
        ),
        page="/drives/",
        opens=N_("Open Drives"),
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
    "connect": Guide(
        N_("Connect a drive"),
        (
            N_("Plug the drive in, and switch on its power supply or plug if it has one."),
            N_("Wait half a minute. Its page under Drives says when it is here; nothing else needs to be done."),
            N_("If it does not come, try another cable and another USB port, without a hub in between."),
            N_("If it is lost or broken, put a new drive in its place. The other copy has your files."),
        ),
        page="/drives/",
        opens=N_("Open Drives"),
    ),
    "stranger": Guide(
        N_("Sort out a drive that is not used"),
        (
            N_("Under Drives, read what the station says of it. Nothing is written to it before you say yes."),
            N_("A duplicate: unplug one of the two. The other is then used as before."),
            N_("A drive of another station: plug it in there, or move in with its station as its page offers."),
            N_("A drive that cannot be read: try another cable and port, then the computer that used it last."),
            N_("If you do not need what is on it, it can be erased and used; otherwise unplug it."),
        ),
        page="/drives/",
        opens=N_("Open Drives"),
    ),
    "put_away": Guide(
        N_("Put a drive with a copy away"),
        (
            N_("Switch it off, or unplug it. Everything on it is written, and the station has let it go."),
            N_("Keep it away from the station, best in another room or another house, dry and not too warm."),
            N_("The station says when it wants it back."),
        ),
    ),
    "sockets": Guide(
        N_("Give each drive a switch of its own"),
        (
            N_("See which drives hang on the same plug, power strip or hub as the drive with the copy."),
            N_("Move the drive that holds everything to a socket that nothing switches."),
            N_("Then try the switch again, on the page of the drive with the copy."),
        ),
        page="/drives/",
        opens=N_("Open Drives"),
    ),
    "answer": Guide(
        N_("Answer a copy that waits"),
        (
            N_("Open a few of your newest photos. Can they be seen, and are they yours?"),
            N_("If you changed or deleted much yourself, let the copy go on, under Backup."),
            N_("If not, stop it. Switch off and clean the computers that use the shares; one of them did this."),
            N_("Then bring back from the copy what was changed."),
        ),
        page="/backup/",
        opens=N_("Open Backup"),
    ),
    "not_copied": Guide(
        N_("See which files were not copied"),
        (
            N_("Under Backup, open the last copy. It names each file, and why it was left out."),
            N_("A name or a size that the drive cannot have: rename the file, or use a drive of another format."),
            N_("A file that could not be read: open it under Files. If that fails, too, bring it back from a copy."),
            N_("Then choose “Copy now”."),
        ),
        page="/backup/",
        opens=N_("Open Backup"),
    ),
    "restart": Guide(
        N_("Restart the station"),
        (
            N_("Look under Activity whether something is under way, and let it finish if it moves."),
            N_("Take the power from the station, wait ten seconds, and give it back. Stored files are safe."),
            N_("Wait five minutes, then choose “Look now” under Health."),
            N_("If it is still there, see under History what happened before it began."),
        ),
        page="/activity/",
        opens=N_("Open Activity"),
    ),
    "own_room": Guide(
        N_("Make room on the station's own disk"),
        (
            N_("Restart the station. What it no longer needs is then taken away."),
            N_("If other programs run on this computer, see whether they fill its disk."),
            N_("If that does not help, use a larger card; all settings come along, as the copy has them."),
        ),
    ),
    "setting": Guide(
        N_("Choose a setting again"),
        (
            N_("Open Settings and find the one that was named."),
            N_("Choose what it shall be, and save. What depends on it runs again."),
        ),
        page="/system/settings",
        opens=N_("Open Settings"),
    ),
    "plugin": Guide(
        N_("Get a plugin to work again"),
        (
            N_("Under Plugins, read why it does not work."),
            N_("Switch it off and on again, then restart the console as the page offers."),
            N_("If it stays, leave it switched off. Everything else goes on without it."),
        ),
        page="/system/plugins",
        opens=N_("Open Plugins"),
    ),
    "sandbox": Guide(
        N_("Shut in the work with pictures"),
        (
            N_("On the computer that the station runs on, install bubblewrap: “apt install bubblewrap”."),
            N_("Then choose “Look now” under Health."),
        ),
    ),
}
