"""A path from outside never leaves its root."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.library import beneath


@pytest.fixture(params=["kernel", "step by step"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """An open folder with a file, a folder, and links that lead astray; both ways of opening are tried."""
    if request.param == "step by step":
        monkeypatch.setattr(beneath, "_kernel_has_it", False)
    inside = tmp_path / "drive"
    (inside / "Anna" / "Photos").mkdir(parents=True)
    (inside / "Anna" / "Photos" / "a.jpg").write_bytes(b"photo")
    (tmp_path / "secret").write_bytes(b"secret")
    (inside / "out").symlink_to(tmp_path)
    (inside / "Anna" / "link.jpg").symlink_to("Photos/a.jpg")
    fd = beneath.open_root(inside)
    yield fd
    os.close(fd)


def test_a_plain_path_opens(root: int) -> None:
    fd = beneath.open_beneath(root, b"Anna/Photos/a.jpg")
    assert os.read(fd, 10) == b"photo"
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (b"../secret", errno.EXDEV),
        (b"Anna/../../secret", errno.EXDEV),
        (b"/etc/passwd", errno.EXDEV),
        (b"Anna\0", errno.EXDEV),
        (b"out/secret", None),
        (b"Anna/link.jpg", errno.ELOOP),
        (b"Anna/nothing", errno.ENOENT),
        (b"Anna/Photos/a.jpg/b", errno.ENOTDIR),
    ],
)
def test_a_crooked_path_is_refused(root: int, path: bytes, code: int | None) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError) as refused:
        beneath.open_beneath(root, path)
    assert refused.value.errno == code if code else refused.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_another_filesystem_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for kernel in (True, False):
        monkeypatch.setattr(beneath, "_kernel_has_it", kernel)
        top = beneath.open_root(Path("/"))
        with pytest.raises(OSError):
            beneath.open_beneath(top, b"proc/self/status")
        os.close(top)


def test_folders_are_made_once_and_never_through_a_link(root: int) -> None:
    for _ in range(2):
        os.close(beneath.make_folder(root, b"Anna/Photos/2026/2026-11"))
    with pytest.raises(OSError):
        beneath.make_folder(root, b"out/new")
    with pytest.raises(OSError):
        beneath.make_folder(root, b"Anna/Photos/a.jpg")


def test_resolve_gives_regular_files_only(root: int) -> None:
    top = Path(f"/proc/self/fd/{root}").readlink()
    assert beneath.resolve(top, b"Anna/Photos/a.jpg") == top / "Anna/Photos/a.jpg"
    for path in (b"Anna/Photos", b"Anna/link.jpg", b"out/secret", b"../secret", b"nothing"):
        assert beneath.resolve(top, path) is None
    assert beneath.resolve(top / "nowhere", b"a") is None
