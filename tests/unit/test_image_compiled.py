"""What a build compiles: once for the same ingredients, whole or not at all, and only what the image can load."""

import re
from pathlib import Path

import pytest

from appliance.upgrade.loaders import TRYBOOT
from image.build import compilers, sbom, tools, tryboot
from image.build.archive import Archive
from image.build.compilers import Bench, Compilers
from image.build.kernel import Kernel
from image.build.programs import BuildFailed
from image.build.tools import Tools, Wished


class Says(Tools):
    """Tools of which ``modinfo`` says what stands in the file."""

    def run(self, argv: object, **_: object) -> str:
        assert isinstance(argv, list)
        return str(Path(argv[-1]).read_text())


@pytest.fixture
def made_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compilers:
    """Compilers that nobody sets up."""
    archive = Archive(tmp_path / "archive", "amd64", [])
    monkeypatch.setattr(tools, "wished", lambda *_: Wished(archive, "compiler", [], ["gcc=14"]))
    monkeypatch.setattr(Wished, "set_up", lambda _, cache, log: Tools(cache / "compilers", cache, log))
    return compilers.Compilers(tmp_path, archive, tmp_path / "log")


def test_the_same_ingredients_are_compiled_once(made_by: Compilers) -> None:
    asked: list[Path] = []
    first = made_by.made("thing", ["1"], lambda bench: asked.append(bench.folder))
    assert made_by.made("thing", ["1"], lambda bench: asked.append(bench.folder)) == first
    assert len(asked) == 1 and first.is_dir()
    other = made_by.made("thing", ["2"], lambda bench: asked.append(bench.folder))
    assert len(asked) == 2 and other.is_dir() and not first.exists(), "the older one is forgotten"


def test_what_did_not_compile_is_not_kept(made_by: Compilers) -> None:
    def breaks(bench: Bench) -> None:
        (bench.folder / "half").touch()
        raise BuildFailed("no")

    with pytest.raises(BuildFailed):
        made_by.made("thing", ["1"], breaks)
    assert not list((made_by.made("thing", ["1"], lambda _: None)).iterdir())


def test_a_driver_of_another_kernel_is_refused(tmp_path: Path) -> None:
    words = "6.12.1+deb13-arm64 SMP mod_unload modversions aarch64"
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/vmlinuz-6.12.1+deb13-arm64").touch()
    kernel, helpers = Kernel(tmp_path), Says(tmp_path, tmp_path, tmp_path / "log")
    kernel.modules.mkdir(parents=True)
    (kernel.modules / "ext4.ko.xz").write_text(f"{words}\n")
    driver = tmp_path / "ours.ko"
    driver.write_text(f"{words}\n")
    tryboot.fits(driver, kernel, helpers)
    driver.write_text(words.replace("6.12.1", "6.12.2"))
    with pytest.raises(BuildFailed, match=r"6\.12\.2"):
        tryboot.fits(driver, kernel, helpers)


def test_the_driver_understands_what_the_loader_says() -> None:
    source = (tryboot.SOURCE / f"{tryboot.NAME}.c").read_text()
    looks_for = re.search(r'strstr\(argument, "(.*?)"\)', source)
    assert looks_for and looks_for[1] in TRYBOOT
    assert re.search(r'boards\[\].*"raspberrypi,bcm2835-firmware"', source), "udev finds it by this name"
    assert "GPL-2.0\n" in source.splitlines(keepends=True)[0]
    assert sbom.of_ours(tryboot.NAME, "6.12", tryboot.LICENCE)["licenseDeclared"] == "GPL-2.0-only"
