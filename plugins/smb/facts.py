"""What root is told of accounts and shares, checked here and nowhere else: no path, no line of configuration.

Imported by root's side: the standard library and the broker's own kind only.
"""

import re
from dataclasses import dataclass, field

from appliance.broker import grounds
from appliance.words import N_

#: Without signs that Samba, its name map or Windows give a meaning of their own.
SIGN = r"[^\x00-\x1f\x7f\"/\\\[\]:;|=,+*?<>@&%$!#~`^ .]"
NAME = re.compile(rf"{SIGN}((?:{SIGN}|[ .]){{0,62}}{SIGN})?")
RESERVED = frozenset({"global", "homes", "printers", "printers$", "print$", "ipc$", "admin$", "netlogon", "profiles"})
HASH = re.compile(r"[0-9A-F]{32}")
MOST_SHARES = 400
OURS = "everpx-"  # how the system's names for accounts begin
ACCOUNT = OURS + "{number}"
CHECKER = 0  # the number of the account that the station itself signs in with, to see whether sharing works
CHECKER_NAME = "everpx-check"
COLD = re.compile(r"COLD-[1-9][0-9]{0,5}")


def name_problem(name: str) -> str | None:
    """Why a share or a person cannot be called so on Windows; None when they can.  The form asks, root enforces."""
    if not NAME.fullmatch(name):
        return N_("Use letters, digits, spaces, - and _ (64 at most).")
    if name.casefold() in RESERVED:
        return N_("Windows keeps this name for itself.")
    if name.casefold().startswith(OURS):
        return N_("The station keeps names like this for itself.")
    return None


def can_be_shared(folder: str) -> bool:
    """Whether Samba’s configuration can name a folder below a drive: no sign that it reads in its own way."""
    plain = bool(folder) and grounds.folder_problem(folder) is None and folder == folder.strip()
    return plain and folder.isprintable() and not any(sign in folder for sign in '"%$')


@dataclass(frozen=True)
class Account:
    """Somebody who may sign in."""

    number: int  # the person's; 0 is the station's own
    name: str  # what is typed on Windows
    nt_hash: str = field(repr=False)  # 32 hexadecimal digits

    def __post_init__(self) -> None:
        if not 0 <= self.number < 10**6:
            raise ValueError("this is no account")
        if self.number != CHECKER and (problem := name_problem(self.name)):
            raise ValueError(problem)
        if self.number == CHECKER and self.name != CHECKER_NAME:
            raise ValueError("this is not how the station signs in")
        if not HASH.fullmatch(self.nt_hash):
            raise ValueError("this is no hash of a password")

    @property
    def unix(self) -> str:
        """The system's name for it."""
        return ACCOUNT.format(number=self.number)


@dataclass(frozen=True)
class Share:
    """A folder of a HOT drive, who may change what is in it, and who may only see it."""

    name: str
    tag: str
    folder: str  # below the drive
    changing: tuple[int, ...] = ()  # numbers of accounts
    seeing: tuple[int, ...] = ()
    time_machine: bool = False
    quota_gb: int = 0  # of a Time Machine share; 0 is without limit
    hidden: tuple[str, ...] = ()  # names of folders in it that are not found through it

    def __post_init__(self) -> None:
        if problem := name_problem(self.name):
            raise ValueError(problem)
        if not grounds.TAG.fullmatch(self.tag):
            raise ValueError("this is no drive")
        if not can_be_shared(self.folder):
            raise ValueError("this is no folder to share")
        if not 0 <= self.quota_gb <= 10**6:
            raise ValueError("this is no size")
        if any(name_problem(name) for name in self.hidden):
            raise ValueError("this is no folder to hide")


@dataclass(frozen=True)
class Apply:
    """Everything that shall be shared, and with whom."""

    accounts: tuple[Account, ...]
    shares: tuple[Share, ...]
    port: int = 445
    only_here: bool = False
    versions: str = ""  # the COLD drive whose older versions can be looked at

    def __post_init__(self) -> None:
        for names in ([s.name.casefold() for s in self.shares], [a.name.casefold() for a in self.accounts]):
            if len(names) != len(set(names)):
                raise ValueError("two of one name")
        known = {account.number for account in self.accounts}
        if any(number not in known for s in self.shares for number in (*s.changing, *s.seeing)):
            raise ValueError("a share for nobody that is known")
        if not 1 <= self.port < 65536 or len(self.shares) > MOST_SHARES or len(known) != len(self.accounts):
            raise ValueError("this cannot be shared")
        if self.versions and not COLD.fullmatch(self.versions):
            raise ValueError("this is no COLD drive")
