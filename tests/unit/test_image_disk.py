"""How the disk is divided, and what firmware and loaders read on it: held against their documented rules."""

import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.upgrade.loaders import autoboot, bootenv
from image.build import boot_files, disk, layout, slots
from image.build.arch import AMD64, ARCHES, ARM64, Arch
from image.build.boot_files import Verity
from image.build.contents import APP
from image.build.initramfs import MADE, cpio, drivers, libraries
from image.build.kernel import Kernel
from image.build.programs import BuildFailed

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


# The Pi's rules are those of raspberrypi/documentation, documentation/asciidoc/computers/…, named behind each.
FIRMWARE_2024 = {"all", "none", "tryboot", "pi3", "pi3+", "pi4", "pi400", "cm4", "pi5"}  # filters that Debian's knows


def sections(text: str) -> list[tuple[str, dict[str, str]]]:
    """Filters and what stands behind each, as the firmware reads them (config_txt/conditional.adoc)."""
    found: list[tuple[str, dict[str, str]]] = [("", {})]
    for line in text.splitlines():
        assert len(line) <= 98 and line.isascii(), "what is behind is ignored (config_txt/what_is_config_txt.adoc)"
        if filtered := re.fullmatch(r"\[(.+)\]", line):
            found.append((filtered[1], {}))
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=" if "=" in line else " ")
            assert name == name.strip() and value == value.strip(), "spaces around = count"
            found[-1][1][name] = value
    return found


@pytest.mark.parametrize(("primary", "other"), [(2, 3), (3, 2)])
def test_autoboot_names_one_slot_and_the_other_for_a_try(primary: int, other: int) -> None:
    """config_txt/autoboot.adoc: at most 512 bytes, only these filters, partitions 1 to 4, the flow shown there."""
    text = autoboot(primary)
    assert len(text.encode()) <= 512, "also one sector, so that it changes whole or not at all"
    found = sections(text)[1:]
    assert found == [
        ("all", {"tryboot_a_b": "1", "boot_partition": str(primary)}),
        ("tryboot", {"boot_partition": str(other)}),
    ]
    assert all(name in ("all", "none", "tryboot") for name, _ in found)
    assert len(autoboot(2)) == len(autoboot(3)), "so the commit changes two digits in place"


def test_config_needs_nothing_that_debians_firmware_does_not_know() -> None:
    """``[boot_partition=N]`` came in May 2025 (pull request 4100 there) and first to the Pi 5 alone (rpi-eeprom 676);
    Debian 13 has the firmware of April 2024, in whose start*.elf no such filter is."""
    found = sections(boot_files.pi_config())
    assert {name for name, _ in found[1:]} <= FIRMWARE_2024
    assert not found[1:] or found[-1][0] == "all", "what another file adds belongs to all boards"


def test_config_names_the_kernel_and_the_first_disk_as_the_firmware_wants_it() -> None:
    """config_txt/boot.adoc."""
    said = sections(boot_files.pi_config())[0][1]
    assert said["arm_64bit"] == "1" and said["kernel"] == "vmlinuz", "else it looks for kernel7.img, kernel8.img"
    assert said["initramfs"] == "initramfs.img followkernel", "no equals sign; behind the kernel, wherever that ends"
    assert len(said["initramfs"].split()[0]) <= 64, "start.elf reads as many letters"
    assert said["upstream_kernel"] == "1", "Debian's names of boards: bcm2837-rpi-3-b.dtb instead of bcm2710-…"
    assert "os_prefix" not in said, "“upstream/” is tried and dropped, because no kernel is there"
    assert "cmdline" not in said, "its default is cmdline.txt"
    assert said["enable_uart"] == "1", "without it the mini UART has no steady clock (configuration/uart.adoc)"


def test_the_pis_command_line_is_one_line_that_fits_both_slots() -> None:
    """The kernel takes 2,048 letters on arm64 (COMMAND_LINE_SIZE), and the firmware adds its own."""
    text = boot_files.pi_command_line(VERITY)
    assert text.count("\n") == 1 and text.endswith("\n") and len(text) < 1024
    assert VERITY.word() in text and "everpx.trial=firmware" in text
    assert "rauc.slot" not in text and "$" not in text, "which slot this is, only the firmware knows"


