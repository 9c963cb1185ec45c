"""The store of a session: what is sent again, and what is not, whatever becomes of the answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from pymonik.backend.armonik import store
from pymonik.backend.armonik.refusals import explain
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.backend.armonik.store import ClusterStore
from pymonik.errors import ClusterError
from pymonik.plan.requests import ClusterObject, Placement, Submit, TaskSubmission
from pymonik.plan.sizes import CHUNK


def one_task() -> Submit:
    payload, output = (ClusterObject(name, b"", id=name) for name in ("payload", "output"))
    return Submit([TaskSubmission(payload, output, (), Placement())], Placement())


class Refusal(grpc.RpcError):  # type: ignore[misc]
    """An error of gRPC."""

    def __init__(self, code: str, details: str = "") -> None:
        self.code = lambda: grpc.StatusCode[code]
        self.details = lambda: details


class SlowCluster(RpcClient):
    """A control plane that ends submissions by themselves some seconds after their client left."""

    def __init__(self, error: Refusal, ends_after: float) -> None:
        super().__init__("nowhere")
        self.error = error
        self.now = self.ends = 0.0
        self.takes = ends_after
        self.sent = self.looks = 0
        self.closing = SimpleNamespace(wait=self.wait)  # type: ignore[assignment]

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False

    def pauses(self, patience: float) -> Iterator[float | None]:
        pause = 0.05
        for _ in range(10):
            yield pause
            pause *= 2
        yield None

    def send_once(self, method: Any, request: Any, deadline: float) -> Any:
        self.sent += 1
        self.ends = self.now + self.takes
        raise explain(self.endpoint, method, self.error)

    def read(self, method: Any, request: Any, patience: float | None = None) -> Any:
        self.looks += 1
        count = int(self.now >= self.ends)
        return SimpleNamespace(status=[SimpleNamespace(count=count)])


GAVE_UP = Refusal("DEADLINE_EXCEEDED")
GAVE_UP_BETWEEN = Refusal("UNAVAILABLE", "Received http2 header with status: 504")


@pytest.mark.parametrize("error", [GAVE_UP, GAVE_UP_BETWEEN], ids=["client", "proxy"])
def test_a_submission_that_may_still_be_under_way_is_not_sent_again(
    error: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = SlowCluster(error, 3.0)
    monkeypatch.setattr(store, "time", SimpleNamespace(monotonic=lambda: cluster.now))
    stub = SimpleNamespace(SubmitTasks=None, CountTasksByStatus=None)
    ClusterStore(cluster, None, stub).submit(one_task())
    assert cluster.sent == 1


def test_a_submission_that_was_cut_off_is_soon_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = SlowCluster(Refusal("UNAVAILABLE", "Socket closed"), 100.0)
    monkeypatch.setattr(store, "time", SimpleNamespace(monotonic=lambda: cluster.now))
    stub = SimpleNamespace(SubmitTasks=None, CountTasksByStatus=None)
    with pytest.raises(ClusterError, match="Socket closed"):
        ClusterStore(cluster, None, stub).submit(one_task())
    assert cluster.looks == 3 * cluster.sent


def test_a_submission_of_which_a_part_has_arrived_is_an_error_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, both = SlowCluster(GAVE_UP, 0.0), one_task()
    monkeypatch.setattr(store, "time", SimpleNamespace(monotonic=lambda: cluster.now))
    stub = SimpleNamespace(SubmitTasks=None, CountTasksByStatus=None)
    part = r"nowhere accepted 1 of the 2 tasks of a submission.*run the program again"
    with pytest.raises(ClusterError, match=part):
        ClusterStore(cluster, None, stub).submit(Submit(both.entries * 2, both.placement))


def test_after_a_failed_upload_no_more_of_them_begin() -> None:
    leave = threading.Event()
    begun: list[int] = []

    def fail() -> None:
        raise OSError("disk")

    def send() -> None:
        begun.append(1)
        leave.wait(30)

    try:
        with pytest.raises(OSError, match="disk"):
            ClusterStore(RpcClient("nowhere"), None, None).at_once([fail, *[send] * 40])
    finally:
        leave.set()
    assert len(begun) <= 8


def test_an_object_that_is_sent_again_is_counted_once() -> None:
    sending = ClusterStore(RpcClient("nowhere"), None, None)
    data = memoryview(bytes(CHUNK + 10))
    for _ in range(2):
        assert len(list(sending._chunks("id", (data,)))) == 3
    assert sending.uploaded == CHUNK + 10
    sending.begin()
    assert sending.uploaded == 0
