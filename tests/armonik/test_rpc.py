"""Requests that fail, or are not made: what is asked then, and which error tells of it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Any

import grpc
import pytest
from armonik.protogen.common.results_common_pb2 import DownloadResultDataResponse

from pymonik.backend.armonik import rpc
from pymonik.backend.armonik.download import Downloader
from pymonik.backend.armonik.opening import Opening
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.backend.armonik.stalls import Stalled, StallGuard
from pymonik.errors import ClusterError, ClusterUnreachable
from tests.conformance.seams import PATIENCE, Other
from tests.interruption import Interruption


class Refusal(grpc.RpcError):  # type: ignore[misc]
    """An error of gRPC."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self.code = lambda: code
        self.details = lambda: "boom"


class Method:
    """A method of a stub, which fails."""

    def __init__(self, name: str, code: grpc.StatusCode) -> None:
        self._method = f"/service/{name}"
        self._code = code
        self.calls = 0

    def __call__(self, request: Any, timeout: float) -> Any:
        self.calls += 1
        raise Refusal(self._code)


class Sessions:
    """A stub that refuses."""

    CreateSession = Method("CreateSession", grpc.StatusCode.PERMISSION_DENIED)
    ListSessions = Method("ListSessions", grpc.StatusCode.PERMISSION_DENIED)


def test_no_session_is_looked_for_where_its_creation_was_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(ClusterError, match="permission"):
        Opening(RpcClient("nowhere"), Sessions).create(["default"])
    assert Sessions.ListSessions.calls == 0
    assert "may be left open" not in caplog.text


def test_a_request_that_is_not_made_has_an_error_of_its_own() -> None:
    client = RpcClient("nowhere")
    with pytest.raises(ClusterError, match="SubmitTasks"):
        client.retry(Method("SubmitTasks", grpc.StatusCode.UNKNOWN), None, 0.0)
    untried = Method("GetTask", grpc.StatusCode.UNKNOWN)
    errors = []
    for _ in range(2):
        with pytest.raises(
            ClusterError, match=r"GetTask: the request was not tried.*SubmitTasks"
        ) as caught:
            client.read(untried, None, 0.0)
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert [error.code for error in errors] == ["UNKNOWN"] * 2
    assert untried.calls == 0


@pytest.mark.parametrize(("fails_since", "is_permanent"), [(0, True), (1, False)])
def test_a_request_is_hopeless_where_the_server_answers_others(
    fails_since: int, is_permanent: bool
) -> None:
    client = RpcClient("nowhere")
    before = client.breaker.failures
    with pytest.raises(ClusterError) as caught:
        client.once(Method("SubmitTasks", grpc.StatusCode.UNKNOWN), None)
    client.breaker.failures += fails_since
    assert client.is_permanent(caught.value, before) is is_permanent


def test_patience_begins_at_the_first_try_and_lasts_for_two() -> None:
    assert list(rpc.pauses(0.0)) == [None]
    pauses = rpc.pauses(0.001)
    time.sleep(0.01)  # the first try takes longer
    assert [pause is None for pause in pauses] == [False, True]


def test_who_answers_no_search_for_a_session_is_not_asked_for_another(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Lost:
        CreateSession = Method("CreateSession", grpc.StatusCode.UNAVAILABLE)
        ListSessions = Method("ListSessions", grpc.StatusCode.DEADLINE_EXCEEDED)

    monkeypatch.setattr(rpc, "pauses", lambda patience: iter((0.0, None)))
    with caplog.at_level(logging.WARNING), pytest.raises(ClusterUnreachable, match="ListSessions"):
        Opening(RpcClient("nowhere"), Lost).create(["default"])
    assert (Lost.CreateSession.calls, Lost.ListSessions.calls) == (1, 2)
    assert "a session may be left open" in caplog.text


class Download:
    """A method of a stub whose streams break, each after some chunks."""

    _method = "/service/DownloadResultData"

    def __init__(self, *chunks: int) -> None:
        self.left = list(chunks)

    def __call__(self, request: Any) -> Any:
        for _ in range(self.left.pop(0)):
            yield DownloadResultDataResponse(data_chunk=b"chunk")
        if self.left:
            raise Refusal(grpc.StatusCode.UNAVAILABLE)


class Results:
    """A stub of downloads."""

    def __init__(self, download: Download) -> None:
        self.DownloadResultData = download


def test_patience_begins_anew_as_long_as_each_download_brings_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rpc, "pauses", lambda patience: iter((0.0, None)))
    download = Download(1, 2, 3, 4)
    found = Downloader(RpcClient("nowhere"), Results(download), lambda id: None).download("id")
    assert found == 4 * b"chunk"
    download = Download(1, 2, 2, 2, 2)
    with pytest.raises(ClusterUnreachable):
        Downloader(RpcClient("nowhere"), Results(download), lambda id: None).download("id")
    assert download.left == [2, 2]


