"""A TCP proxy on the loopback interface that cuts, delays, doubles and corrupts, by a seed."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time

TROUBLES = ("cut", "delay", "stall", "double", "corrupt")


class Proxy:
    """Forwards connections to an endpoint; some trouble happens, then no more.

    chance: says which trouble, after how many bytes.
    """

    def __init__(self, endpoint: str, chance: random.Random) -> None:
        host, _, port = endpoint.rpartition(":")
        self._target = (host, int(port))
        self._chance = chance
        self._lock = threading.Lock()
        # The bytes after which each trouble happens, counted over all connections.
        places = sorted(int(chance.expovariate(1 / 40_000)) for _ in range(chance.randint(1, 4)))
        self.troubles = [(place, chance.choice(TROUBLES)) for place in places]
        self._left = list(self.troubles)
        self._seen = 0
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            found = [self._listener, *self._open]
            self._open.clear()
        for one in found:
            _shut(one)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            with self._lock:
                self._open |= {near, far}
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(self._troubled(data))
        _shut(source)
        _shut(target)
        with self._lock:
            self._open -= {source, target}

    def _troubled(self, data: bytes) -> bytes:
        with self._lock:
            self._seen += len(data)
            due = self._left[:1] if self._left and self._left[0][0] < self._seen else []
            del self._left[: len(due)]
            place = self._chance.randrange(len(data))
        for _, trouble in due:
            if trouble == "cut":
                raise ConnectionResetError("as told")
            if trouble in ("delay", "stall"):
                time.sleep(0.2 if trouble == "delay" else 3.0)
            elif trouble == "double":
                return data * 2
            elif trouble == "corrupt":
                return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]
        return data


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
