"""The real root daemon on its real socket: who may ask, how much, and what it writes down."""

import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.broker import protocol
from appliance.broker.client import Refusal, SocketBroker
from appliance.errors import BrokerUnavailable
from tests.component.loop_drives import let_others_pass
from tests.signals import hand_to_thread, other_threads

pytestmark = pytest.mark.component

VERBS = '''
"""Verbs for a test."""
import os
import time
from dataclasses import dataclass, field

from appliance.broker.protocol import verb
from appliance.errors import Conflict


@dataclass(frozen=True)
class Word:
    """One word and a secret one."""

    word: str
    secret: str = field(default="", repr=False)


@verb("test.echo")
def echo(request: Word) -> dict[str, object]:
    """Say it."""
    return {"word": request.word, "uid": os.geteuid()}


@verb("test.slow")
def slow(request: Word) -> dict[str, object]:
    """Take long."""
    time.sleep(30)
    return {}


@verb("test.fail")
def fail(request: Word) -> dict[str, object]:
    """In three ways."""
    if request.word == "expected":
        raise Conflict()
    if request.word == "system":
        raise PermissionError(13, "Permission denied")
    raise KeyError(request.secret)
'''


ACCEPTS = "00010000"  # the flag of a listening socket in /proc/net/unix (__SO_ACCEPTCON)


class Daemon:
    """A running root daemon with the verbs above."""

    def __init__(self, folder: Path) -> None:
        (folder / "test_verbs.py").write_text(VERBS)
        folder.chmod(0o755)
        self.log, self.socket = folder / "log", folder / "broker.sock"
        user = "games" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        options = ["--socket", str(self.socket), "--user", user, "--load", "test_verbs"]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "appliance.broker.daemon", *options],
                env=os.environ | {"PYTHONPATH": f"{folder}:{Path.cwd()}"},
                stderr=out,
            )
        end = time.monotonic() + 15
        while not self.listens():
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)
        self.ask = SocketBroker(self.socket)

    def listens(self) -> bool:
        """Whether the kernel takes connections; the socket has its name a moment earlier."""
        lines = Path("/proc/net/unix").read_text().splitlines()
        return any(line.endswith(f" {self.socket}") and line.split()[3] == ACCEPTS for line in lines)

    def raw(self, content: bytes) -> bytes:
        """What comes back for these bytes."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self.socket))
            try:
                connection.sendall(content)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            with connection.makefile("rb") as stream:
                return stream.readline()

    def audit(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if " audit " in line]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    running = Daemon(tmp_path)
    yield running
    if running.process.poll() is None:
        running.process.terminate()
        running.process.wait(10)


@pytest.fixture
def open_path(tmp_path: Path) -> None:
    """Let other users reach the socket's folder."""
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("this test needs root")
    let_others_pass(tmp_path)


ASK = """
import json, os, sys
uid, gid, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
from appliance.broker.client import SocketBroker
os.setgroups([]); os.setgid(gid); os.setuid(uid)
try:
    print(json.dumps(SocketBroker(__import__("pathlib").Path(path))("test.echo", {"word": "hello"})))
except Exception as error:
    print(type(error).__name__, getattr(error, "code", ""), error)
"""


