"""How the disk is divided, and what firmware and loaders read on it: held against their documented rules."""

import re
import shlex
from itertools import pairwise

import pytest

from image.build import boot_files, layout
from image.build.arch import AMD64, ARCHES, ARM64, Arch
from image.build.boot_files import Verity
from image.build.contents import APP
from image.build.initramfs import MADE, cpio, drivers, libraries

VERITY = Verity(61_000, "ab" * 32, "cd" * 32)
BOTH = pytest.mark.parametrize("arch", ARCHES.values(), ids=ARCHES)


@BOTH
def test_no_partition_touches_another(arch: Arch) -> None:
    parts = layout.divided(arch)
    for row in ([1, 2, 3, 4], [5, 6, 7]):
        for one, other in pairwise(row):
            assert parts[one].end <= parts[other].start
    assert all(part.start % layout.MIB == 0 for part in parts.values())
    assert parts[4].start < parts[5].start and parts[7].end == parts[4].end, "5 to 7 lie within 4"
    assert layout.whole(parts) == parts[7].end, "the data partition can grow to the end of any disk"


@BOTH
def test_both_slots_have_the_same_room(arch: Arch) -> None:
    parts = layout.divided(arch)
    assert parts[2].size == parts[3].size and parts[5].size == parts[6].size
    assert layout.fits(parts[5].size, parts[5]) and not layout.fits(parts[5].size + 1, parts[5])


def test_each_firmware_finds_its_first_partition() -> None:
    assert layout.divided(ARM64)[1].kind == "0c", "a Pi 3 looks for FAT by the table's type"
    assert layout.divided(AMD64)[1].kind == "ef", "strict EFI firmware starts from an ESP only"
    assert f"label-id: 0x{layout.DISK_ID}" in layout.table(layout.divided(ARM64))


def sections(text: str) -> list[tuple[str, dict[str, str]]]:
    """Filters and what stands behind each, as the Pi's firmware reads them."""
    found: list[tuple[str, dict[str, str]]] = [("", {})]
    for line in text.splitlines():
        assert len(line) <= 98, "the firmware ignores the rest of a longer line"
        if filtered := re.fullmatch(r"\[(.+)\]", line):
            found.append((filtered[1], {}))
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=" if "=" in line else " ")
            found[-1][1][name] = value
    return found


@pytest.mark.parametrize(("primary", "other"), [(2, 3), (3, 2)])
def test_autoboot_names_one_slot_and_the_other_for_a_try(primary: int, other: int) -> None:
    text = boot_files.autoboot(primary)
    assert len(text.encode()) <= 512, "one sector, so that it changes whole or not at all"
    assert sections(text)[1:] == [
        ("all", {"tryboot_a_b": "1", "boot_partition": str(primary)}),
        ("tryboot", {"boot_partition": str(other)}),
    ]


def test_config_serves_both_slots_and_ends_with_all() -> None:
    found = sections(boot_files.pi_config())
    assert [name for name, _ in found] == ["", "boot_partition=2", "boot_partition=3", "all"]
    assert found[1][1] == {"cmdline": "cmdline-a.txt"} and found[2][1] == {"cmdline": "cmdline-b.txt"}
    assert found[0][1]["arm_64bit"] == "1" and found[0][1]["kernel"] == "vmlinuz"
    assert found[0][1]["initramfs"] == "initramfs.img followkernel", "initramfs takes no equals sign"


def test_each_command_line_is_one_line_that_fits() -> None:
    lines = boot_files.pi_command_lines(ARM64, VERITY)
    assert set(lines) == {"cmdline-a.txt", "cmdline-b.txt"}
    for name, text in lines.items():
        assert text.count("\n") == 1 and len(text) < 1024
        assert f"rauc.slot={name[8].upper()} " in text and VERITY.word() in text


def test_grub_is_told_the_slot_by_the_selector() -> None:
    text = boot_files.slot_grub(ARM64, VERITY)
    assert "rauc.slot=$slot" in text and "($disk,msdos$boot)/vmlinuz" in text
    selector = (APP / "image/boot/selector.grub").read_text()
    for name in ("disk", "boot", "slot", "trial"):
        assert f"export {name}\n" in selector
    before, _, after = selector.partition("save_env")
    assert "linux" not in before and "configfile" not in before and "configfile" in after, (
        "a try counts before it starts"
    )


def test_the_state_is_a_block_that_grub_takes() -> None:
    for block in (boot_files.bootenv(), boot_files.bootenv("B", "A")):
        assert len(block) == 1024 and block.startswith(b"# GRUB Environment Block\n") and block.endswith(b"#")
    assert b"\nprimary=B\ntry=A\n" in boot_files.bootenv("B", "A")


def test_the_first_program_reads_exactly_what_the_command_line_says() -> None:
    said = {word.partition("=")[0] for word in shlex.split(boot_files.command_line(ARM64, VERITY, "A", "0"))}
    asked = set(re.findall(r"given ([\w.]+)", (APP / "image/boot/init").read_text()))
    assert asked and asked <= said


def test_a_first_disk_is_the_same_bytes_whatever_order_its_files_come_in() -> None:
    files = {"init": (b"#!", 0o755), "bin/busybox": (b"x" * 7, 0o755), "modules/order": (b"", 0o644)}
    packed = cpio(files)
    assert packed == cpio(dict(reversed(files.items()))) and len(packed) % 4 == 0
    names = re.findall(rb"070701[0-9a-f]{104}([^\0]+)\0", packed)
    assert names == [*sorted(name.encode() for name in (*files, "bin", "modules", *MADE)), b"TRAILER!!!"]


def test_libraries_are_found_in_what_ldd_says() -> None:
    said = (
        "\tvdso.so.1 (0x1)\n\tlibc.so.6 => /lib/aarch64-linux-gnu/libc.so.6 (0x2)\n\t/lib/ld-linux-aarch64.so.1 (0x3)\n"
    )
    assert libraries(said) == ["/lib/aarch64-linux-gnu/libc.so.6", "/lib/ld-linux-aarch64.so.1"]


@BOTH
def test_a_first_disk_can_read_every_filesystem_of_the_disk(arch: Arch) -> None:
    assert {"erofs", "ext4", "vfat", "overlay", "dm-verity", "virtio_blk", "usb-storage"} <= set(drivers(arch))
