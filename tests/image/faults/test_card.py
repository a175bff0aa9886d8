"""A card that is full or turns read-only, too little memory, and a drive that lies (F22, F23, F29, F9)."""

import io
import os
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from PIL import Image

from tests.image import other_computer
from tests.image.frozen import layered
from tests.image.home import Home, Refused
from tests.image.life import Life
from tests.photos import jpeg

pytestmark = [pytest.mark.image, pytest.mark.timeout(2400)]


def _refused(life: Life, name: str, content: bytes) -> bool:
    """Whether a photo was not taken; one that was taken must be kept."""
    try:
        life.home.put(name, content)
    except (Refused, OSError):
        return True
    return False


def test_f22_the_card_turns_read_only(life: Life, start_again: Callable[..., Home]) -> None:
    life.home.put("before.jpg", jpeg(701))
    life.machine.guest.run("echo 1 >/sys/fs/ext4/vda7/trigger_fs_error")
    assert life.machine.guest.tried("touch /data/anything")[0] != 0
    refused = [_refused(life, f"meanwhile-{number}.jpg", jpeg(710 + number)) for number in range(3)]
    assert all(refused), "what cannot be written down is not acknowledged"
    life.home.until("a page, whatever the card does", lambda: life.machine.guest.run(
        "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/ || true").strip() not in ("", "000"))  # fmt: skip
    life.home.check_kept(database=False)
    life.machine.pull_the_plug()
    home = start_again(life)
    home.here(life.hot.serial)
    home.check_kept()
    home.put("afterwards.jpg", jpeg(702))
    home.check_kept()


STATION = "setpriv --reuid=everpx --regid=everpx --clear-groups"


def _filled(life: Life, who: str = "") -> None:
    """To the last byte, by the station's own programs, or by root, who has a reserve of the file system's."""
    for piece in ("64k", "512"):
        filler = f"/var/lib/everpx/filler-{who[:1]}{piece}"
        life.machine.guest.tried(f"{who} dd if=/dev/zero of={filler} bs={piece}; sync", 600)
    assert life.machine.guest.run("df --output=avail /data | tail -1").strip() == "0"
    for number in range(6):
        _refused(life, f"meanwhile-{number}.jpg", jpeg(710 + number))


def test_f23_the_card_is_full(life: Life) -> None:
    """At one blow, and then to the last byte of what was set aside for telling of it."""
    life.home.put("before.jpg", jpeg(701))
    guest = life.machine.guest
    life.home.until("room set aside", lambda: guest.tried("test -e /var/lib/everpx/reserve")[0] == 0)
    guest.run(f"{STATION} fallocate -l $(($(stat -fc '%a*%S' /data) - 1000000)) /var/lib/everpx/filler-most")
    _filled(life, STATION)
    life.home.until("a look at everything", lambda: _looks(life))
    life.home.says("own_disk_full")
    _filled(life)
    life.home.says("own_disk_full", 60)  # nobody is shut out
    life.home.check_kept()
    guest.run("rm /var/lib/everpx/filler-*")
    life.home.until("room again", lambda: not _refused(life, "afterwards.jpg", jpeg(702)))
    life.home.check_kept()
    assert guest.run("systemctl --failed --plain --no-legend --no-pager").strip() == ""


def _looks(life: Life) -> bool:
    try:
        life.home.ask("POST", "/health/look", {})
    except (Refused, OSError):
        return False
    return True


def _large_photo(number: int) -> bytes:
    """As a camera of 48 megapixels makes them."""
    chance = random.Random(number)
    image = Image.effect_noise((8000, 6000), 40).convert("RGB").transpose(Image.Transpose(chance.randrange(3)))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=60)
    return out.getvalue()


def test_f29_there_is_too_little_memory(life: Life, start_again: Callable[..., Home]) -> None:
    life.machine.pull_the_plug()
    home = start_again(life, memory=512)
    home.here(life.hot.serial)
    for number in range(3):
        home.put(f"large-{number}.jpg", _large_photo(number))
    core = "for one in console web broker; do systemctl show -p MainPID --value everpx-$one; done"
    before = home.machine.guest.run(core)
    # somebody eats what is left, with the worker's own standing
    home.machine.guest.tried(
        "systemd-run --wait --collect -p OOMScoreAdjust=300 -p MemorySwapMax=0 /opt/everpx/bin/python -c "
        "'x = []\nwhile True: x.append(bytearray(10_000_000))'",
        200,
    )
    assert "Killed process" in home.machine.guest.run("dmesg | grep -i 'killed process'")
    assert home.machine.guest.run(core) == before, "the core was not what the kernel took"
    home.put("afterwards.jpg", jpeg(702))
    home.check_kept()


def test_f9_a_drive_forgets_what_it_said_it_had_written(life: Life) -> None:
    """COLD answers that all is on its disk, and has kept nothing of it when it comes back."""
    home, cold = life.home, life.home.drive(life.cold.serial)
    assert cold
    home.copied(cold)
    home.machine.usb.pull(life.cold)
    honest = life.cold
    life.drives["cold"] = lying = replace(layered(honest, life.folder / "lies"), name="cold")
    home.machine.usb.plug(lying)
    home.until("COLD seen", lambda: (home.drive(lying.serial) or {}).get("plugged_in"))
    for number in range(4):
        home.put(f"new-{number}.jpg", jpeg(100 + number) + os.urandom(200_000))
    home.copied(cold)
    home.machine.usb.pull(lying)
    life.drives["cold"] = honest
    home.machine.usb.plug(honest)
    home.until("COLD seen", lambda: (home.drive(honest.serial) or {}).get("plugged_in"))
    home.put("today.jpg", jpeg(120))  # a copy with nothing new does not look at the drive
    home.copied(cold)
    home.check_kept()
    home.machine.pull_the_plug()
    assert other_computer.proven(honest, life.folder) >= len(home.kept), "it was found out, and written again"
