"""What a proxy answers in place of the control plane: plain HTTP, which gRPC makes codes of."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from pymonik import Pymonik
from pymonik.emulator import Emulator
from pymonik.errors import ClusterError
from tests.conformance.programs import square

PREFACE = 24  # bytes that a client of HTTP/2 begins with
HEADERS, SETTINGS, PING = 1, 4, 6
ACK, END = 1, 5  # of settings and pings; of headers after which nothing comes

ADVICE = {
    400: "client certificate",
    401: "does not know this client",
    403: "does not let this client through",
    413: "client_max_body_size",
    502: "does not reach the control plane",
    503: "has no control plane behind it",
    504: "gets no answer from the control plane",
}
PASSING = (502, 503, 504)


class Proxy:
    """Refuses streams with a status, as many as it is told to; then passes connections on."""

    def __init__(self, behind: str, status: int, times: int) -> None:
        host, _, port = behind.rpartition(":")
        self._behind = host, int(port)
        self._status = status
        self._left = times
        self.refused = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        for one in self._open:
            with suppress(OSError):  # its other end was first
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        with suppress(OSError):  # the end of the test
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                work = self._refuse if self._left else self._pass_on
                threading.Thread(target=work, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        server = socket.create_connection(self._behind)
        self._open.append(server)
        for pair in ((client, server), (server, client)):
            threading.Thread(target=_copy, args=pair, daemon=True).start()

    def _refuse(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError), client:
            _exactly(client, PREFACE)
            client.sendall(_frame(SETTINGS, 0, 0))
            while self._left:
                kind, flags, stream, data = _read_frame(client)
                if kind in (SETTINGS, PING) and not flags & ACK:
                    client.sendall(_frame(kind, ACK, 0, data if kind == PING else b""))
                elif kind == HEADERS:
                    self._left -= 1
                    self.refused += 1
                    client.sendall(_frame(HEADERS, END, stream, _answer(self._status)))
            # What it passes on goes over connections of their own.
            client.shutdown(socket.SHUT_RDWR)


def _answer(status: int) -> bytes:
    """Write the headers of an error page: names by the static table, values as they are."""
    page = b"text/html"
    return b"\x08\x03%d" % status + b"\x0f\x10" + bytes([len(page)]) + page


def _frame(kind: int, flags: int, stream: int, data: bytes = b"") -> bytes:
    return len(data).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + data


def _read_frame(client: socket.socket) -> tuple[int, int, int, bytes]:
    head = _exactly(client, 9)
    data = _exactly(client, int.from_bytes(head[:3], "big"))
    return head[3], head[4], int.from_bytes(head[5:], "big"), data


def _exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = client.recv(size - len(data))
        if not more:
            raise ValueError("closed")
        data += more
    return data


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(cluster: Emulator) -> Iterator[Any]:
    made: list[Proxy] = []

    def make(status: int, times: int) -> Proxy:
        made.append(Proxy(cluster.endpoint, status, times))
        return made[-1]

    yield make
    for one in made:
        one.close()


class HangsUp(Proxy):
    """Refuses some requests, and hangs up on all others."""

    def _pass_on(self, client: socket.socket) -> None:
        client.close()


def test_what_a_proxy_has_said_counts_more_than_that_it_hangs_up(cluster: Emulator) -> None:
    with closing(HangsUp(cluster.endpoint, 504, 1)) as refusing:
        with pytest.raises(ClusterError, match=r"a proxy on the way .* \(HTTP 504\)"):
            Pymonik(refusing.endpoint).create()
        assert refusing.refused == 1


@pytest.mark.parametrize("status", ADVICE)
def test_a_proxy_that_refuses_is_told_as_such_with_the_likely_cause(
    proxy: Any, status: int
) -> None:
    with closing(proxy(status, 1_000)) as refusing:
        with pytest.raises(ClusterError) as caught:
            Pymonik(refusing.endpoint).create()
        text = str(caught.value)
        assert "a proxy on the way" in text
        assert ADVICE[status] in text
        assert f"(HTTP {status})" in text
        # Asked again is what may pass; of what will not, nobody asks twice.
        assert (refusing.refused > 1) == (status in PASSING)


@pytest.mark.parametrize("status", PASSING)
def test_a_proxy_whose_control_plane_comes_back_is_asked_again(proxy: Any, status: int) -> None:
    passing = proxy(status, 2)
    with Pymonik(passing.endpoint):
        assert square.map_invoke(range(5)).get() == [0, 1, 4, 9, 16]
    assert passing.refused == 2
