"""What the tests of the emulator share: an emulator with plain workers, and a terse client."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
from armonik.client import (
    ArmoniKEvents,
    ArmoniKPartitions,
    ArmoniKResults,
    ArmoniKSessions,
    ArmoniKTasks,
    ArmoniKVersions,
)
from armonik.common import Result, ResultStatus, Task, TaskDefinition, TaskOptions, TaskStatus
from armonik.protogen.client.results_service_pb2_grpc import ResultsStub
from armonik.protogen.common.results_common_pb2 import CreateResultsRequest

from pymonik.emulator import Emulator

WORKER = Path(__file__).with_name("plain_worker.py")
# Bounds a hang; nothing is measured by it.
PATIENCE = 120.0


def plain_worker(threads: int = 2) -> list[str]:
    return [sys.executable, str(WORKER), str(threads)]


def emulator(**settings: Any) -> Emulator:
    """An emulator of one plain worker, unless told otherwise."""
    return Emulator(**{"partitions": {"main": 1}, "worker": plain_worker(), **settings})


def options(**changes: Any) -> TaskOptions:
    fields = {"max_duration": timedelta(minutes=1), "priority": 1, "max_retries": 1}
    return TaskOptions(**{**fields, "partition_id": "main", **changes})


def eventually(condition: Callable[[], Any]) -> Any:
    """Return the first truthy value of a condition, or fail after a while."""
    pause = threading.Event()
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        if value := condition():
            return value
        pause.wait(0.01)
    raise AssertionError("the condition did not come true")


def code(error: BaseException) -> str:
    assert isinstance(error, grpc.RpcError)
    return str(error.code().name)


class Gate:
    """A named pipe that holds tasks back until the test opens it, with no clock.

    Both ends are kept open here, so that neither side waits for the other to come.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self._ends = os.open(path, os.O_RDWR)

    def open(self) -> None:
        os.write(self._ends, bytes(64))

    def close(self) -> None:
        self.open()
        os.close(self._ends)


class Client:
    """The stock client on one session."""

    def __init__(self, endpoint: str, **session: Any) -> None:
        self.channel = grpc.insecure_channel(
            endpoint, options=(("grpc.max_receive_message_length", -1),)
        )
        self.sessions = ArmoniKSessions(self.channel)
        self.results = ArmoniKResults(self.channel)
        self.tasks = ArmoniKTasks(self.channel)
        self.events = ArmoniKEvents(self.channel)
        self.partitions = ArmoniKPartitions(self.channel)
        self.versions = ArmoniKVersions(self.channel)
        self.stub = ResultsStub(self.channel)
        self.endpoint = endpoint
        self.session = self.sessions.create_session(
            options(**session.pop("options", {})), session.pop("partitions", ["main"])
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exit: object) -> None:
        self.channel.close()

    def declare(self, *names: str) -> list[str]:
        created = self.results.create_results_metadata(list(names), self.session)
        return [created[name].result_id for name in names]

    def put(self, data: bytes, *, manual_deletion: bool = False) -> str:
        item = CreateResultsRequest.ResultCreate(
            name="data", data=data, manual_deletion=manual_deletion
        )
        request = CreateResultsRequest(session_id=self.session, results=[item])
        return str(self.stub.CreateResults(request).results[0].result_id)

    def program(self, do: str, **arguments: str) -> str:
        return self.put(json.dumps({"do": do, **arguments}).encode())

    def submit(
        self,
        payload: str,
        output: str,
        dependencies: Sequence[str] = (),
        options: TaskOptions | None = None,
    ) -> str:
        definition = TaskDefinition(payload, [output], list(dependencies), options)
        return str(self.tasks.submit_tasks(self.session, [definition])[0].id)

    def run(self, do: str, *dependencies: str, **arguments: str) -> tuple[str, str]:
        """Submit a program with an output of its own; return the ids of task and output."""
        (output,) = self.declare(f"output of {do}")
        return self.submit(self.program(do, **arguments), output, dependencies), output

    def status(self, result: str) -> ResultStatus:
        return ResultStatus(self.results.get_result(result).status)

    def task_status(self, task: str) -> TaskStatus:
        return TaskStatus(self.tasks.get_task(task).status)

    def value(self, result: str) -> bytes:
        """Wait for a result and download it."""
        self.events.wait_for_result_availability(result, self.session)
        return self.results.download_result_data(result, self.session)

    def ended(self, task: str) -> Task:
        """Wait for the end of a task."""
        final = {
            TaskStatus.COMPLETED,
            TaskStatus.ERROR,
            TaskStatus.TIMEOUT,
            TaskStatus.CANCELLED,
            TaskStatus.RETRIED,
        }
        eventually(lambda: self.task_status(task) in final)
        return self.tasks.get_task(task)

    def all_results(self) -> list[Result]:
        found: list[Result] = self.results.list_results(
            Result.session_id == self.session, sort_field=Result.result_id
        )[1]
        return found
