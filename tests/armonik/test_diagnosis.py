"""Why nobody answers: what a plain socket can tell."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from pymonik.backend.armonik import rpc as line_module
from pymonik.backend.armonik.connection import Connection
from pymonik.backend.armonik.diagnosis import diagnose
from pymonik.backend.armonik.refusals import is_ambiguous
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.emulator import Tls
from pymonik.errors import ClusterUnreachable
from tests.armonik.conftest import started
from tests.emulator.certificates import issue


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hangs_up() -> Iterator[str]:
    """Listen at an address, and close whatever comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:  # the test is over
                    return
                line.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def why(endpoint: str) -> str:
    return diagnose(Connection(endpoint=endpoint))


def test_a_closed_port_is_told_from_a_host_that_is_not_there() -> None:
    assert why(f"127.0.0.1:{free_port()}") == "nothing listens there"
    assert "there is no host 'no.such.host.invalid'" in why("no.such.host.invalid:5001")
    for name in ("x" * 9999, "a..b"):
        assert why(f"{name}:5001").endswith("' cannot be the name of a host")


def test_a_port_that_was_not_given_is_named() -> None:
    assert why("http://127.0.0.253") == "nothing listens there (port 80: write host:port)"


def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert why(f"unix:{tmp_path}/none.sock") == f"there is no socket '{tmp_path}/none.sock'"
    (tmp_path / "dead.sock").touch()
    assert why(f"unix:{tmp_path}/dead.sock") == "nothing listens there"


def test_a_proxy_in_the_way_is_named(monkeypatch: pytest.MonkeyPatch, hangs_up: str) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert "the proxy http://proxy:3128 of http_proxy" in why(hangs_up)
    assert "set no_proxy=127.0.0.1" in why(hangs_up)
    monkeypatch.setenv("no_proxy", "example.com, 127.0.0.1")
    assert "proxy" not in why(hangs_up)


def test_credentials_of_a_proxy_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://joe:s3cr3t@proxy:3128")
    assert "the proxy http://***@proxy:3128 of http_proxy" in why("host.invalid:1")


@pytest.mark.parametrize("whose", ["server", "authority", "client"])
def test_an_expired_certificate_is_called_expired(tmp_path: Path, whose: str) -> None:
    hours = {name: -1.0 if name == whose else 1.0 for name in ("server", "authority", "client")}
    authority = issue(tmp_path, "authority", hours=hours["authority"])
    server = issue(tmp_path, "server", authority, hours["server"])
    user = issue(tmp_path, "user", authority, hours["client"])
    files = Tls(server.certificate_file, server.key_file, authority.certificate_file)
    with started(tls=files, partitions={"pymonik": 1}) as emulator:
        told = diagnose(
            Connection.find(
                endpoint=emulator.url,
                certificate_authority=str(authority.certificate_file),
                client_certificate=str(user.certificate_file),
                client_key=str(user.key_file),
            )
        )
    assert "has expired" in told
    assert ("client_certificate" in told) == (whose == "client")


def test_something_else_that_listens_is_told_from_a_control_plane(hangs_up: str) -> None:
    assert "does not answer as a control plane" in why(hangs_up)
    assert "does not answer as a control plane" in why(f"http://{hangs_up}")


class Refusal(grpc.RpcError):
    """What a stub raises when nobody answers."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "nobody there"


def test_who_waits_for_a_silent_control_plane_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(line_module, "SILENCE", 0.01)
    answers = [Refusal(), Refusal(), "first", Refusal(), "second"]

    def method(request: object, timeout: float) -> object:
        answer = answers.pop(0)
        if isinstance(answer, Refusal):
            raise answer
        return answer

    line = RpcClient("far:5001")
    with caplog.at_level(logging.WARNING, "pymonik.armonik"):
        assert line.retry(method, None, 100.0) == "first"
        assert line.retry(method, None, 100.0) == "second"
    told = [record.getMessage() for record in caplog.records]
    assert told == ["control plane far:5001 does not answer: asking again, for up to 100 s"] * 2


def test_a_status_without_its_message_is_asked_for_again() -> None:
    """As when a broken connection loses one and not the other: gRPC then answers None."""
    answers = [None, None, "an answer"]
    line = RpcClient("far:5001")
    assert line.read(lambda request, timeout: answers.pop(0), "a request") == "an answer"
    assert not answers
    with pytest.raises(ClusterUnreachable, match="the answer was lost on the way") as caught:
        line.once(lambda request, timeout: None, "a request")
    assert is_ambiguous(caught.value)