@pytest.mark.parametrize(
    ("given", "chosen", "slot"),
    [
        ("rauc.slot=B everpx.trial=1", None, "B"),
        ("everpx.trial=firmware", 2, "A"),
        ("everpx.trial=firmware", 3, "B"),
        ("rauc.slot=A", 3, "A"),
        ("everpx.trial=firmware", 1, ""),
        ("everpx.trial=firmware", 0, ""),  # a Pi 5's bootloader before May 2024 (rpi-eeprom 575)
        ("everpx.trial=firmware", None, ""),
    ],
)
def test_the_first_program_finds_out_which_slot_it_is(
    tmp_path: Path, given: str, chosen: int | None, slot: str
) -> None:
    """configuration/device-tree.adoc: ``chosen/bootloader/partition`` is one big-endian number of 32 bits."""
    script = (APP / "image/boot/init").read_text()
    lines = script[script.index("# GRUB names the slot") : script.index("case $slot in")]
    ask = next(line for line in script.splitlines() if line.startswith("given()"))
    (tmp_path / "cmdline").write_text(f"quiet {given} everpx.disk=e5e50001\n")
    if chosen is not None:
        (tmp_path / "partition").write_bytes(chosen.to_bytes(4, "big"))
    for there, here in (("/proc/cmdline", "cmdline"), ("/proc/device-tree/chosen/bootloader", ".")):
        ask, lines = ask.replace(there, str(tmp_path / here)), lines.replace(there, str(tmp_path / here))
    said = subprocess.run(
        ["sh", "-eu", "-c", f'{ask}\n{lines}\necho "$slot"'], capture_output=True, text=True, check=True, timeout=10
    )
    assert said.stdout.strip() == slot and not said.stderr


def test_firmware_that_lost_its_way_ends_in_a_slot_and_not_in_the_selector(tmp_path: Path) -> None:
    """raspberry-pi/eeprom-bootloader.adoc, PARTITION_WALK: without ``autoboot.txt`` the first with a start4.elf
    is started (with a config.txt on a Pi 5).  A Pi 3's ROM reads bootcode.bin from the first FAT, and no more
    (raspberry-pi/bootflow-legacy.adoc); that program then reads autoboot.txt."""
    for name in (ARM64.grub_program, Path(slots.PI_FIRMWARE) / "bootcode.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for name in slots.PI_PROGRAMS:
        (tmp_path / slots.PI_FIRMWARE / name).write_bytes(b"x")
    for name in ("boot/vmlinuz-6.12", "usr/lib/linux-image-6.12/broadcom/bcm2711-rpi-4-b.dtb"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    selector = slots.selector_files(ARM64, tmp_path, b"", tmp_path)
    assert {"autoboot.txt", "bootcode.bin"} <= set(selector)
    assert not {"config.txt", "start.elf", "start4.elf"} & set(selector)
    slot = slots.boot_slot_files(ARM64, Kernel(tmp_path), VERITY, b"", tmp_path)
    pairs = {"start.elf", "fixup.dat", "start4.elf", "fixup4.dat"}  # an unmatched pair stops the board (boot.adoc)
    assert {"config.txt", "cmdline.txt", "vmlinuz", "initramfs.img", "bcm2711-rpi-4-b.dtb", *pairs} <= set(slot)


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
    for block in (bootenv(), bootenv("B", "A")):
        assert len(block) == 1024 and block.startswith(b"# GRUB Environment Block\n") and block.endswith(b"#")
    assert b"\nprimary=B\ntry=A\n" in bootenv("B", "A")


def test_the_first_program_reads_exactly_what_the_command_line_says() -> None:
    said = {
        word.partition("=")[0] for word in shlex.split(boot_files.command_line(boot_files.FROM_GRUB, VERITY, "ttyS0"))
    }
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


def test_an_image_that_has_grown_too_large_is_not_built(tmp_path: Path) -> None:
    packed = tmp_path / "disk.img.gz"
    for size in (disk.LARGEST_PACKED, disk.LARGEST_PACKED + 1):
        with packed.open("wb") as out:
            out.truncate(size)
        if size == disk.LARGEST_PACKED:
            disk.light_enough(packed)
    with pytest.raises(BuildFailed, match=re.escape("left-out.txt")):
        disk.light_enough(packed)
