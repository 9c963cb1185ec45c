"""Rules of results: declaration, arrival of their bytes, deletion, and who becomes ready by it."""

from __future__ import annotations

from collections.abc import Iterable

from pymonik.emulator.state import events
from pymonik.emulator.state.instructions import Drop, ResultCreated
from pymonik.emulator.state.records import Result, SessionRecord, TaskRecord
from pymonik.emulator.state.status import ResultStatus, TaskStatus
from pymonik.emulator.state.world import Refusal, World


def create(world: World, event: events.CreateResults) -> None:
    """Declare results, some of them with bytes. Nobody asks whether the session exists."""
    world.require_strict(
        event.session_id in world.tables.sessions,
        f"session '{event.session_id}' does not exist: a cluster would accept and lose the results",
    )
    world.check_texts(new.name for new in event.results)
    for new in event.results:
        declare(world, event.session_id, new, created_by="")


def declare(world: World, session_id: str, new: events.NewResult, created_by: str) -> Result:
    """Store a new result; with bytes it is completed at once and owned by the session."""
    result = Result(
        id=new.id,
        session_id=session_id,
        name=new.name,
        created_at=world.now,
        created_by=created_by,
        manual_deletion=new.manual_deletion,
    )
    # The engine writes the session there, not "": who looks for the owner of a result that a client
    # has uploaded finds no task.
    if new.object_id:
        result.owner = session_id
        result.status = ResultStatus.COMPLETED
        result.completed_at = world.now
        result.object_id, result.size = new.object_id, new.size
    world.tables.add_result(result)
    world.out.append(ResultCreated(session_id, result.id))
    return result


def upload(world: World, event: events.UploadResult) -> None:
    """Complete a result with what a client sent, whatever its status."""
    session = world.session(event.session_id)
    result = world.result(event.stored.result_id)
    world.require_strict(
        result.session_id == session.id,
        f"result '{result.id}' belongs to session '{result.session_id}', not to '{session.id}'",
    )
    # Of any status: one that was aborted or deleted comes to life again, and one that has come is
    # overwritten.
    complete(world, result, event.stored)
    resolve(world, [result], session)


def import_objects(world: World, event: events.ImportResults) -> None:
    """Attach objects that are in storage already to results that have none yet."""
    session = world.session(event.session_id)
    results = [world.result(stored.result_id) for stored in event.stored]
    for result in results:
        if result.status is not ResultStatus.CREATED:
            raise Refusal(
                "FAILED_PRECONDITION",
                f"Result status is invalid: '{result.id}' is {result.status.name}",
            )
    for result, stored in zip(results, event.stored, strict=True):
        complete(world, result, stored)
    resolve(world, results, session)


def delete(world: World, event: events.DeleteResults) -> None:
    """Delete the bytes of results; what cannot be deleted is passed over in silence."""
    for result_id in event.result_ids:
        if world.settings.strict:
            world.result(result_id)
        result = world.tables.results.get(result_id)
        if result is not None:
            world.delete_data(result)


def complete(world: World, result: Result, stored: events.StoredObject) -> None:
    """Give a result its bytes; an earlier object is not referenced any more."""
    world.remember(result)
    if result.object_id and result.object_id != stored.object_id:
        world.out.append(Drop(result.object_id))
    result.object_id, result.size = stored.object_id, stored.size
    world.set_result(result, ResultStatus.COMPLETED)


def resolve(world: World, completed: Iterable[Result], session: SessionRecord | None) -> None:
    """Queue the tasks whose last missing inputs these results were."""
    ready: list[TaskRecord] = []
    for result in completed:
        for task_id in result.dependents:
            task = world.tables.tasks.get(task_id)
            if task is None or result.id not in task.remaining:
                continue
            task.remaining.discard(result.id)
            if not task.remaining and task.status is TaskStatus.PENDING:
                ready.append(task)
    world.enqueue(ready, session)