class Silence:
    """A stream that says nothing until it is cancelled."""

    def __init__(self, *answers: str) -> None:
        self.answers = iter(answers)
        self.over = threading.Event()

    def __iter__(self) -> Any:
        yield from self.answers
        assert self.over.wait(60)
        raise Refusal(grpc.StatusCode.CANCELLED)

    def cancel(self) -> None:
        self.over.set()


def test_streams_that_stall_are_cut_and_the_thread_that_watches_them_ends() -> None:
    guard = StallGuard(threading.Event())
    for _ in range(2):
        heard: list[str] = []
        with pytest.raises(Stalled, match=r"0\.01") as caught:
            heard.extend(guard.answers(Silence("a", "b"), 0.01))
        assert caught.value.details() == "nothing came for 0.01 s"
        assert heard == ["a", "b"]
        thread = guard._thread
        if thread is not None:  # it ends by itself, having nothing to watch
            thread.join(60)
        assert guard._thread is None


def test_a_stream_that_fails_by_itself_keeps_its_error() -> None:
    stream = Silence()
    stream.cancel()
    with pytest.raises(Refusal):
        list(StallGuard(threading.Event()).answers(stream, 60))


class Answer(Method):
    """A method of a stub, which answers."""

    def __call__(self, request: Any, timeout: float) -> str:
        return "answer"


# What asks a server that had failed: it answers, it fails again, or how it is remains unknown.
TRIES: tuple[Method, ...] = (
    Answer("GetTask", grpc.StatusCode.OK),
    Method("GetTask", grpc.StatusCode.UNKNOWN),
    Method("GetTask", grpc.StatusCode.UNAVAILABLE),
)


@pytest.mark.parametrize("method", TRIES)
def test_a_try_that_is_interrupted_anywhere_leaves_the_next_to_others(method: Method) -> None:
    """A turn that nobody gives back would let all others wait out their patience."""
    place, is_through = 0, False
    while not is_through:
        place += 1
        client = RpcClient("nowhere")
        breaker = client.breaker
        breaker.failed()
        breaker._retry_at = 0.0
        with (
            contextlib.suppress(ClusterError),
            Interruption(place, ("pymonik.backend.armonik", "pymonik.system")) as interruption,
        ):
            client.once(method, None, end=time.monotonic() + PATIENCE)
        is_through = not interruption.has_come
        breaker._retry_at = 0.0
        assert Other(lambda: breaker.enter(time.monotonic(), bool)).value(), place  # noqa: B023
        assert not client._under_way, place
    assert place > 5


def test_a_finalizer_amid_a_try_may_ask_and_who_has_no_turn_takes_none_from_others() -> None:
    client = RpcClient("nowhere")
    client.breaker.failed()
    client.breaker._retry_at = 0.0
    answer = TRIES[0]

    def ask(request: Any, timeout: float) -> Any:
        # Of the thread that tries, to which the finalizer belongs; others wait for what it finds.
        assert client.once(answer, None, end=time.monotonic()) == "answer"
        return "both"

    def fails(request: Any, timeout: float) -> Any:
        other = Other(lambda: client.once(answer, None, end=time.monotonic()))
        with pytest.raises(ClusterError, match="not tried"):
            other.value()
        assert client.breaker._trier == threading.get_ident()
        return ask(request, timeout)

    fails._method = "/service/GetTask"  # type: ignore[attr-defined]
    assert client.once(fails, None) == "both"
