"""A server that gives pieces of files, as streaming wants them."""

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    """GET with a range, HEAD without."""

    folder: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        """How large a file is."""
        self._give(body=False)

    def do_GET(self) -> None:
        """All of a file, or a piece."""
        self._give(body=True)

    def _give(self, *, body: bool) -> None:
        file = self.folder / Path(self.path).name
        size = file.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), min(int(asked[2] or size - 1), size - 1)) if asked else (0, size - 1)
        self.asked.append(self.headers.get("Range", ""))
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if body:
            with file.open("rb") as content:
                content.seek(first)
                left = last - first + 1
                while left and (piece := content.read(min(left, 1 << 20))):
                    self.wfile.write(piece)
                    left -= len(piece)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """While the block runs, on this computer only: its port, and the ranges that it was asked for."""
    asked: list[str] = []
    kind = type("Here", (Handler,), {"folder": folder, "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
