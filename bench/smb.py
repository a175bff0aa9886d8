"""Samba as we configure it against a minimal configuration, in the same run, on the same loop-mounted ext4 drive.

  sudo PYTHONPATH=. .venv/bin/python bench/smb.py [--rounds 3] [--work DIR]

Written and read with Samba's own client: many files of 3 MB, and films of 500 MB.  Then 200 shares are put in force by
root of a running station: accounts, configuration, testparm, reload.
"""

import argparse
import shutil
import statistics
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

from common import MB, Station, free_port, hand_over, note, result, station, wait_for
from ingest import fresh, samba, server, settle

from appliance.broker.client import SocketBroker
from plugins.smb.nt_hash import nt_hash
from plugins.smb.privileged import Account, Apply, Share

PASSWORD = "seventeen green kettles"
SHARES = 200


def client(port: int, share: str, sign_in: list[str], commands: str, here: Path) -> float:
    """Seconds that smbclient needs."""
    words = ["smbclient", f"//127.0.0.1/{share}", *sign_in, "-p", str(port), "-m", "SMB3", "-s", "/dev/null"]
    began = time.monotonic()
    done = subprocess.run(words, input=commands, cwd=here, text=True, capture_output=True, timeout=600, check=False)
    took = time.monotonic() - began
    if done.returncode or "NT_STATUS" in done.stdout + done.stderr:
        raise RuntimeError(done.stdout + done.stderr)
    return took


def both_ways(
    port: int, share: str, sign_in: list[str], files: list[Path], drive: Path, sink: Path
) -> tuple[float, float]:
    """Seconds to write the files, on the medium, and to read them back past the page cache."""
    began = time.monotonic()
    client(port, share, sign_in, "".join(f"put {path} {path.name}\n" for path in files), sink)
    subprocess.run(["sync", "-f", str(drive)], check=True, timeout=600)
    written = time.monotonic() - began
    Path("/proc/sys/vm/drop_caches").write_text("1")
    read = client(port, share, sign_in, "".join(f"get {path.name} /dev/null\n" for path in files), sink)
    return written, read


def request(folders: list[str], port: int) -> dict[str, object]:
    """What the plugin would ask for."""
    accounts = (Account(1, "Anna", nt_hash(PASSWORD).hex().upper()),)
    shares = tuple(Share(name, "HOT-1", f"Family/{name}", changing=(1,)) for name in folders)
    return asdict(Apply(accounts, shares, port=port, only_here=True))


def speed(running: Station, drive: Path, work: Path, source: Path, rounds: int) -> None:
    """Ours against the minimal one."""
    ask, port, theirs = SocketBroker(running.places.broker_socket), free_port(), free_port()
    owner = running.data.stat()
    place = drive / "Family" / "Bench"
    for folder in (place.parent, place):
        folder.mkdir(exist_ok=True)
        shutil.chown(folder, owner.st_uid, owner.st_gid)
    ask("smb.apply", request(["Bench"], port))
    wait_for(lambda: subprocess.run(["bash", "-c", f"</dev/tcp/127.0.0.1/{port}"], capture_output=True).returncode == 0)
    peer = drive / "peer"
    peer.mkdir(exist_ok=True)
    for size, count in ((3 * MB, 200), (500 * MB, 1)):
        ratios: dict[str, list[float]] = {"write": [], "read": []}
        for _ in range(rounds):
            files = fresh(source / str(size), count, size)
            settle(running)
            ours = both_ways(port, "Bench", ["-U", f"Anna%{PASSWORD}"], files, drive, work)
            with server(samba(peer, work, theirs), theirs, work / "samba.log"):
                other = both_ways(theirs, "hot", ["-N"], files, drive, work)
            ratios["write"].append(other[0] / ours[0])
            ratios["read"].append(other[1] / ours[1])
            mb = size * count / MB
            note("smb", f"{count} x {size // MB} MB", write_mb_s=round(mb / ours[0]), read_mb_s=round(mb / ours[1]))
            for folder in (place, peer):
                for path in folder.iterdir():
                    path.unlink() if path.is_file() else shutil.rmtree(path)
        for name, values in ratios.items():
            ratio = statistics.median(values)
            what = f"{name} {count} x {size // MB} MB vs a minimal Samba"
            result("smb", what, ratio=round(ratio, 2), target=">= 0.95", ok=ratio >= 0.95)


def many(running: Station, drive: Path) -> None:
    """200 shares at once, and one of them changed."""
    ask, port, owner = SocketBroker(running.places.broker_socket), free_port(), running.data.stat()
    names = [f"Folder {number}" for number in range(SHARES)]
    for name in names:
        (drive / "Family" / name).mkdir(exist_ok=True)
        shutil.chown(drive / "Family" / name, owner.st_uid, owner.st_gid)
    ask("smb.apply", request(names[:1], port))
    began = time.monotonic()
    ask("smb.apply", request(names, port))
    took = time.monotonic() - began
    result("smb", f"{SHARES} shares put in force", value=round(took, 2), unit="s", target="<= 1", ok=took <= 1)


def main() -> None:
    """Run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--work", type=Path, default=Path("/var/tmp/everpx-bench"))
    options.add_argument("--source", type=Path, default=Path("/dev/shm/everpx-bench"))
    given = options.parse_args()
    work = given.work / "smb"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with station(work / "station", drive_size="8G") as running:
            drive = hand_over(running)
            speed(running, drive, work, given.source, given.rounds)
            many(running, drive)
    finally:
        shutil.rmtree(given.source, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
