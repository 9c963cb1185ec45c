"""What cannot work is one clear error within seconds, before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from pymonik import Pymonik
from pymonik.emulator import Emulator, Tls
from pymonik.errors import BackendError, ClusterError, OptionsError
from tests.armonik.conftest import Connect, started
from tests.conformance.programs import add
from tests.emulator.certificates import issue

UPLOADS = ("CreateResultsMetaData", "CreateResults", "UploadResultData", "SubmitTasks")


def sent(cluster: Emulator) -> int:
    return sum(cluster.counters[method].requests for method in UPLOADS)


@pytest.mark.parametrize("priority", [0, 11, "high"])
def test_a_wrong_priority_is_an_error_of_the_call(
    cluster: Emulator, connect: Connect, priority: Any
) -> None:
    with connect(), pytest.raises(OptionsError, match="priority"):
        add.invoke(1, 2, pmk_priority=priority)
    assert sent(cluster) == 0


def test_a_host_nobody_knows_is_an_error_that_names_it() -> None:
    with pytest.raises(ClusterError, match=r"no-such-host\.invalid:5001.*cannot be reached"):
        Pymonik("no-such-host.invalid:5001").create()


def test_a_certificate_of_another_host_is_an_error_and_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = issue(tmp_path, "authority")
    server = issue(tmp_path, "server", authority)
    ca = str(authority.certificate_file)
    with started(
        tls=Tls(server.certificate_file, server.key_file), partitions={"pymonik": 1}
    ) as cluster:
        # The certificate is for 127.0.0.1, as those of ArmoniK's deployments are for addresses.
        url = cluster.url.replace("127.0.0.1", "localhost")
        with pytest.raises(ClusterError, match="localhost"):
            Pymonik(url, certificate_authority=ca).create()
        monkeypatch.setenv("AK_TARGET_NAME", "127.0.0.1")
        with Pymonik(url, certificate_authority=ca):
            assert add.invoke(1, 2).get() == 3


@pytest.mark.parametrize("partition", ["gpu", ["pymonik", "gpu"]])
def test_an_unknown_partition_is_an_error_before_there_is_a_session(
    cluster: Emulator, connect: Connect, partition: Any
) -> None:
    with pytest.raises(BackendError, match="'gpu'"):
        connect(partition=partition).create()
    assert cluster.counters["CreateSession"].requests == 0
    assert sent(cluster) == 0


class Refusing(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A server that refuses every request with one status."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code
        self.asked: list[str] = []

    def service(self, details: Any) -> Any:
        def refuse(request: Any, context: Any) -> Any:
            context.abort(self._code, "go away")

        self.asked.append(details.method)
        return grpc.unary_unary_rpc_method_handler(refuse)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "client certificate"),
        (grpc.StatusCode.PERMISSION_DENIED, "permission"),
        (grpc.StatusCode.UNIMPLEMENTED, "that it is an ArmoniK control plane"),
        (grpc.StatusCode.UNKNOWN, "go away"),
    ],
)
def test_a_refusal_is_told_at_the_first_request(code: grpc.StatusCode, says: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    refusing = Refusing(code)
    server = grpc.server(ThreadPoolExecutor(2), handlers=[refusing])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(ClusterError, match=says):
            Pymonik(f"127.0.0.1:{port}").create()
    finally:
        server.stop(None).wait()
    # A server that fails may do better in a second: its database may be restarting.
    assert len(refusing.asked) == 1 or code is grpc.StatusCode.UNKNOWN
