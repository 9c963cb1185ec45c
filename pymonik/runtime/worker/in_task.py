"""The low-level handler of the `armonik` package, for tasks that want more than PymoniK gives.

Enters: where the agent is, and the request of the task. Leaves: a `TaskHandler` that works. What a
task does with it is its own business: outputs of PymoniK's tasks stay PymoniK's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import grpc
from armonik.common import Task, TaskDefinition, TaskOptions
from armonik.protogen.common.agent_common_pb2 import SubmitTasksRequest
from armonik.protogen.common.worker_common_pb2 import ProcessRequest
from armonik.protogen.worker.agent_service_pb2_grpc import AgentStub
from armonik.worker.taskhandler import TaskHandler

from pymonik.plan.sizes import SESSION_TAG, TAG

# As in `server`: -1 is no limit, and agents take no other authority on a Unix socket.
_OPTIONS = (
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)


@lru_cache(maxsize=1)
def task_handler(target: str, request: bytes) -> TaskHandler:
    """Make the handler of the task that runs now, once."""
    return WorkingTaskHandler(ProcessRequest.FromString(request), agent(target))


@lru_cache(maxsize=1)
def agent(target: str) -> Any:
    """Return the stub of an agent, made once."""
    return AgentStub(grpc.insecure_channel(target, options=_OPTIONS))


class WorkingTaskHandler(TaskHandler):  # type: ignore[misc]  # it has no types
    """The package's handler, but for options of single tasks, which it cannot send."""

    def __init__(self, request: ProcessRequest, agent_client: AgentStub) -> None:
        super().__init__(request, agent_client)
        # Passed on to sub-tasks, the tag of a submission would count them as parts of it.
        self.task_options.options.pop(TAG, None)
        self.task_options.options.pop(SESSION_TAG, None)

    def submit_tasks(
        self,
        tasks: list[TaskDefinition],
        default_task_options: TaskOptions | None = None,
        batch_size: int | None = 100,  # as the package has it
    ) -> list[Task]:
        """Submit tasks, `batch_size` a request; give them with their own payloads."""
        made: list[Task] = []
        size = batch_size or len(tasks) or 1
        for start in range(0, len(tasks), size):
            creations = [_creation(task) for task in tasks[start : start + size]]
            request = SubmitTasksRequest(
                session_id=self.session_id,
                communication_token=self.token,
                task_creations=creations,
                task_options=default_task_options and default_task_options.to_message(),
            )
            made += [
                Task(
                    id=info.task_id,
                    expected_output_ids=list(info.expected_output_ids),
                    data_dependencies=list(info.data_dependencies),
                    session_id=self.session_id,
                    payload_id=info.payload_id,
                )
                for info in self._client.SubmitTasks(request).task_infos
            ]
        return made


def _creation(task: TaskDefinition) -> Any:
    return SubmitTasksRequest.TaskCreation(
        expected_output_keys=task.expected_output_ids,
        payload_id=task.payload_id,
        data_dependencies=task.data_dependencies,
        task_options=task.options and task.options.to_message(),
    )
