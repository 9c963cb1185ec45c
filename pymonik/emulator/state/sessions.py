"""Rules of sessions: creation, the transitions between statuses, and what each does to tasks."""

from __future__ import annotations

from dataclasses import replace

from pymonik.emulator.state import events
from pymonik.emulator.state.instructions import Stop
from pymonik.emulator.state.records import Options, SessionRecord
from pymonik.emulator.state.status import FINAL, HELD, ResultStatus, SessionStatus, TaskStatus
from pymonik.emulator.state.world import Refusal, World


def create(world: World, event: events.CreateSession) -> None:
    """Open a session after checking its options and partitions."""
    options = _validated(world, event.options)
    world.check_texts(options.texts)
    partitions = tuple(p for p in event.partitions if p) or (world.settings.default_partition,)
    configured = set(world.settings.partitions)
    for partition in (*partitions, options.partition):
        if partition not in configured:
            raise _no_partition(world, f"'{partition}'")
    # PostgreSQL takes a partition that is listed twice; with MongoDB it is refused.
    if world.settings.strict and len(set(partitions)) != len(partitions):
        raise _no_partition(world, f"one is listed twice in {list(partitions)}")
    world.require_strict(
        options.partition in partitions,
        f"the default partition '{options.partition}' is not among those of the session "
        f"{list(partitions)}: every submission without a partition of its own would fail",
    )
    world.tables.sessions[event.session_id] = SessionRecord(
        event.session_id, partitions, options, created_at=world.now
    )


def _no_partition(world: World, which: str) -> Refusal:
    return Refusal(
        world.settings.generation.unknown_partition,
        f"Partition was not found: {which}; there are {list(world.settings.partitions)}",
    )


def _validated(world: World, options: Options | None) -> Options:
    if options is None:
        raise Refusal("INVALID_ARGUMENT", "default_task_option is required")
    if options.max_duration is None:
        raise Refusal("INVALID_ARGUMENT", "default_task_option.max_duration is required")
    if options.max_retries < 1:
        raise Refusal("INVALID_ARGUMENT", "default_task_option.max_retries must be at least 1")
    if not 1 <= options.priority <= 99:
        raise Refusal("INVALID_ARGUMENT", "default_task_option.priority must lie in 1..99")
    world.require_strict(
        options.max_duration > 0,
        "default_task_option.max_duration is zero: every task would time out at once",
    )
    highest = world.settings.max_priority
    world.require_strict(
        highest is None or options.priority <= highest,
        f"default_task_option.priority {options.priority} is above the highest of the queue, "
        f"{highest}: every submission would fail",
    )
    if options.partition:
        return options
    return replace(options, partition=world.settings.default_partition)


def pause(world: World, event: events.PauseSession) -> None:
    """Hold back everything that no worker runs yet."""
    session = _transition(world, event.session_id, "paused", {SessionStatus.RUNNING})
    session.status = SessionStatus.PAUSED
    for task in world.tables.tasks_of[session.id].values():
        if task.status in (TaskStatus.SUBMITTED, TaskStatus.DISPATCHED):
            world.set_task(task, TaskStatus.PAUSED)


def resume(world: World, event: events.ResumeSession) -> None:
    """Queue what is paused. A task that got ready during the pause is not, and stays lost."""
    allowed = {SessionStatus.PAUSED, SessionStatus.RUNNING}
    session = _transition(world, event.session_id, "resumed", allowed)
    session.status = SessionStatus.RUNNING
    tasks = world.tables.tasks_of[session.id].values()
    paused = [task for task in tasks if task.status is TaskStatus.PAUSED]
    for task in paused:
        task.pod = ""
    world.enqueue(paused, session)


def close(world: World, event: events.CloseSession) -> None:
    """End the session. Tasks that did not start die later, when a pod picks them up."""
    allowed = {SessionStatus.RUNNING, SessionStatus.PAUSED}
    session = _transition(world, event.session_id, "closed", allowed)
    session.status = SessionStatus.CLOSED
    session.client_open = session.worker_open = False
    session.closed_at = world.now


def cancel(world: World, event: events.CancelSession) -> None:
    """Stop running tasks, abort every result not produced yet, cancel the rest."""
    allowed = {SessionStatus.RUNNING, SessionStatus.PAUSED, SessionStatus.CLOSED}
    session = _transition(world, event.session_id, "cancelled", allowed)
    session.status = SessionStatus.CANCELLED
    session.client_open = session.worker_open = False
    session.cancelled_at = world.now
    for task in world.tables.tasks_of[session.id].values():
        if task.status in HELD:
            world.out.append(Stop(task.id, task.pod))
    for result in world.tables.results_of[session.id].values():
        if result.status is ResultStatus.CREATED:
            world.set_result(result, ResultStatus.ABORTED)
    for task in world.tables.tasks_of[session.id].values():
        if task.status not in FINAL:
            world.set_task(task, TaskStatus.CANCELLING)


def purge(world: World, event: events.PurgeSession) -> None:
    """Delete the data of a session first, and only then look whether that was allowed."""
    allowed = {SessionStatus.CLOSED, SessionStatus.CANCELLED}
    record = world.tables.sessions.get(event.session_id)
    world.require_strict(
        record is None or record.status in allowed,
        f"session '{event.session_id}' is not closed: a cluster would delete its data, then refuse",
    )
    for result in world.tables.results_of[event.session_id].values():
        world.delete_data(result)
    session = _transition(world, event.session_id, "purged", allowed)
    session.status = SessionStatus.PURGED
    session.purged_at = world.now


def delete(world: World, event: events.DeleteSession) -> None:
    """Forget a session, its tasks and its results, whatever they are doing; keep the bytes."""
    tables = world.tables
    for task in list(tables.tasks_of[event.session_id].values()):
        tables.remove_task(task)
    for result in list(tables.results_of[event.session_id].values()):
        tables.remove_result(result)
    # An unknown session is no error: the engine answers as if it had been there.
    tables.sessions.pop(event.session_id, None)


def stop_submission(world: World, event: events.StopSubmission) -> None:
    """Clear the given flags; nothing sets them again."""
    session = world.session(event.session_id)
    session.client_open = session.client_open and not event.client
    session.worker_open = session.worker_open and not event.worker


def expire(world: World, event: events.Expire) -> None:
    """Lose what is older than the retention, running or not."""
    tables = world.tables
    for session in [s for s in tables.sessions.values() if s.created_at < event.before]:
        del tables.sessions[session.id]
    for task in [t for t in tables.tasks.values() if t.created_at < event.before]:
        tables.remove_task(task)
    for result in [r for r in tables.results.values() if r.created_at < event.before]:
        tables.remove_result(result)


def _transition(
    world: World, session_id: str, verb: str, allowed: set[SessionStatus]
) -> SessionRecord:
    session = world.session(session_id)
    if session.status in allowed:
        return session
    if session.status is SessionStatus.CLOSED and verb in ("paused", "resumed"):
        raise world.server_error(f"a closed session cannot be {verb}: '{session_id}'")
    raise Refusal(
        "FAILED_PRECONDITION",
        f"The session transition is invalid: '{session_id}' is {session.status.name} "
        f"and cannot be {verb}",
    )
