"""What goes into an image, and how it is asked for."""

import pytest

from image.build import archive, contents, films, sbom, wheels
from image.build.arch import AMD64, ARM64
from image.build.archive import Package
from image.build.contents import APP
from image.build.kernel import in_order
from image.build.programs import BuildFailed


def test_the_image_has_what_the_station_and_every_plugin_ask_for() -> None:
    found = contents.packages()
    assert {"nginx-light", *films.LIBRARIES, "rsync", "systemd-sysv", "rauc"} <= set(found)
    assert contents.of_plugins() <= set(found) and "samba" in contents.of_plugins()
    assert found == sorted(set(found)) and not {"python3-venv", "ffmpeg"} & set(found)


def test_no_package_list_forgets_to_say_why() -> None:
    for path in sorted((APP / "image").glob("*.txt")):
        for line in path.read_text().splitlines():
            assert line.startswith("#") or len(line.split()) > 1, f"{path.name}: {line}"


def test_the_pi_gets_its_start_files_and_a_pc_does_not() -> None:
    assert "raspi-firmware" in contents.loose(ARM64, "linux-image-x")
    assert contents.loose(AMD64, "linux-image-x") == ["linux-image-x", "grub-efi-amd64-unsigned"]


def test_what_apt_would_install_is_read_with_its_versions() -> None:
    said = (
        "NOTE: This is only a simulation!\n"
        "Inst libc6 (2.41-12 Debian:13.8/stable [arm64])\n"
        "Inst base-files:arm64 (13.8+deb13u5 Debian:13.8/stable [arm64]) []\n"
        "Conf libc6 (2.41-12 Debian:13.8/stable [arm64])\n"
    )
    assert archive.resolved(said) == [Package("base-files", "13.8+deb13u5"), Package("libc6", "2.41-12")]


def test_a_base_is_another_one_when_one_version_changes() -> None:
    one, other = [Package("nginx", "1")], [Package("nginx", "2")]
    assert contents.key(contents.as_lines(one)) == contents.key(contents.as_lines(list(one)))
    assert contents.key(contents.as_lines(one)) != contents.key(contents.as_lines(other))


def test_security_updates_are_asked_for_unless_the_mirror_holds_all() -> None:
    lines = archive.sources("http://a.example/debian", "http://b.example/security")
    assert [line.split()[2:4] for line in lines] == [
        ["http://a.example/debian", "trixie"],
        ["http://a.example/debian", "trixie-updates"],
        ["http://b.example/security", "trixie-security"],
    ]
    assert len(archive.sources("http://a.example/debian", "")) == 2


def test_every_locked_package_is_asked_for_and_none_of_another_system() -> None:
    lock = (APP / "requirements.lock").read_text()
    found = wheels.requirements(lock)
    assert {"flask", "pillow", "pi-heif", *wheels.SOURCE_ONLY} <= set(found)
    assert not {"pywin32", "colorama"} & set(found)
    assert all("--hash=sha256:" in lines for lines in found.values())


def test_wheels_are_chosen_for_the_image_not_for_this_machine() -> None:
    assert {"manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_28_aarch64"} <= set(wheels.platforms(ARM64))
    assert all(name.endswith("x86_64") for name in wheels.platforms(AMD64))
    assert "manylinux_2_42_aarch64" not in wheels.platforms(ARM64), "Debian 13 could not load it"


def test_a_driver_comes_after_those_it_needs() -> None:
    index = (
        "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz\n"
        "kernel/fs/jbd2/jbd2.ko.xz:\n"
        "kernel/lib/crc16.ko.xz:\n"
    )
    order = in_order(["ext4", "jbd2", "usb-core"], index, "kernel/drivers/usb/usb-core.ko\n")
    assert len(order) == 3 and order[-1] == "kernel/fs/ext4/ext4.ko.xz"
    with pytest.raises(BuildFailed, match="no driver nvme"):
        in_order(["nvme"], index, "")


def test_the_list_of_contents_names_each_package_where_scanners_look() -> None:
    entries = sbom.of_debian(["libc6=2.41-12", "rsync=3.4.1+ds1-5"], "arm64")
    text = sbom.document("everpx-arm64", "1.2", entries, 1_700_000_000)
    assert '"pkg:deb/debian/rsync@3.4.1+ds1-5?arch=arm64&distro=debian-13"' in text
    assert '"created": "2023-11-14T22:13:20Z"' in text and text.count('"CONTAINS"') == 2
    assert text == sbom.document("everpx-arm64", "1.2", entries, 1_700_000_000)
