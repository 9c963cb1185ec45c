"""Finds, in strict mode, the tasks of a quiet session that nothing can ever start.

On a cluster they stay PENDING or SUBMITTED for ever, without a word. Here they fail, with a text
that names the input nobody will produce.
"""

from __future__ import annotations

from pymonik.emulator.state import events
from pymonik.emulator.state.cascade import terminate
from pymonik.emulator.state.records import TaskRecord
from pymonik.emulator.state.status import FINAL, HELD, ResultStatus, SessionStatus, TaskStatus
from pymonik.emulator.state.world import World

LOST = (
    "strict: no queue holds this task any more (it became ready while its session was paused, "
    "or its priority is above the highest): a cluster would leave it SUBMITTED for ever"
)
CYCLE = "strict: this task waits for itself through its dependencies: it can never start"


def idle(world: World, event: events.Idle) -> None:
    """Fail what can never start, now that nothing moves in the session."""
    session = world.tables.sessions.get(event.session_id)
    if not world.settings.strict or session is None or session.status is SessionStatus.PAUSED:
        return
    tasks = list(world.tables.tasks_of[session.id].values())
    if any(task.status in HELD or task.queued for task in tasks):
        return
    for task in tasks:
        if task.status is TaskStatus.SUBMITTED:
            _fail(world, task, LOST)
    waiting = [task for task in tasks if task.status is TaskStatus.PENDING]
    reasons = [(task, reason) for task in waiting if (reason := _hopeless(world, task))]
    # Nothing that waits waits for anything outside, and nothing of it is hopeless by itself: so
    # some of it waits for itself.
    if not reasons and all(_waits_within(world, task) for task in waiting):
        reasons = [(task, CYCLE) for task in waiting]
    for task, reason in reasons:
        if task.status is TaskStatus.PENDING:
            _fail(world, task, reason)


def _fail(world: World, task: TaskRecord, reason: str) -> None:
    world.set_task(task, TaskStatus.ERROR, reason)
    terminate(world, [task.id], f"Task {task.id} failed:\n{reason}")


def _hopeless(world: World, task: TaskRecord) -> str:
    """Return why one of the missing inputs will never come, or nothing."""
    for result_id in sorted(task.remaining):
        result = world.tables.results.get(result_id)
        if result is None:
            return f"strict: input '{result_id}' does not exist any more"
        if result.status is not ResultStatus.CREATED:
            return (
                f"strict: input '{result_id}' is {result.status.name}: "
                "a cluster would leave this task PENDING for ever"
            )
        owner = world.tables.tasks.get(result.owner)
        if owner is None or owner.status in FINAL:
            return (
                f"strict: no task makes, and no client uploads input '{result_id}' "
                f"('{result.name}'): a cluster would leave this task PENDING for ever"
            )
    return ""


def _waits_within(world: World, task: TaskRecord) -> bool:
    """Return whether each missing input is of a task of the same session that waits as well."""
    owners = (
        world.tables.tasks.get(world.tables.results[result_id].owner)
        for result_id in task.remaining
    )
    return all(
        owner is not None
        and owner.status is TaskStatus.PENDING
        and owner.session_id == task.session_id
        for owner in owners
    )
