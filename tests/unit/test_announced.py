"""What is announced is sound, or left out; a plugin's slip does not silence the others."""

from types import ModuleType

import pytest

from appliance import announced, plugin
from appliance.db import Database
from appliance.hookspecs import Announced, hookimpl

SMB = Announced("_smb._tcp", 445)


def announcing(name: str, *offered: object) -> ModuleType:
    module = ModuleType(name)

    @hookimpl
    def announced_services(session: object) -> list[object]:
        return list(offered)

    module.announced_services = announced_services  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    "slip",
    [
        Announced("smb", 445),
        Announced("_smb._tcp", 70000),
        Announced("_smb._tcp", 445, name="x" * 64),
        Announced("_smb._tcp", 445, name="line\nbreak"),
        Announced("_smb._tcp", 445, txt=("k=" + "x" * 255,)),
        Announced("_smb._tcp", 445, subtypes=("<x/>",)),
        ("_smb._tcp", 445),
        None,
    ],
)
def test_a_slip_is_left_out_and_the_rest_is_announced(db: Database, slip: object) -> None:
    loaded = plugin.load(db)
    for name, _ in loaded.manager.list_name_plugin():
        loaded.manager.unregister(name=name)
    loaded.manager.register(announcing("one", slip, SMB), name="one")
    loaded.manager.register(announcing("two", Announced("_http._tcp", 80), SMB), name="two")
    with db.reading() as session:
        assert announced.collect(session) == [Announced("_http._tcp", 80), SMB]
