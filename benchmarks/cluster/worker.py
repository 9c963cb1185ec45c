"""The worker of the eager client: a task is a call; it runs here, in this process."""

from __future__ import annotations

from typing import Any

import cloudpickle
from armonik.common import Output, TaskDefinition
from armonik.worker import TaskHandler, armonik_worker

from benchmarks.cluster.eager import CURRENT, GROUP, Eager, Handle, Remote


class TaskSender:
    """Sends what a task submits through its agent."""

    def __init__(self, handler: TaskHandler) -> None:
        self._handler = handler

    def metadata(self, names: list[str]) -> Any:
        """Declare results."""
        return self._handler.create_results_metadata(names, batch_size=GROUP)

    def create(self, data: dict[str, bytes]) -> Any:
        """Store results."""
        return self._handler.create_results(data, batch_size=GROUP)

    def submit(self, tasks: list[TaskDefinition]) -> None:
        """Submit sub-tasks."""
        self._handler.submit_tasks(tasks, batch_size=GROUP)


@armonik_worker()
def processor(handler: TaskHandler) -> Output:
    """Run a call, and store its value unless a sub-task makes it."""
    data = handler.data_dependencies
    function_id, args = cloudpickle.loads(handler.payload)
    function = cloudpickle.loads(data[function_id])
    output = handler.expected_results[0]
    CURRENT.set(Eager(TaskSender(handler), handler.session_id, output))
    value = function(*(_value(arg, data) for arg in args))
    if not isinstance(value, Handle):
        handler.send_results({output: cloudpickle.dumps(value)})
    return Output()


def _value(arg: Any, data: dict[str, bytes]) -> Any:
    if not isinstance(arg, Remote):
        return arg
    if isinstance(arg.ids, str):
        return cloudpickle.loads(data[arg.ids])
    return [cloudpickle.loads(data[id]) for id in arg.ids]


if __name__ == "__main__":
    processor.run()
