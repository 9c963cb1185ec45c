"""How the end of a task reaches what depends on it, and the rule of CancelTasks, which begins it.

Outputs that the ended tasks own and that were never produced become ABORTED; tasks that wait for
them become ERROR with the text of the root cause; and so on until nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterable

from pymonik.emulator.state import events
from pymonik.emulator.state.instructions import Stop
from pymonik.emulator.state.records import Result, TaskRecord
from pymonik.emulator.state.status import FINAL, HELD, ResultStatus, TaskStatus
from pymonik.emulator.state.world import World

# Only these end by the cascade: a task in a queue or on a pod ends by other ways.
WAITING = frozenset({TaskStatus.CREATING, TaskStatus.PENDING})

# Outputs of tasks with one of these are aborted; a retried task has handed its outputs on.
YIELDING = WAITING | {
    TaskStatus.PAUSED,
    TaskStatus.CANCELLING,
    TaskStatus.CANCELLED,
    TaskStatus.ERROR,
    TaskStatus.TIMEOUT,
}


def terminate(world: World, task_ids: Iterable[str], reason: str) -> None:
    """Abort what the given tasks owe, and fail everything that waits for it."""
    # Level by level, as the engine: a task is reached once its own status has changed, so a graph
    # of any shape ends, and each dependent is told of the first task that failed.
    frontier = _known(world, task_ids)
    while frontier:
        owners = {task.id for task in frontier}
        dependents: dict[str, None] = {}
        for task in frontier:
            if task.status in WAITING:
                world.set_task(task, TaskStatus.ERROR, reason)
            for result in _owed(world, task, owners):
                world.set_result(result, ResultStatus.ABORTED)
                if result.owner:
                    dependents.update(dict.fromkeys(result.dependents))
        frontier = _known(world, dependents)


def cancel_tasks(world: World, event: events.CancelTasks) -> None:
    """Cancel the tasks that are known and not final; ignore the others."""
    for task_id in event.task_ids:
        task = world.tables.tasks.get(task_id)
        if task is None or task.status in FINAL:
            continue
        if task.status in HELD:
            world.out.append(Stop(task.id, task.pod))
        world.set_task(task, TaskStatus.CANCELLING)
    listed = ", ".join(event.task_ids)
    terminate(world, event.task_ids, f"Client requested cancellation of tasks {listed}")


def _known(world: World, task_ids: Iterable[str]) -> list[TaskRecord]:
    tasks = world.tables.tasks
    rows = (tasks.get(task_id) for task_id in task_ids)
    return [task for task in rows if task is not None and task.status in YIELDING]


def _owed(world: World, task: TaskRecord, owners: set[str]) -> list[Result]:
    results = world.tables.results
    outputs = (results.get(output) for output in task.outputs)
    return [
        result
        for result in outputs
        if result is not None
        and result.status is ResultStatus.CREATED
        and (not result.owner or result.owner in owners)
    ]
