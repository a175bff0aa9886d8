"""Who may come in: the whole list of doors, the home's file sharing through its filters, and no way around them."""

import os
import re

import pytest
import smbclient

from tests.component.nfs_reader import Reader
from tests.image.home import OWNER
from tests.image.life import Life
from tests.photos import jpeg

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]
MOUNT = "run/everpx/drives/HOT-1"  # where the kernel's own NFS server shows it
HOST = "10.0.2.2"  # this computer, as the machine sees it

#: every program that hears the network, and where.  A new line here is a decision, not a detail.
DOORS = {
    "tcp 80 nginx",
    "tcp 443 nginx",
    "tcp 445 smbd",
    "tcp 2049 the kernel",  # nfsd
    "udp 5353 avahi-daemon",
    "udp 3702 wsdd2",
    "tcp 3702 wsdd2",
    "udp 5355 wsdd2",
    "tcp 5355 wsdd2",
    "udp 68 systemd-network",  # an address, by DHCP
}
LINE = re.compile(r"^(tcp|udp)\s+\S+\s+\d+\s+\d+\s+(\S+):(\d+)\s+\S+(?:\s+users:\(\(\"([^\"]+))?")


def _doors(life: Life) -> set[str]:
    """What ``ss`` says of everything that hears more than the machine itself."""
    found = set()
    for line in life.machine.guest.run("ss -Hlntup").splitlines():
        kind, address, port, who = LINE.match(line).groups()  # type: ignore[union-attr]
        if address.startswith(("127.", "[::1]")):
            continue
        found.add(f"{kind} {port} {who or 'the kernel'}")
    return found


def _served_by_nfs(life: Life) -> None:
    """This computer may change the owner's folder."""
    hot = life.home.drive(life.hot.serial)
    assert hot
    device = life.home.ask("POST", "/plugins/nfs/devices", {"name": "Laptop", "address": HOST})
    right = {"drive_id": hot["id"], "folder": OWNER, "may": "change"}
    life.home.ask("PUT", f"/plugins/nfs/devices/{device['id']}/rights", {"rights": [right]}, within_s=300)


def test_every_door_is_on_the_list_and_file_sharing_works_through_its_filters(life: Life) -> None:
    _served_by_nfs(life)
    film = os.urandom(3_000_000)
    with Reader("127.0.0.1", life.machine.ports[2049]) as computer:
        computer.begin()
        computer.write(f"{MOUNT}/{OWNER}", "film.bin", film)
        assert "film.bin" in computer.names(f"{MOUNT}/{OWNER}")
    door = life.home.share
    with smbclient.open_file(rf"\\127.0.0.1\{OWNER}\film.bin", mode="rb", **door) as same:
        assert same.read() == film, "one family, one folder, whichever way"
    with smbclient.open_file(rf"\\127.0.0.1\{OWNER}\letter.txt", mode="wb", **door) as letter:
        letter.write(b"Dear all")
    smbclient.reset_connection_cache()
    with Reader("127.0.0.1", life.machine.ports[2049]) as computer:
        computer.begin()
        assert computer.read(f"{MOUNT}/{OWNER}", "letter.txt") == b"Dear all"
    life.home.until("every door", lambda: len(_doors(life)) >= len(DOORS))  # announcing comes last
    assert _doors(life) == DOORS
    life.home.check_kept()

    for plugin in ("smb", "nfs"):
        life.home.ask("PATCH", f"/plugins/{plugin}", {"enabled": False})
    closed = {line for line in DOORS if not re.search(r" (445|2049) ", line)}
    life.home.until("closed doors", lambda: not _doors(life) - closed, 300)
    rules = life.machine.guest.run("nft list sets inet everpx")
    assert not re.search(r"elements = .*(445|2049)", rules), rules


def test_there_is_no_other_way_in(life: Life) -> None:
    guest = life.machine.guest
    passwords = guest.run("cut -d: -f1,2 /etc/shadow").split()
    assert [line for line in passwords if not re.match(r"[^:]+:[!*]", line)] == [], "nobody has a password"
    assert guest.tried("command -v sshd dropbear telnetd gcc cc")[0] != 0
    running = guest.run("systemctl list-units --type=service --state=running --plain --no-legend --no-pager")
    assert not re.search(r"getty|ssh|cron", running), running
    owners = guest.run("ps -eo user=,comm= | sort -u")
    as_root = {comm for user, comm in map(str.split, owners.splitlines()) if user == "root"}
    assert not as_root & {"nginx", "gunicorn"}, as_root
    policy = guest.run("nft list chain inet everpx input; nft list chain inet everpx forward")
    assert policy.count("policy drop;") == 2
    assert guest.run("systemctl is-system-running || true").strip() == "running"
    assert guest.run("timedatectl show -p NTP --value").strip() == "yes"
    assert re.match(r"everpx(-\w+)?$", guest.run("hostname").strip())


def test_a_stranger_gets_no_answer(life: Life) -> None:
    """Whoever comes from outside the home, as through a port that somebody forwarded, meets silence."""
    guest = life.machine.guest
    guest.run("ip netns add road; ip link add near type veth peer name far netns road; "
              "ip addr add 203.0.113.1/24 dev near; ip link set near up; "
              "ip -n road addr add 203.0.113.9/24 dev far; ip -n road link set far up")  # fmt: skip

    def asked(address: str, port: int) -> int:
        knock = f"ip netns exec road timeout 5 bash -c 'exec 3<>/dev/tcp/{address}/{port}'"
        return guest.tried(knock, 30)[0]

    for port in (80, 443, 445):
        assert asked("203.0.113.1", port) == 124, f"{port} is silent"
    guest.run("ip addr add 192.168.77.1/24 dev near; ip -n road addr add 192.168.77.9/24 dev far")
    for port in (80, 443, 445):
        assert asked("192.168.77.1", port) == 0, f"{port} is there for the home"
    life.home.put("still.jpg", jpeg(31))
