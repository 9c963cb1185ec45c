"""A worker made of nothing but the armonik package: its payload is a small JSON program.

    {"do": "concat", "text": "x"}     outputs[0] = dependencies joined + text
    {"do": "nothing"}                 answer ok and send nothing
    {"do": "error", "text": "why"}    answer with an error
    {"do": "raise"}, {"do": "die"}    break the call, the process
    {"do": "die_once", "path": p}     die unless the file exists; create it first
    {"do": "wait", "path": p}         concat after a byte came through the named pipe
    {"do": "<name>"}                  the function do_<name> below

Started with a number, it serves with so many threads: with one, it is as deaf during a task as the
worker of the armonik package.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from armonik.common import Output, TaskDefinition
from armonik.protogen.common.agent_common_pb2 import (
    CreateResultsRequest,
    DataRequest,
    SubmitTasksRequest,
)
from armonik.protogen.common.objects_pb2 import TaskOptions
from armonik.protogen.common.worker_common_pb2 import HealthCheckReply, ProcessReply
from armonik.protogen.worker.agent_service_pb2_grpc import AgentStub
from armonik.protogen.worker.worker_service_pb2_grpc import (
    WorkerServicer,
    add_WorkerServicer_to_server,
)
from armonik.worker.taskhandler import TaskHandler
from google.protobuf.duration_pb2 import Duration

Program = dict[str, Any]


def do_concat(task: TaskHandler, agent: Any, program: Program) -> None:
    data = b"".join(task.data_dependencies[name] for name in task.data_dependencies)
    task.send_results({task.expected_results[0]: data + program.get("text", "").encode()})


def do_nothing(task: TaskHandler, agent: Any, program: Program) -> None:
    pass


def do_error(task: TaskHandler, agent: Any, program: Program) -> None:
    raise AnswerError(program["text"] * int(program.get("times", "1")))


def do_raise(task: TaskHandler, agent: Any, program: Program) -> None:
    raise RuntimeError("told to raise")


def do_die(task: TaskHandler, agent: Any, program: Program) -> None:
    os._exit(3)


def do_die_once(task: TaskHandler, agent: Any, program: Program) -> None:
    path = Path(program["path"])
    if not path.exists():
        path.touch()
        os._exit(3)
    do_concat(task, agent, program)


def do_wait(task: TaskHandler, agent: Any, program: Program) -> None:
    gate = os.open(program["path"], os.O_RDONLY)
    os.read(gate, 1)
    os.close(gate)
    do_concat(task, agent, program)


def do_wait_then_error(task: TaskHandler, agent: Any, program: Program) -> None:
    do_wait(task, agent, program)
    raise AnswerError("after the wait")


def do_announce(task: TaskHandler, agent: Any, program: Program) -> None:
    """Announce a file for the output, but write none."""
    task.send_results({task.expected_results[0]: b""})
    (Path(task.data_folder) / task.expected_results[0]).unlink()


def do_delegate(task: TaskHandler, agent: Any, program: Program) -> None:
    """Submit two sub-tasks: one feeds the other, which takes over this task's output."""
    middle = task.create_results_metadata(["middle"])["middle"].result_id
    leaf = TaskDefinition(new_payload(task, {"do": "concat", "text": "leaf"}), [middle])
    root = TaskDefinition(
        new_payload(task, {"do": "concat", "text": "+root"}), task.expected_results, [middle]
    )
    task.submit_tasks([root, leaf])


def do_delegate_then_error(task: TaskHandler, agent: Any, program: Program) -> None:
    do_delegate(task, agent, program)
    raise AnswerError("changed its mind")


def do_delegate_badly(task: TaskHandler, agent: Any, program: Program) -> None:
    """Submit a sub-task that names an input twice."""
    own = task.create_results({"own": b"x"})["own"].result_id
    payload = new_payload(task, {"do": "concat"})
    task.submit_tasks([TaskDefinition(payload, task.expected_results, [own, own])])


def do_create_elsewhere(task: TaskHandler, agent: Any, program: Program) -> None:
    """Create a result in another session, and send the status code of that."""
    item = CreateResultsRequest.ResultCreate(name="elsewhere", data=b"x")
    request = CreateResultsRequest(
        communication_token=task.token, session_id=program["session"], results=[item]
    )
    task.send_results({task.expected_results[0]: code_of(agent.CreateResults, request).encode()})


