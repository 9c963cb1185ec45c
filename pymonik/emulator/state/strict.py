"""What strict mode refuses: all that a cluster would accept and then ignore, lose or hang on.

Every function here does nothing unless the world is strict, and the status details of what it
refuses start with `strict:`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pymonik.emulator.state import events
from pymonik.emulator.state.records import Options, SessionRecord, TaskRecord
from pymonik.emulator.state.world import World


def scrutinize(
    world: World,
    session: SessionRecord,
    sent: Iterable[Options | None],
    tasks: Sequence[events.NewTask],
    parent: str = "",
) -> None:
    """Check a submission: options as they were `sent`, and tasks with their merged options."""
    if not world.settings.strict:
        return
    for options in sent:
        _complete_options(world, options)
    for task in tasks:
        _reachable_queue(world, session, task)
    _own_outputs(world, tasks, parent)
    if world.settings.delete_payload:
        _own_payloads(world, tasks)


def _complete_options(world: World, options: Options | None) -> None:
    if options is None:
        return
    for name in ("max_duration", "max_retries", "priority"):
        world.require_strict(
            getattr(options, name),
            f"{name} is zero in a TaskOptions message: released servers take it literally, "
            "so fill max_duration, max_retries and priority in every message",
        )


def _reachable_queue(world: World, session: SessionRecord, task: events.NewTask) -> None:
    assert task.options is not None, "strict checks see merged options"
    world.require_strict(
        task.options.partition in session.partitions,
        f"task partition '{task.options.partition}' is not in session '{session.id}': it has "
        f"{list(session.partitions)}, and a cluster would queue the task there all the same",
    )
    highest = world.settings.max_priority
    world.require_strict(
        highest is None or task.options.priority <= highest,
        f"task priority {task.options.priority} is above {highest}: "
        "a cluster would put the task into a queue that no pod reads",
    )


def _own_outputs(world: World, tasks: Sequence[events.NewTask], parent: str) -> None:
    seen: set[str] = set()
    for task in tasks:
        for output in task.outputs:
            result = world.tables.results.get(output)
            world.require_strict(
                result is not None,
                f"expected output '{output}' does not exist: what is sent for it would be lost",
            )
            owner = "" if result is None else result.owner
            world.require_strict(
                output not in seen and owner in ("", parent),
                f"expected output '{output}' already belongs to "
                f"{f'task {owner!r}' if owner else 'another task of this request'}: "
                "a cluster would keep the first owner in silence",
            )
            seen.add(output)


def _own_payloads(world: World, tasks: Sequence[events.NewTask]) -> None:
    seen: set[str] = set()
    for task in tasks:
        payload = world.tables.results.get(task.payload_id)
        shared = task.payload_id in seen or task.payload_id in world.tables.payload_users
        world.require_strict(
            not shared or (payload is not None and payload.manual_deletion),
            f"payload '{task.payload_id}' is shared by two tasks, but this cluster deletes the "
            "payload of a task at its end: give each task its own, or create it with "
            "manual_deletion",
        )
        seen.add(task.payload_id)


def production_faults(
    world: World, task: TaskRecord, event: events.Succeed, delegated: set[str]
) -> list[str]:
    """Return what is wrong with the outputs of a task that answered ok."""
    if not world.settings.strict:
        return []
    stored = {item.result_id for item in event.stored}
    # What the task has created itself is inserted by the same report.
    existing = stored - {new.id for new in event.created}
    return [
        *(
            f"expected output '{i}' was neither sent nor delegated: it would stay CREATED for ever"
            for i in task.outputs
            if i not in stored and i not in delegated
        ),
        *(
            f"output '{i}' was both sent and delegated: the sub-task would overwrite it"
            for i in task.outputs
            if i in stored and i in delegated
        ),
        *(
            f"data was sent for '{i}', which does not exist: it would be lost"
            for i in sorted(existing)
            if i not in world.tables.results
        ),
    ]
