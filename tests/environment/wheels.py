"""Wheels and an index made on the spot, so that real installs need no network."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    requires: Sequence[str] = (),
    extra_files: dict[str, bytes] | None = None,
) -> Path:
    """Write a pure wheel: a module with `VERSION`, and a script `<name>-version` that prints it."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    extras = "Provides-Extra: more\n" if "extra ==" in needs else ""
    files = {
        f"{module}.py": f"VERSION = {version!r}\ndef main():\n    print(VERSION)\n".encode(),
        f"{info}/METADATA": (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{extras}{needs}"
        ).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-version={module}:main\n".encode(),
        **(extra_files or {}),
    }
    record = "".join(f"{path},{_digest(data)},{len(data)}\n" for path, data in files.items())
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return wheel


def install_by_hand(wheel: Path, folder: Path) -> None:
    """Unpack a wheel where the interpreter looks, as if the worker's image had it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


class Index:
    """A package index on a loopback port; it also answers as a proxy, for any host.

    `seen` lists the paths asked for. Downloads of wheels wait while `stalled` is set; `asked` tells
    that one began.
    """

    def __init__(self, wheels: Path) -> None:
        self.seen: list[str] = []
        self.asked = threading.Event()
        self.flowing = threading.Event()
        self.flowing.set()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.seen.append(self.path)
                path = self.path.rstrip("/")
                if path.endswith(".whl"):
                    if self.command == "GET":
                        index.asked.set()
                        index.flowing.wait(60)
                    self._answer((wheels / Path(path).name).read_bytes(), "application/zip")
                    return
                prefix = Path(path).name.replace("-", "_") + "-"
                found = [w.name for w in sorted(wheels.iterdir()) if w.name.startswith(prefix)]
                links = "".join(f'<a href="/files/{name}">{name}</a>' for name in found)
                self._answer(f"<!DOCTYPE html><html><body>{links}</body></html>".encode())

            do_HEAD = do_GET  # noqa: N815 - the base class names it

            def _answer(self, body: bytes, kind: str = "text/html") -> None:
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(body)))
                    self.send_header("Cache-Control", "max-age=0")  # ask again next time
                    self.end_headers()
                    if self.command == "GET":
                        self.wfile.write(body)
                except ConnectionError:
                    pass  # the client was killed, as some tests do

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.address}/simple"

    def close(self) -> None:
        """Stop answering; a second call does nothing."""
        self.flowing.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
