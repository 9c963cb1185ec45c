"""What a worker asks of its agent stays below the 4 MiB that an agent takes in one message."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from armonik.protogen.common import agent_common_pb2 as messages
from armonik.protogen.common.worker_common_pb2 import ProcessRequest
from armonik.protogen.worker.agent_service_pb2_grpc import (
    AgentServicer,
    AgentStub,
    add_AgentServicer_to_server,
)

from pymonik.plan.requests import ClusterObject, Placement, Submit, TaskSubmission
from pymonik.runtime.worker.agent import AgentLostError, AgentStore

LIMIT = 4 << 20
ID = "0" * 36


class Agent:
    """Answers as an agent does, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.deadlines: list[float] = []

    def CreateResultsMetaData(self, request: Any, timeout: float) -> Any:
        self.asked.append(request)
        self.deadlines.append(timeout)
        answer = messages.CreateResultsMetaDataResponse()
        for place, result in enumerate(request.results):
            answer.results.add(result_id=f"{len(self.asked)}-{place}", name=result.name)
        return answer

    def SubmitTasks(self, request: Any, timeout: float) -> Any:
        self.asked.append(request)
        self.deadlines.append(timeout)
        return messages.SubmitTasksResponse()

    def NotifyResultData(self, request: Any, timeout: float) -> Any:
        self.asked.append(request)
        self.deadlines.append(timeout)
        return messages.NotifyResultDataResponse()


def store(folder: Path) -> tuple[Agent, AgentStore]:
    agent = Agent()
    request = ProcessRequest(communication_token=ID, session_id=ID, data_folder=str(folder))
    return agent, AgentStore(agent, request)


def test_many_results_are_declared_and_notified_in_pieces(tmp_path: Path) -> None:
    agent, made = store(tmp_path)
    names = ["é" * 60 + str(number) for number in range(50_000)]
    ids = made.declare(names)
    assert len(set(ids)) == 50_000
    assert [r.name for asked in agent.asked for r in asked.results] == names
    assert len(agent.asked) > 1
    assert max(asked.ByteSize() for asked in agent.asked) < LIMIT
    agent.asked.clear()
    made._written = [(ID, 0)] * 50_000
    made.notify()
    assert sum(len(asked.ids) for asked in agent.asked) == 50_000
    assert max(asked.ByteSize() for asked in agent.asked) < LIMIT


def test_many_sub_tasks_are_submitted_in_pieces(tmp_path: Path) -> None:
    agent, made = store(tmp_path)
    own = Placement(
        "gpu", 3, "application", "1.0", "space", "service", "engine", (("a", "b" * 5000),)
    )
    inputs = tuple(ClusterObject("input", id=ID) for _ in range(256))
    order, output = ClusterObject("order", id=ID), ClusterObject("output", id=ID)
    entries = [
        TaskSubmission(
            order, output, inputs if number % 2 else (), own if number % 3 else Placement()
        )
        for number in range(2_000)
    ]
    made.submit(Submit(entries, Placement()))
    assert sum(len(asked.task_creations) for asked in agent.asked) == 2_000
    assert len(agent.asked) > 1
    assert max(asked.ByteSize() for asked in agent.asked) < LIMIT


def test_only_what_exists_is_brought(tmp_path: Path) -> None:
    class Missing(grpc.RpcError):  # type: ignore[misc]
        def code(self) -> Any:
            return grpc.StatusCode.NOT_FOUND

    class GetResourceData:
        def __call__(self, request: Any, timeout: float) -> Any:
            if request.result_id == "gone":
                raise Missing
            return messages.DataResponse(result_id=request.result_id)

        def future(self, request: Any, timeout: float) -> Any:
            error = Missing() if request.result_id == "gone" else None
            return SimpleNamespace(exception=lambda: error)

    request = ProcessRequest(communication_token=ID, session_id=ID, data_folder=str(tmp_path))
    agent = SimpleNamespace(GetResourceData=GetResourceData())
    assert AgentStore(agent, request).fetch_files(dict.fromkeys(["here", "gone", "there"], 1)) == {
        "here",
        "there",
    }


def test_every_request_has_a_deadline_by_its_bytes(tmp_path: Path) -> None:
    agent, made = store(tmp_path)
    (id,) = made.create([("large", [memoryview(bytes(8 << 20))])])
    made.notify()
    entry = TaskSubmission(
        ClusterObject("order", id=id), ClusterObject("output", id=ID), (), Placement()
    )
    made.submit(Submit([entry], Placement()))
    declared, notified, submitted = agent.deadlines
    assert declared < submitted < declared + 1
    assert notified >= declared + 7.9


def test_an_agent_that_stands_still_gives_the_task_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymonik.runtime.worker.agent._PAUSES", (0.0, 0.0))
    monkeypatch.setattr("pymonik.runtime.worker.agent._DEADLINE", 0.05)
    still = threading.Event()
    server = grpc.server(ThreadPoolExecutor(4))
    servicer = type("Still", (AgentServicer,), {})()
    for name in ("CreateResultsMetaData", "SubmitTasks", "NotifyResultData", "GetResourceData"):
        setattr(servicer, name, lambda request, context: still.wait(60))
    add_AgentServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    request = ProcessRequest(communication_token=ID, session_id=ID, data_folder=str(tmp_path))
    entry = TaskSubmission(
        ClusterObject("order", id=ID), ClusterObject("output", id=ID), (), Placement()
    )
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        made = AgentStore(AgentStub(channel), request)
        made._written = [(ID, 1)]
        for ask in (
            lambda: made.declare(["a"]),
            lambda: made.submit(Submit([entry], Placement())),
            lambda: made.fetch_files({ID: 1}),
            made.notify,
        ):
            with pytest.raises(AgentLostError):
                ask()
    still.set()
    server.stop(0)