def do_fetch_in_vain(task: TaskHandler, agent: Any, program: Program) -> None:
    """Ask for the data of a result that has none, and send what the folder holds under its id."""
    request = DataRequest(communication_token=task.token, result_id=program["id"])
    found = code_of(agent.GetResourceData, request)
    path = Path(task.data_folder) / program["id"]
    left = path.stat().st_size if path.exists() else None
    task.send_results({task.expected_results[0]: json.dumps([found, left]).encode()})


def do_fetch(task: TaskHandler, agent: Any, program: Program) -> None:
    """Copy a result that is no dependency."""
    task.send_results({task.expected_results[0]: task.get_resource_data(program["id"])})


def do_describe(task: TaskHandler, agent: Any, program: Program) -> None:
    """Send what the request said about this task."""
    options = task.task_options
    description = {
        "max_duration": options.max_duration.total_seconds(),
        "max_retries": options.max_retries,
        "priority": options.priority,
        "options": options.options,
        "files": sorted(os.listdir(task.data_folder)),
        "inputs": sorted([task.payload_id, *task.data_dependencies]),
    }
    task.send_results({task.expected_results[0]: json.dumps(description).encode()})


def do_probe_agent(task: TaskHandler, agent: Any, program: Program) -> None:
    """Send the status codes of requests that an agent refuses."""
    big = [CreateResultsRequest.ResultCreate(name="big", data=bytes(5 * 1024 * 1024))]
    child = [SubmitTasksRequest.TaskCreation(payload_id=task.payload_id)]
    elsewhere = TaskOptions(
        max_duration=Duration(seconds=60), max_retries=1, priority=1, partition_id="elsewhere"
    )
    calls = {
        "wrong token": (agent.CreateResults, CreateResultsRequest(communication_token="x")),
        "too big": (
            agent.CreateResults,
            CreateResultsRequest(communication_token=task.token, results=big),
        ),
        "unknown result": (
            agent.GetResourceData,
            DataRequest(communication_token=task.token, result_id="nope"),
        ),
        "common data": (agent.GetCommonData, DataRequest(communication_token=task.token)),
        "other partition": (
            agent.SubmitTasks,
            SubmitTasksRequest(
                communication_token=task.token, task_options=elsewhere, task_creations=child
            ),
        ),
        "stopped submission": (
            agent.SubmitTasks,
            SubmitTasksRequest(communication_token=task.token, task_creations=child),
        ),
    }
    codes = {name: code_of(method, request) for name, (method, request) in calls.items()}
    task.send_results({task.expected_results[0]: json.dumps(codes).encode()})


def new_payload(task: TaskHandler, program: Program) -> str:
    name = json.dumps(program)
    result_id: str = task.create_results({name: name.encode()})[name].result_id
    return result_id


def code_of(method: Callable[[Any], Any], request: Any) -> str:
    try:
        method(request)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


class AnswerError(Exception):
    """Becomes the error of the output."""


class Worker(WorkerServicer):
    def __init__(self, agent: Any) -> None:
        self._agent = agent

    def HealthCheck(self, request: Any, context: Any) -> Any:
        return HealthCheckReply(status=HealthCheckReply.SERVING)

    def Process(self, request: Any, context: Any) -> Any:
        task = TaskHandler(request, self._agent)
        program = json.loads(task.payload)
        try:
            globals()[f"do_{program['do']}"](task, self._agent, program)
        except AnswerError as error:
            return ProcessReply(output=Output(error=str(error)).to_message())
        return ProcessReply(output=Output().to_message())


def main() -> None:
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    agent = os.environ["ComputePlane__AgentChannel__Address"]
    options = (("grpc.default_authority", "localhost"), ("grpc.max_send_message_length", -1))
    with grpc.insecure_channel(f"unix:{agent}", options=options) as channel:
        server = grpc.server(ThreadPoolExecutor(threads))
        add_WorkerServicer_to_server(Worker(AgentStub(channel)), server)
        server.add_insecure_port(f"unix:{os.environ['ComputePlane__WorkerChannel__Address']}")
        server.start()
        server.wait_for_termination()


if __name__ == "__main__":
    main()
