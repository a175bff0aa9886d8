"""Facts about drives as programs and the kernel tell them, turned into ours."""

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.drives import blocks, inventory, marker, peek, programs, records, smart
from appliance.drives.layout import MARKER
from appliance.errors import ProgramFailed

SATA = {
    "smartctl": {"exit_status": 0},
    "model_name": "WDC WD40",
    "serial_number": "WD-1",
    "smart_status": {"passed": True},
    "rotation_rate": 5400,
    "temperature": {"current": 34},
    "power_on_time": {"hours": 1200},
    "power_cycle_count": 77,
    "firmware_version": "80.00A80",
    "ata_smart_attributes": {"table": [{"id": 5, "raw": {"value": 0}}, {"id": 197, "raw": {"value": 8}}]},
}
NVME = {
    "smartctl": {"exit_status": 0},
    "smart_status": {"passed": True},
    "temperature": {"current": 41},
    "nvme_smart_health_information_log": {"percentage_used": 3, "media_errors": 0},
}
ASLEEP = {
    "smartctl": {"exit_status": 2, "messages": [{"string": "Device is in STANDBY mode, exit(2)", "severity": "info"}]}
}
NO_BRIDGE = {"smartctl": {"exit_status": 1, "messages": [{"string": "Unknown USB bridge [0x1234:0x5678 (0x100)]"}]}}
USB: dict[str, Any] = {"disk": "sda", "bus": "usb", "removable": False, "rotational": True}


def test_smart_is_understood_and_waiting_sectors_count_as_failing() -> None:
    said = smart.understand(SATA)
    assert (said["known"], said["temperature_c"], said["power_on_hours"], said["pending"]) == (True, 34, 1200, 8)
    assert said["solid_state"] is False and inventory.verdict_of(said) == "failing"
    healthy = smart.understand(SATA | {"ata_smart_attributes": {"table": []}})
    assert inventory.verdict_of(healthy) == "good" and inventory.kind_of(USB, healthy) == "hdd"


def test_an_nvme_behind_a_bridge_is_an_ssd_whatever_the_bridge_says() -> None:
    said = smart.understand(NVME)
    assert said["percent_used"] == 3 and inventory.kind_of(USB, said) == "ssd"


def test_a_sleeping_drive_is_asleep_and_not_healthy() -> None:
    said = smart.understand(ASLEEP)
    assert said["asleep"] and inventory.verdict_of(said) == "unknown" and inventory.power_of(USB, said) == "standby"


@pytest.mark.parametrize("said", [NO_BRIDGE, {}, {"smart_status": {}}, {"smart_status": {"passed": None}}])
def test_what_smart_does_not_say_is_unknown(said: dict[str, Any]) -> None:
    answer = smart.understand(said)
    assert not answer["known"] and inventory.verdict_of(answer) == "unknown"
    assert inventory.power_of(USB, answer) == "unknown"


def test_each_dialect_is_tried_and_the_one_that_worked_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def ask(disk: str, dialect: str) -> dict[str, Any]:
        tried.append(dialect)
        return smart.understand(SATA if dialect == "usbjmicron" else NO_BRIDGE)

    monkeypatch.setattr(smart, "_ask_in", ask)
    monkeypatch.setattr(smart, "installed", lambda name: True)
    monkeypatch.setattr(smart, "_dialect", {})
    assert smart.ask("sda", 5)["known"] and tried == ["sat", "auto", "usbjmicron"]
    tried.clear()
    assert smart.ask("sda", 5)["known"] and tried == ["usbjmicron"]
    tried.clear()
    assert smart.ask("sda", 6)["known"] and tried[0] == "sat"


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"removable": True}, "stick"),
        ({"rotational": False}, "ssd"),
        ({"rotational": None}, "unknown"),
        ({"disk": "mmcblk1"}, "card"),
        ({"bus": "loop"}, "loop"),
    ],
)
def test_the_kind_of_a_drive_is_told_from_what_is_known(facts: dict[str, Any], kind: str) -> None:
    assert inventory.kind_of(USB | facts, {}) == kind


@pytest.fixture
def usb_sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel that knows one USB disk with two partitions and one that is built in."""
    for disk, way in (("sda", "pci0/usb2/2-1/host4/block"), ("sdb", "pci0/ata1/host0/block")):
        place = tmp_path / "devices" / way / disk
        place.mkdir(parents=True)
        (place / "diskseq").write_text("9\n")
        (place / "size").write_text("4000000\n")
        for folder in ("block", "class/block"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / disk).symlink_to(place)
        for number in (1, 2):
            part = place / f"{disk}{number}"
            part.mkdir()
            (part / "partition").write_text(f"{number}\n")
            (part / "size").write_text("1000000\n")
            (tmp_path / "class/block" / part.name).symlink_to(part)
    monkeypatch.setattr(records, "SYSFS", tmp_path)
    return tmp_path


def lsblk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lsblk says of that kernel."""
    disks = []
    for name in ("sda", "sdb"):
        facts = {"size": 2048000000, "ro": False, "rm": False, "rota": True, "tran": None}
        facts |= {"model": " My  Disk ", "vendor": "ACME ", "serial": "A1"}
        parts = [facts | {"kname": f"{name}{n}", "type": "part", "size": 512000000} for n in (1, 2)]
        disks.append(facts | {"kname": name, "type": "disk", "children": parts})
    said = type("Said", (), {"stdout": json.dumps({"blockdevices": disks})})
    monkeypatch.setattr(blocks, "run", lambda *_, **__: said)


