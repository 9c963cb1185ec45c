"""Rule of CancelTasks: stop what runs, abort what was promised, fail what waits for it."""

from __future__ import annotations

from pymonik.emulator.state import events
from pymonik.emulator.state.cascade import terminate
from pymonik.emulator.state.instructions import Stop
from pymonik.emulator.state.status import FINAL, HELD, TaskStatus
from pymonik.emulator.state.world import World


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
