"""Windows and Mac sharing: the family's wish into rows, and the rows into what root serves.

Passwords come along when somebody types theirs (``password_known``): Windows asks about another form of a password than
the console keeps, and only then can it be made.  Nobody needs a second password.
"""

import contextlib
import os
from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from appliance import plugin, sealed
from appliance.broker.client import Broker
from appliance.drives.layout import FAMILY, MACS
from appliance.drives.mounts import Mount, hot_mounts
from appliance.errors import ApplianceError, Invalid, NotFound
from appliance.health.guides import GUIDES, Guide
from appliance.health.models import Severity
from appliance.health.service import Finding, HealthContext, fix
from appliance.hookspecs import Announced
from appliance.jobs import service as jobs
from appliance.jobs.models import Job
from appliance.library import folders, room
from appliance.library.beneath import make_folder
from appliance.people.models import User, UserState
from appliance.people.names import tidy
from appliance.places import Places, places
from appliance.words import N_, Message
from plugins.smb import wanted
from plugins.smb.models import Level, SmbAccess, SmbAccount, SmbFolder
from plugins.smb.nt_hash import nt_hash
from plugins.smb.privileged import name_problem
from plugins.smb.wanted import NAME, PURPOSE, TIME_MACHINE

GUIDES["windows_name"] = Guide(
    N_("Choose a name that Windows can use"),
    (
        N_("Under People, open the person and change the name: letters, digits and spaces, up to 20 of them."),
        N_("The person signs in with the new name from then on, and sets the password once more."),
    ),
    page="/people/",
    opens=N_("Open People"),
)
LARGEST_GB = 10**6
MOST_FOLDERS = 250
SETTLE = "smb.settle"
SELF_TEST = "smb.self_test"


def password_known(session: Session, user: User, password: str) -> None:
    """Keep what Windows will ask about, if it is not what we have."""
    secret = nt_hash(password).hex().upper()
    account = _account(session, user.id)
    if account.secret is None or sealed.unseal(places(), PURPOSE, account.secret) != secret:
        account.secret = sealed.seal(places(), PURPOSE, secret)
        start_settling(session)


def is_on(session: Session) -> bool:
    """Whether sharing is switched on now: a process that began before it was switched off still has this plugin."""
    return plugin.is_enabled(session, plugin.manifest_of(NAME))


def start_settling(session: Session) -> None:
    """Have what is served follow, as soon as this is committed."""
    if not is_on(session):
        return
    with contextlib.suppress(jobs.AlreadyRunning):
        jobs.start(session, SETTLE, title=Message(N_("Bring Windows and Mac sharing up to date")), lock=SETTLE)


def start_self_test(session: Session, asked_by: int) -> Job:
    """Have the shares tried like a computer does.  Raises AlreadyRunning."""
    title = Message(N_("Try the shares like a computer"))
    return jobs.start(session, SELF_TEST, title=title, lock=SELF_TEST, asked_by=asked_by)


@fix("smb.start", N_("Start it again"))
def start_again(session: Session, broker: Broker, here: Places) -> None:
    """A health button."""
    settle(session, broker, here)


def _account(session: Session, user_id: int) -> SmbAccount:
    account = session.get(SmbAccount, user_id)
    if account is None:
        account = SmbAccount(user_id=user_id)
        session.add(account)
    return account


def settle(session: Session, broker: Broker, here: Places) -> None:
    """Serve what is wanted and here; the folders that are shared are made on the first drive, and nowhere else.

    Nothing is served, and nothing begun again, once sharing is switched off.
    """
    if not is_on(session):
        return
    mounts = hot_mounts(session, here)
    _make_folders(session, mounts)
    broker("smb.apply", wanted.request(session, here))


def _make_folders(session: Session, mounts: list[Mount]) -> None:
    """Those that are missing; whatever cannot be made, root finds missing and says so."""
    if not mounts:
        return
    wishes: dict[tuple[Mount, str], list[str]] = {(mounts[0], ""): [FAMILY]}
    for person in wanted.people(session):
        wishes[mounts[0], ""].append(person.user.folder)
        if person.time_machine_gb is not None:
            wishes.setdefault((mounts[0], MACS), []).append(person.user.folder)
    drives = {mount.drive_id: mount for mount in mounts}
    for folder in session.scalars(select(SmbFolder)):
        if folder.drive_id in drives:
            wishes.setdefault((drives[folder.drive_id], FAMILY), []).append(folder.name)
    for (mount, parent), names in wishes.items():
        if not mount.read_only:
            with contextlib.suppress(ApplianceError, OSError), room.opened(mount) as root:
                _make_in(root, os.fsencode(parent), names)