def test_only_disks_on_the_usb_bus_may_be_touched(usb_sysfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lsblk(monkeypatch)
    found = blocks.survey(usb_sysfs)
    assert [(b.device, b.disk, b.sequence, b.model, b.vendor) for b in found] == [
        ("sda1", "sda", 9, "My Disk", "ACME"),
        ("sda2", "sda", 9, "My Disk", "ACME"),
    ]
    for device in ("sdb", "sdb1", "sdz", "../sda", "sda1;x"):
        with pytest.raises(blocks.NotTouchable):
            blocks.find(usb_sysfs, device)


def test_a_disk_with_one_partition_of_the_system_is_the_systems(
    usb_sysfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lsblk(monkeypatch)
    monkeypatch.setattr(blocks, "taken_devices", lambda root: {"sda2": "it is in use at /"})
    assert {b.system for b in blocks.survey(usb_sysfs)} == {"it is in use at /"}
    with pytest.raises(blocks.NotTouchable, match="in use at /"):
        blocks.find(usb_sysfs, "sda1")


def test_a_disk_below_an_encrypted_system_is_the_systems(usb_sysfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lsblk(monkeypatch)
    (usb_sysfs / "block/sda/sda1/holders/dm-0").mkdir(parents=True)
    monkeypatch.setattr(blocks, "taken_devices", lambda root: {"dm-0": "it is in use at /"})
    with pytest.raises(blocks.NotTouchable):
        blocks.find(usb_sysfs, "sda2")


def test_a_reader_without_a_card_is_nothing(usb_sysfs: Path) -> None:
    assert records.sequence_of("sda1") == 9
    (usb_sysfs / "block/sda/sda1/size").write_text("0\n")
    assert records.sequence_of("sda1") is None and records.sequence_of("sdz9") is None


def test_the_dirty_bit_is_read_where_each_filesystem_keeps_it() -> None:
    exfat, fat32, fat16 = bytearray(512), bytearray(512), bytearray(512)
    exfat[106], fat32[0x41], fat16[0x25], fat16[22] = 2, 1, 1, 8
    assert peek.fat_dirty(bytes(exfat), "exfat") and not peek.fat_dirty(bytes(512), "exfat")
    assert peek.fat_dirty(bytes(fat32), "vfat") and peek.fat_dirty(bytes(fat16), "vfat")
    assert not peek.fat_dirty(bytes(512), "vfat")


def test_a_program_that_hangs_is_missing_or_fails_is_told_in_its_own_words() -> None:
    with pytest.raises(ProgramFailed, match="did not answer"):
        programs.run(["sleep", "5"], timeout=0.2)
    with pytest.raises(ProgramFailed, match="not installed"):
        programs.run(["no-such-program-here"])
    with pytest.raises(ProgramFailed, match="no-such-folder"):
        programs.run(["ls", "/no-such-folder"])
    assert programs.run(["cat"], given="x").stdout == "x"


def test_a_marker_is_written_whole_and_read_without_following_links(tmp_path: Path) -> None:
    mark = marker.Marker("m", "s", "cold", 3, "u", "The “blue” 📷 drive", "now")
    mark.write(tmp_path)
    assert marker.read(tmp_path) == mark and mark.tag == "COLD-3"
    assert [p.name for p in tmp_path.iterdir()] == [MARKER]
    inside = tmp_path / "inside"
    inside.mkdir()
    assert marker.read(inside) is None
    (inside / MARKER).symlink_to(tmp_path / MARKER)
    assert marker.read(inside) is None
    (inside / MARKER).unlink()
    (inside / MARKER).mkdir()
    assert marker.read(inside) is None


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b"x" * 20_000, b"[" * 10_000, b'{"marker_id": 1}'])
def test_a_file_that_is_no_marker_is_no_marker(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MARKER).write_bytes(content)
    assert marker.read(tmp_path) is None


def test_a_note_of_an_earlier_boot_is_not_believed(tmp_path: Path) -> None:
    note = records.Record("HOT-1", "sda1", 1, "ext4", "u", str(tmp_path), tmp_path.stat().st_dev, False, "old boot")
    records.write(tmp_path, note)
    assert records.read(tmp_path, "HOT-1") == note and not note.is_live(tmp_path)
    (tmp_path / "HOT-2.json").write_text('{"tag": "HOT-2"}')
    (tmp_path / "HOT-3.json").write_bytes(b"\xff{")
    assert records.all_records(tmp_path) == [note]
    records.remember_look(tmp_path, "sda1", 4, {"names": []})
    assert records.last_look(tmp_path, "sda1", 4) == {"names": []} and records.last_look(tmp_path, "sda1", 5) is None
