"""Requests that fail, or are not made: what is asked then, and which error tells of it."""

from __future__ import annotations

import logging
from typing import Any

import grpc
import pytest

from pymonik.backend.armonik.opening import Opening
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.errors import ClusterError


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
    assert not caplog.records


def test_a_request_that_is_not_made_has_an_error_of_its_own() -> None:
    client = RpcClient("nowhere")
    with pytest.raises(ClusterError, match="SubmitTasks"):
        client.retry(Method("SubmitTasks", grpc.StatusCode.UNKNOWN), None, 0.0)
    untried = Method("GetTask", grpc.StatusCode.UNKNOWN)
    errors = []
    for _ in range(2):
        with pytest.raises(ClusterError, match=r"GetTask: it was not tried.*SubmitTasks") as caught:
            client.read(untried, None, 0.0)
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert [error.code for error in errors] == ["UNKNOWN"] * 2
    assert untried.calls == 0


@pytest.mark.parametrize(("fails_since", "is_hopeless"), [(0, True), (1, False)])
def test_a_request_is_hopeless_where_the_server_answers_others(
    fails_since: int, is_hopeless: bool
) -> None:
    client = RpcClient("nowhere")
    before = client.breaker.failures
    with pytest.raises(ClusterError) as caught:
        client.once(Method("SubmitTasks", grpc.StatusCode.UNKNOWN), None)
    client.breaker.failures += fails_since
    assert client.is_hopeless(caught.value, before) is is_hopeless