def _make_in(root: int, parent: bytes, names: Iterable[str]) -> None:
    """Folders in one; their names are durable together."""
    place, made = make_folder(root, parent) if parent else os.dup(root), False
    try:
        for name in names:
            with contextlib.suppress(OSError):
                os.mkdir(os.fsencode(name), 0o755, dir_fd=place)
                made = True
        if made:
            os.fsync(place)
    finally:
        os.close(place)


def add_folder(session: Session, here: Places, name: str) -> SmbFolder:
    """A folder inside the family's that has a share of its own.  Raises Invalid.

    One that is there already keeps its capitals: computers that do not tell them apart would find only one of two.
    """
    mounts = hot_mounts(session, here)
    name = _as_it_is_there(mounts, tidy(name))
    if problem := _folder_problem(session, mounts, name):
        raise Invalid({"name": problem})
    folder = SmbFolder(drive_id=mounts[0].drive_id, name=name)
    session.add(folder)
    session.flush()
    return folder


def _folder_problem(session: Session, mounts: list[Mount], name: str) -> str | Message | None:
    problem = folders.name_problem(name) or name_problem(name)
    if problem:
        return problem
    known = list(session.scalars(select(SmbFolder.name)))
    taken = {folder.casefold() for folder in known} | {FAMILY.casefold()}
    taken |= {user.name.casefold() for user in session.scalars(select(User))}
    if name.casefold() in taken:
        return N_("There is already a share with this name.")
    if len(known) >= MOST_FOLDERS:
        return Message(N_("There is no room for more than {most} shares."), {"most": MOST_FOLDERS})
    if not mounts:
        return N_("There is no drive to put it on. Plug the HOT drive in and try again.")
    return None


def _as_it_is_there(mounts: list[Mount], name: str) -> str:
    if mounts:
        with contextlib.suppress(OSError):
            there = [entry.name for entry in (mounts[0].path / FAMILY).iterdir() if entry.is_dir()]
            same = sorted(one for one in there if one.casefold() == name.casefold())
            return name if name in same else next(iter(same), name)
    return name


def remove_folder(session: Session, folder_id: int) -> str:
    """End a share; the folder and all that is in it stay.  Raises NotFound."""
    folder = session.get(SmbFolder, folder_id)
    if folder is None:
        raise NotFound(what="folder")
    session.delete(folder)
    return folder.name


def allow(session: Session, chosen: dict[tuple[int, int | None], Level]) -> None:
    """Set the table of people and folders.  What is not named stays."""
    for (user_id, folder_id), level in chosen.items():
        there = SmbAccess.folder_id.is_(None) if folder_id is None else SmbAccess.folder_id == folder_id
        session.execute(delete(SmbAccess).where(SmbAccess.user_id == user_id, there))
        session.add(SmbAccess(user_id=user_id, folder_id=folder_id, level=level))


def give_room(session: Session, user_id: int, gigabytes: int | None) -> None:
    """How much a person's Mac may keep; 0 without limit, None not at all (what is there stays).  Raises Invalid."""
    if gigabytes is not None and not 0 <= gigabytes <= LARGEST_GB:
        raise Invalid({"gigabytes": N_("This is not a possible size.")})
    user = session.get(User, user_id)
    if user is None or user.state is not UserState.ACTIVE:
        raise NotFound(what="person")
    _account(session, user_id).time_machine_gb = gigabytes


def announced(session: Session) -> Iterable[Announced]:
    """What other devices find by themselves, as long as a drive is here."""
    here, chosen = places(), plugin.options(session, NAME)
    if chosen["only_here"] or not hot_mounts(session, here):
        return
    yield Announced("_smb._tcp", chosen["port"])
    macs = [person for person in wanted.people(session) if person.time_machine_gb is not None and person.has_password]
    if macs:
        disks = tuple(f"dk{n}=adVN={TIME_MACHINE} {p.user.name},adVF=0x82" for n, p in enumerate(macs))
        yield Announced("_adisk._tcp", chosen["port"], txt=("sys=waMa=0,adVF=0x100", *disks))


def not_running(context: HealthContext) -> Iterable[Finding]:
    """Samba has ended, or does not start."""
    if not context.broker("smb.look", {})["running"]:
        yield Finding(
            code="smb_stopped",
            severity=Severity.WARNING,
            message=Message(N_("Windows and Mac sharing is not running.")),
            hint=Message(N_("The console, phones and backups go on. It is started again by itself.")),
            fix="smb.start",
        )


def nobody_can_sign_in(context: HealthContext) -> Iterable[Finding]:
    """Passwords that were never typed since sharing is on."""
    for person in wanted.people(context.session):
        if person.problem:
            yield Finding(
                code="smb_name",
                severity=Severity.NOTICE,
                subject=f"user:{person.user.id}",
                message=Message(N_("{name} has a name that Windows cannot use."), {"name": person.user.name}),
                hint=Message(N_("Everything else works. For shares, change the name under People.")),
                guide="windows_name",
            )
