"""Giving stations an identity, with the real programs: what is on the disk, on the label and in the record."""

import gzip
import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from PIL import Image

from appliance import identity
from appliance.places import Places
from image.build import stamp
from image.build.arch import ARM64
from image.build.disk import packed
from image.build.label import drawn
from image.build.layout import MIB, divided, table, whole
from image.build.programs import BuildFailed
from tests.root import need_root

pytestmark = pytest.mark.component
PARTS = divided(ARM64)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> stamp.Built:
    """A disk as a build leaves it: the real table, and something in the slots to tell them by."""
    need_root()  # files of the station's user are made
    folder = tmp_path_factory.mktemp("built")
    disk = folder / "disk.img"
    with disk.open("wb") as out:
        out.truncate(whole(PARTS))
        for number in (1, 2, 5):
            out.seek(PARTS[number].start)
            out.write(hashlib.shake_256(bytes([number])).digest(MIB))
    subprocess.run(["/usr/sbin/sfdisk", "--quiet", disk], input=table(PARTS), text=True, check=True, timeout=60)
    packed(disk, PARTS[7].start, folder / "disk.img.gz")
    (folder / "build.json").write_text(json.dumps({"arch": "arm64", "model": "everpx-arm64", "version": "1.0"}))
    return stamp.found(folder)


def common_part(disk: Path) -> str:
    """A hash of everything but the data partition."""
    with disk.open("rb") as content:
        return hashlib.sha256(content.read(PARTS[7].start)).hexdigest()


def read(image: Path, name: str, program: Callable[[str], str], folder: Path) -> bytes:
    """A file of the data partition, by ext4's own debugger."""
    data = folder / "data"
    if not data.exists():
        with image.open("rb") as disk, data.open("wb") as out:
            disk.seek(PARTS[7].start)
            out.write(disk.read(PARTS[7].size))
    said = subprocess.run(
        [program("debugfs"), "-R", f"cat {name}", data], capture_output=True, timeout=60, check=True
    ).stdout
    assert said, f"{name} is missing"
    return said


def test_two_stations_share_slots_to_the_byte_and_no_secret(
    built: stamp.Built, tmp_path: Path, program: Callable[[str], str]
) -> None:
    stations = [stamp.stamp(built, tmp_path, raw=True) for _ in range(2)]
    secrets, common = [], []
    for number, station in enumerate(stations):
        image = tmp_path / f"{station.station_id}.img"
        folder = tmp_path / f"look-{number}"
        folder.mkdir()
        secrets.append({name: read(image, name, program, folder) for name in station.files})
        common.append(common_part(image))
    assert common[0] == common[1]
    for name in secrets[0]:
        assert secrets[0][name] != secrets[1][name], name
    assert stations[0].claim_code != stations[1].claim_code and stations[0].public_key != stations[1].public_key


def test_the_flashable_file_unpacks_to_the_same_disk_and_the_data_partition_is_sound(
    built: stamp.Built, tmp_path: Path, program: Callable[[str], str]
) -> None:
    station = stamp.stamp(built, tmp_path)
    packed_image = tmp_path / f"{station.station_id}.img.gz"
    assert packed_image.stat().st_mode & 0o077 == 0, "it holds the station's keys"
    checked = ["sha256sum", "--check", "--strict", f"{packed_image.name}.sha256"]
    subprocess.run(checked, cwd=tmp_path, check=True, timeout=60, capture_output=True)
    disk = tmp_path / "disk.img"
    with gzip.open(packed_image) as content, disk.open("wb") as out:
        while piece := content.read(MIB):
            out.write(piece)
    assert disk.stat().st_size == whole(PARTS)
    assert common_part(disk) == common_part(built.folder / "disk.img")
    read(disk, "everpx/station.json", program, tmp_path)
    checked = subprocess.run(
        [program("e2fsck"), "-f", "-n", tmp_path / "data"], capture_output=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_what_is_on_the_station_opens_with_what_is_on_the_label(
    built: stamp.Built, tmp_path: Path, program: Callable[[str], str]
) -> None:
    station = stamp.stamp(built, tmp_path, raw=True)
    image = tmp_path / f"{station.station_id}.img"
    places = Places(tmp_path / "station", tmp_path / "run")
    places.data.mkdir()
    places.identity.write_bytes(read(image, "everpx/station.json", program, tmp_path))
    own = identity.load(places)
    assert own.station_id == station.station_id and identity.is_id(own.station_id)
    assert own.matches(station.claim_code) and not own.matches(identity.new_code())
    key = serialization.load_pem_private_key(read(image, "identity/station.key", program, tmp_path), None)
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    assert key.public_key().public_bytes(*raw).hex() == station.public_key
    authority = x509.load_pem_x509_certificate(read(image, "identity/authority.crt", program, tmp_path))
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    authority.verify_directly_issued_by(authority)


def test_the_record_knows_the_station_and_opens_nothing(built: stamp.Built, tmp_path: Path) -> None:
    stations = [stamp.stamp(built, tmp_path) for _ in range(2)]
    lines = [json.loads(line) for line in (tmp_path / stamp.RECORD).read_text().splitlines()]
    assert [line["station_id"] for line in lines] == [station.station_id for station in stations]
    for line, station in zip(lines, stations, strict=True):
        text = json.dumps(line)
        assert line["public_key"] == station.public_key and line["claim_hash"] == station.claim_hash
        assert station.claim_code not in text and "PRIVATE" not in text


def test_a_label_is_printed_in_its_real_size(built: stamp.Built, tmp_path: Path) -> None:
    station = stamp.stamp(built, tmp_path)
    start = tmp_path / f"{station.station_id}-label"
    with Image.open(start.with_suffix(".png")) as label:
        assert [round(dots / 300 * 25.4) for dots in label.size] == [80, 40]
    pdf = start.with_suffix(".pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and b"/MediaBox" in pdf


@pytest.mark.parametrize("letter", ["W", "J", "2"])
def test_a_label_has_its_margins_whatever_its_code_and_a_phone_reads_it(
    letter: str, tmp_path: Path, program: Callable[[str], str]
) -> None:
    code = "-".join([letter * 5] * 4)
    label = drawn(identity.id_of(letter * 12), code)
    margin = 3 * 300 // 25
    assert label.crop((0, 0, margin - 4, label.height)).getextrema() == (255, 255)
    assert label.crop((label.width - margin + 4, 0, label.width, label.height)).getextrema() == (255, 255)
    assert label.crop((0, label.height - margin + 4, label.width, label.height)).getextrema() == (255, 255)
    label.save(tmp_path / "label.png")
    read = subprocess.run(
        [program("zbarimg"), "-q", "--raw", tmp_path / "label.png"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert read.stdout.strip() == f"http://everpx.local/wizard?code={code}"


def test_without_a_build_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"build-image\.sh --arch"):
        stamp.found(tmp_path)
