"""Rules of submission: what is checked, in which order, and how tasks enter the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from pymonik.emulator.state import events
from pymonik.emulator.state.instructions import DatabaseLoad, TaskCreated
from pymonik.emulator.state.options import merge
from pymonik.emulator.state.records import Options, Result, SessionRecord, TaskRecord
from pymonik.emulator.state.status import ResultStatus, TaskStatus
from pymonik.emulator.state.strict import scrutinize
from pymonik.emulator.state.world import Refusal, World


def submit(world: World, event: events.SubmitTasks) -> None:
    """Create the tasks of one request, or none of them."""
    if not event.tasks:
        raise Refusal("INVALID_ARGUMENT", "task_creations must not be empty")
    session = world.tables.sessions.get(event.session_id)
    if session is None:
        code = world.settings.generation.unknown_session_at_submit
        raise world.server_error(f"Session was not found: '{event.session_id}'", code)
    # The order of the checks is that of the engine: a request with several faults is refused for
    # the same one.
    defaults = admit(world, session, event.options, session.client_open, "Client")
    tasks = with_merged_options(world, event.tasks, defaults)
    scrutinize(world, session, (event.options, *(t.options for t in event.tasks)), tasks)
    try:
        check_shape(world, tasks)
        if not event.inputs_checked:
            check_inputs(world, tasks, world.tables.results.get)
    except Refusal:
        _roll_back(world, tasks)
        raise
    created = insert(world, session, tasks, parent=None)
    connect(world, created, session)


def admit(
    world: World, session: SessionRecord, options: Options | None, is_open: bool, who: str
) -> Options:
    """Check the options of a request against its session, and return them merged."""
    if options is not None:
        world.check_texts(options.texts)
        if options.max_duration is None:
            raise world.server_error("task_options without max_duration")
    merged = merge(options, session.options, world.settings.generation)
    if merged.partition not in session.partitions:
        raise world.server_error(
            f"partition '{merged.partition}' is not in session '{session.id}': "
            f"it has {list(session.partitions)}"
        )
    highest = world.settings.max_priority
    if highest is not None and merged.priority > highest:
        raise Refusal("INVALID_ARGUMENT", f"Max priority is {highest}")
    if not is_open:
        raise Refusal(
            "FAILED_PRECONDITION",
            f"Submission for the session is closed: {who} submission is closed",
        )
    return merged


def with_merged_options(
    world: World, tasks: Iterable[events.NewTask], defaults: Options
) -> list[events.NewTask]:
    """Return the tasks with their final options."""
    merged: list[events.NewTask] = []
    for task in tasks:
        if task.options is not None:
            world.check_texts(task.options.texts)
            if task.options.max_duration is None:
                raise world.server_error(f"options of task {len(merged)} without max_duration")
        options = merge(task.options, defaults, world.settings.generation)
        merged.append(replace(task, options=options))
    return merged


def check_shape(world: World, tasks: Iterable[events.NewTask]) -> None:
    """Refuse an input named twice: the engine keys a dictionary by them."""
    for task in tasks:
        inputs = (*task.dependencies, task.payload_id)
        if len(set(inputs)) != len(inputs):
            twice = next(i for i in inputs if inputs.count(i) > 1)
            raise world.server_error(
                f"result '{twice}' is listed twice among the dependencies and payload of one task"
            )


def check_inputs(
    world: World, tasks: Iterable[events.NewTask], find: Callable[[str], Result | None]
) -> None:
    """Refuse inputs that do not exist, and (where the server looks) those that never will."""
    inputs = dict.fromkeys(i for task in tasks for i in (*task.dependencies, task.payload_id))
    results = {i: find(i) for i in inputs}
    missing = [i for i, result in results.items() if result is None]
    if missing:
        raise world.server_error(
            f"Some dependencies do not exist in the ResultTable: {', '.join(missing)}",
            world.settings.generation.unknown_input,
        )
    if not world.settings.generation.refuses_dead_inputs:
        return
    dead = (ResultStatus.ABORTED, ResultStatus.DELETED)
    invalid = [i for i, result in results.items() if result is not None and result.status in dead]
    if invalid:
        raise Refusal(
            "FAILED_PRECONDITION",
            "Result status is invalid: Some dependencies have invalid status: "
            + ", ".join(invalid),
        )


def insert(
    world: World, session: SessionRecord, tasks: Iterable[events.NewTask], parent: TaskRecord | None
) -> list[TaskRecord]:
    """Store the tasks and give them the outputs that nobody owns."""
    parents = (session.id,) if parent is None else (*parent.parents, parent.id)
    created = []
    for new in tasks:
        assert new.options is not None, "options are merged before tasks are stored"
        task = TaskRecord(
            id=new.id,
            session_id=session.id,
            options=new.options,
            payload_id=new.payload_id,
            dependencies=new.dependencies,
            outputs=new.outputs,
            created_at=world.now,
            initial_id=new.id,
            created_by="" if parent is None else parent.id,
            parents=parents,
        )
        world.tables.add_task(task)
        world.out.append(TaskCreated(session.id, task.id))
        created.append(task)
    for task in created:
        for output in task.outputs:
            result = world.tables.results.get(output)
            # The first owner stays, in silence: a submission that was sent twice runs twice, and
            # its second copy owns nothing.
            if result is not None and not result.owner:
                world.set_owner(result, task.id)
    return created


def connect(world: World, tasks: Sequence[TaskRecord], session: SessionRecord | None) -> None:
    """Tie the tasks to the inputs they wait for, and queue those that wait for none."""
    completed = set()
    for task in tasks:
        for result_id in (*task.dependencies, task.payload_id):
            result = world.tables.results.get(result_id)
            if result is not None and result.status is ResultStatus.COMPLETED:
                completed.add(result_id)
                continue
            # The payload counts as a dependency, too: it may be uploaded after the submission.
            task.remaining.add(result_id)
            if result is not None:
                result.dependents.append(task.id)
        world.set_task(task, TaskStatus.PENDING)
    # The engine removes every completed input of the request from every task of the request.
    world.out.append(DatabaseLoad(len(tasks), len(completed)))
    world.enqueue([task for task in tasks if not task.remaining], session)


def _roll_back(world: World, tasks: Iterable[events.NewTask]) -> None:
    # Outputs lose their owner even if that is another task, accepted earlier.
    for task in tasks:
        for output in task.outputs:
            result = world.tables.results.get(output)
            if result is not None:
                world.set_owner(result, "")
