"""What an image knows of upgrades, what a bundle says, and the keys that a build signs with."""

import configparser
import json
import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.upgrade import keys as trusted
from image.build import keys, upgrades
from image.build.arch import AMD64, ARCHES, Arch
from image.build.contents import APP
from image.build.programs import BuildFailed
from image.build.version import Version
from image.release import signing
from image.release.__main__ import main

VERSION = Version("1.4.0", "abc", 1_790_000_000)
BOTH = pytest.mark.parametrize("arch", ARCHES.values(), ids=ARCHES)


def parsed(text: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read_string(text)
    return found


@BOTH
def test_rauc_is_told_two_groups_of_slots_and_who_keeps_the_state(arch: Arch) -> None:
    found = parsed(upgrades.rauc_settings(arch, VERSION))
    system = found["system"]
    assert system["compatible"] == json.loads(VERSION.release(arch))["model"] == upgrades.model(arch)
    assert system["min-bundle-version"] == "1.4.0" and system["bundle-formats"] == "-plain"
    assert found["keyring"]["check-purpose"] == "codesign"
    for number, name in enumerate("AB"):
        assert found[f"slot.root.{number}"]["bootname"] == name
        assert found[f"slot.boot.{number}"]["parent"] == f"root.{number}"
    backend = found["handlers"]["bootloader-custom-backend"]
    assert (APP / "rootfs" / backend.lstrip("/")).stat().st_mode & 0o111
    assert found["streaming"]["sandbox-user"] in (APP / "rootfs/usr/lib/sysusers.d/everpx.conf").read_text()


@BOTH
def test_slots_are_those_of_the_running_disk(arch: Arch) -> None:
    found = parsed(upgrades.rauc_settings(arch, VERSION))
    made = re.search(r"for one in (.*); do ln", (APP / "image/boot/init").read_text())
    assert made
    numbers = dict(one.split(":") for one in made[1].split())
    asked = {name.removeprefix("slot."): found[name]["device"] for name in found if name.startswith("slot.")}
    assert asked == {name: f"/run/slots/{name}" for name in numbers}
    assert numbers == {"boot.0": "2", "boot.1": "3", "root.0": "5", "root.1": "6"}


def test_a_bundle_has_what_its_stations_ask_for() -> None:
    found = parsed(upgrades.manifest("everpx-amd64", "1.4.1"))
    assert dict(found["update"]) == {"compatible": upgrades.model(AMD64), "version": "1.4.1"}
    assert found["bundle"]["format"] == "verity"
    assert [name for name in found if name.startswith("image.")] == ["image.root", "image.boot"], "what starts it, last"


def test_development_keys_are_made_once_and_are_whole(tmp_path: Path) -> None:
    made = keys.found(None, tmp_path)
    assert made.development and made.can_sign and keys.found(None, tmp_path).authority == made.authority
    assert (made.folder / "release.key").stat().st_mode & 0o777 == 0o600
    listed = trusted.of_image(made.listed)
    assert listed.release == {signing.certificate_hash((made.folder / "release.crt").read_bytes())}
    signer = x509.load_pem_x509_certificate((made.folder / "release.crt").read_bytes())
    signer.verify_directly_issued_by(x509.load_pem_x509_certificate(made.authority))
    uses = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CODE_SIGNING]


def test_a_publishers_folder_has_no_secret_key_and_the_newest_list_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BuildFailed, match="release-authority"):
        keys.found(tmp_path, tmp_path)
    main(["authority", str(tmp_path / "release-authority")])
    monkeypatch.setenv("EVERPX_KEYS", str(tmp_path))
    made = keys.found(None, tmp_path)
    assert not made.development and not made.can_sign
    with pytest.raises(BuildFailed, match="keys-N"):
        assert made.listed
    for number in (1, 2, 10):
        (tmp_path / f"keys-{number}.json").write_text(str(number))
    assert made.listed == b"10"


def test_the_publishers_certificates_are_never_written_over(tmp_path: Path) -> None:
    main(["authority", str(tmp_path / "top")])
    main(["signer", str(tmp_path / "release"), "--authority", str(tmp_path / "top")])
    certificate = (tmp_path / "release.crt").read_bytes()
    x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(
        x509.load_pem_x509_certificate((tmp_path / "top.pem").read_bytes())
    )
    for words in (["authority", str(tmp_path / "top")], ["signer", str(tmp_path / "release"), "--authority", "top"]):
        with pytest.raises(SystemExit):
            main(words)
    assert (tmp_path / "release.crt").read_bytes() == certificate


def test_only_root_may_install() -> None:
    """Debian's own rule lets everybody who can reach the bus install what RAUC believes."""
    said = (APP / "rootfs/usr/share/dbus-1/system.d/de.pengutronix.rauc.conf").read_text()
    default, _, root = said.partition('<policy user="root">')
    assert (
        '<deny send_destination="de.pengutronix.rauc"/>' in default and "allow" not in default.split("<busconfig>")[1]
    )
    assert '<allow send_destination="de.pengutronix.rauc"/>' in root