def ask_as(uid: int, gid: int, path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(uid), str(gid), str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.strip()


def test_a_verb_answers_and_leaves_one_audit_line_without_secrets(daemon: Daemon) -> None:
    assert daemon.ask("test.echo", {"word": "hello", "secret": "hunter2"}) == {"word": "hello", "uid": os.geteuid()}
    (line,) = daemon.audit()
    assert f"pid={os.getpid()} uid={os.geteuid()} verb=test.echo Word(word='hello') -> ok" in line
    assert "hunter2" not in daemon.log.read_text()


def test_only_root_and_the_one_user_may_ask(daemon: Daemon, open_path: None) -> None:
    games, nobody = pwd.getpwnam("games"), pwd.getpwnam("nobody")
    assert json.loads(ask_as(games.pw_uid, games.pw_gid, daemon.socket))["uid"] == 0
    assert ask_as(nobody.pw_uid, nobody.pw_gid, daemon.socket).startswith("BrokerUnavailable")  # the socket is 0660
    stranger = ask_as(nobody.pw_uid, games.pw_gid, daemon.socket)  # in the group, but another user
    assert "bad_request" in stranger and "may not ask" in stranger
    assert f"uid={nobody.pw_uid} verb=? None -> bad_request" in daemon.audit()[-1]


def test_failures_come_back_in_one_shape(daemon: Daemon) -> None:
    with pytest.raises(Refusal) as expected:
        daemon.ask("test.fail", {"word": "expected"})
    assert (expected.value.code, bool(expected.value.hint)) == ("conflict", True)
    with pytest.raises(Refusal, match="Permission denied") as system:
        daemon.ask("test.fail", {"word": "system"})
    assert system.value.code == "system"
    with pytest.raises(Refusal) as bug:
        daemon.ask("test.fail", {"word": "bug"})
    assert bug.value.code == "bug"
    assert "KeyError" in daemon.log.read_text()
    with pytest.raises(Refusal, match="unknown verb"):
        daemon.ask("os.system", {"command": "id"})
    assert daemon.ask("test.echo", {"word": "still here"})["word"] == "still here"


def test_too_long_a_request_is_refused_without_being_read_to_its_end(daemon: Daemon) -> None:
    answer = json.loads(daemon.raw(b'{"verb": "' + b"x" * (4 * protocol.LIMIT) + b'"}\n'))
    assert "too long" in answer["message"]
    word = "x" * (protocol.LIMIT - 200)
    assert daemon.ask("test.echo", {"word": word})["word"] == word


def test_half_a_frame_and_no_frame_are_refused(daemon: Daemon) -> None:
    for content in (b"", b"{", b"\0" * 100, b'{"verb": "test.echo", "request": {"word": "a"'):
        assert json.loads(daemon.raw(content))["error"] == "bad_request"


def test_a_caller_that_leaves_and_a_slow_verb_hold_nobody_up(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(daemon.socket))
        slow.sendall(json.dumps({"verb": "test.slow", "request": {"word": "a"}}).encode() + b"\n")
        begun = time.monotonic()
        assert daemon.ask("test.echo", {"word": "quick"})["word"] == "quick"
        assert time.monotonic() - begun < 5


def test_killed_in_mid_call_the_caller_hears_of_it_and_a_new_daemon_takes_over(daemon: Daemon, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(daemon.socket))
        connection.sendall(json.dumps({"verb": "test.slow", "request": {"word": "a"}}).encode() + b"\n")
        time.sleep(0.3)
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
        assert connection.recv(100) == b""
    with pytest.raises(BrokerUnavailable):
        daemon.ask("test.echo", {"word": "a"})
    daemon.socket.rename(tmp_path / "old.sock")
    again = Daemon(tmp_path)
    assert again.ask("test.echo", {"word": "back"})["word"] == "back"
    again.process.terminate()
    assert again.process.wait(10) == 0


def test_the_socket_left_by_a_killed_daemon_is_replaced(daemon: Daemon, tmp_path: Path) -> None:
    daemon.process.kill()
    daemon.process.wait()
    assert daemon.socket.exists()
    again = Daemon(tmp_path)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            assert again.ask("test.echo", {"word": "back"})["word"] == "back"
            break
        except BrokerUnavailable:
            time.sleep(0.05)
    again.process.terminate()
    again.process.wait(10)


def test_a_signal_that_another_thread_gets_ends_it_all_the_same(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(daemon.socket))  # its thread waits for a request
        end = time.monotonic() + 5
        while not (threads := other_threads(daemon.process.pid)):
            assert time.monotonic() < end
            time.sleep(0.02)
        hand_to_thread(daemon.process.pid, threads[0], signal.SIGTERM)
        assert daemon.process.wait(5) == 0
