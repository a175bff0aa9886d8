"""A root shell inside the machine, for tests only and without a change to the image.

systemd takes units from whoever built the machine around it (credentials in SMBIOS type 11), so one more unit comes
from outside: it reads commands from a virtio port, one a line, and answers each with one line.
"""

import base64
import itertools
import secrets
import time
from pathlib import Path

from tests.image.qmp import called

PORT = "everpx.test"
LIMIT_S = 60
SERVER = f"""
exec 3<>/dev/virtio-ports/{PORT}
while read -r id limit words <&3; do
    [ "$limit" = here ] && {{ echo "$id here" >&3; continue; }}
    out=$(timeout -k 5 "$limit" bash -c "$(echo "$words" | base64 -d)" 2>&1 </dev/null)
    echo "$id $? $(printf %s "$out" | base64 -w0)" >&3
done
"""


class Failed(AssertionError):
    """A command in the machine did not succeed; the message holds what it said."""


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


UNIT = f"""
[Unit]
Description=A shell for tests
DefaultDependencies=no
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/bash -c 'until [ -e /dev/virtio-ports/{PORT} ]; do sleep 1; done; echo {_coded(SERVER)} | base64 -d >/run/tests.sh; exec /bin/bash /run/tests.sh'
Restart=always
RestartSec=100ms
OOMScoreAdjust=-1000
"""  # noqa: E501
CREDENTIALS = {
    "systemd.extra-unit.tests.service": UNIT,
    "systemd.unit-dropin.sysinit.target": "[Unit]\nWants=tests.service\n",
}


def words(place: Path) -> list[str]:
    """What QEMU is told, so that there is such a shell."""
    port = ["-chardev", f"socket,id=shell,path={place},server=on,wait=off"]
    port += ["-device", "virtio-serial-pci", "-device", f"virtserialport,chardev=shell,name={PORT}"]
    return [*port, *told_by_firmware(CREDENTIALS)]


def told_by_firmware(credentials: dict[str, str]) -> tuple[str, ...]:
    """What QEMU is told, so that systemd finds these credentials."""
    kind = "type=11,value=io.systemd.credential.binary"
    return tuple(word for name, text in credentials.items() for word in ("-smbios", f"{kind}:{name}={_coded(text)}"))


class Shell:
    """Commands for the machine's root."""

    def __init__(self, place: Path) -> None:
        self._line = called(place, 30)
        self._numbers = (f"{secrets.token_hex(4)}-{number}" for number in itertools.count(1))
        self._rest = b""

    def run(self, command: str, within_s: float = LIMIT_S) -> str:
        """What a command printed.  Raises Failed when it fails or is not done within its limit."""
        code, out = self.tried(command, within_s)
        if code:
            raise Failed(f"{command}: code {code}\n{out[-3000:]}")
        return out

    def tried(self, command: str, within_s: float = LIMIT_S) -> tuple[int, str]:
        """A command's code (124: not done within its limit) and what it printed."""
        number = next(self._numbers)
        self._ask(f"{number} {within_s:.0f} {_coded(command)}")
        end = time.monotonic() + within_s + 30  # the machine counts, and is slower than this one
        while True:
            answer = self._heard(end).split()
            if answer[:1] == [number]:
                return int(answer[1]), base64.b64decode(answer[2] if len(answer) > 2 else "").decode(errors="replace")

    def wait(self, within_s: float) -> None:
        """Until the shell is there.  It is asked again, because what it was asked while it began may be lost."""
        end = time.monotonic() + within_s
        while True:
            word = next(self._numbers)
            self._ask(f"{word} here")
            try:
                soon = min(end, time.monotonic() + 5)
                while not self._heard(soon).startswith(f"{word} "):
                    continue
                return
            except TimeoutError:
                if time.monotonic() > end:
                    raise Failed(f"the shell for tests did not answer within {within_s:.0f} s") from None

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _ask(self, line: str) -> None:
        self._line.settimeout(LIMIT_S)
        self._line.sendall(line.encode() + b"\n")

    def _heard(self, end: float) -> str:
        while b"\n" not in self._rest:
            self._line.settimeout(max(end - time.monotonic(), 0.01))
            piece = self._line.recv(65536)
            if not piece:
                raise Failed("the machine has ended")
            self._rest += piece
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode(errors="replace").strip()
