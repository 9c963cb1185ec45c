"""Rules of execution: what a pod reports about a task, from its message to its end."""

from __future__ import annotations

from pymonik.emulator.state import events, submission
from pymonik.emulator.state.cascade import terminate
from pymonik.emulator.state.instructions import Drop, Poison, Proceed, Run, TaskCreated
from pymonik.emulator.state.records import SessionRecord, TaskRecord
from pymonik.emulator.state.results import complete, declare, resolve
from pymonik.emulator.state.status import (
    ENDED_SESSIONS,
    FINAL,
    HELD,
    ResultStatus,
    SessionStatus,
    TaskStatus,
)
from pymonik.emulator.state.strict import production_faults, scrutinize
from pymonik.emulator.state.world import Refusal, World

UNWRITABLE = (
    "strict: the error text holds a NUL character, which no database keeps: on a cluster the agent "
    "would take this task again for ever, and nothing else of its partition"
)


def acquire(world: World, event: events.Acquire) -> None:
    """Let a pod take a task from its queue, if task and session still allow it."""
    task = world.tables.tasks.get(event.task_id)
    if task is None:
        return
    # Whatever becomes of it: its message was taken from the queue.
    task.queued = False
    session = world.tables.sessions.get(task.session_id)
    if session is None:
        _abort(world, task, TaskStatus.ERROR, "Session was not found")
    # A closed session is one of them: CloseSession lets what runs end, and kills what was only
    # queued.
    elif session.status in ENDED_SESSIONS:
        if task.status not in FINAL:
            _cancel(world, task, f"its session {session.id} is {session.status.name}")
    # Its message is gone: one that got ready during the pause stays SUBMITTED, since ResumeSession
    # looks at PAUSED tasks alone.
    elif session.status is SessionStatus.PAUSED:
        return
    elif task.status is TaskStatus.CANCELLING:
        _cancel(world, task, "its cancellation was requested")
    elif task.status is TaskStatus.SUBMITTED:
        task.pod, task.acquired_at = event.pod, world.now
        # The agent asks this copy when the task submits: StopSubmission does not cut off what runs.
        task.worker_open = session.worker_open
        world.set_task(task, TaskStatus.DISPATCHED)
        world.out.append(Run(task.id))


def start(world: World, event: events.Start) -> None:
    """Call the worker, unless the task was paused or cancelled while its inputs were fetched."""
    task = _alive(world, event.task_id)
    if task is None:
        return
    if task.status is TaskStatus.PAUSED:
        task.pod = ""
        return
    task.started_at = world.now
    world.set_task(task, TaskStatus.PROCESSING)
    world.out.append(Proceed(task.id))


def offer(world: World, event: events.Offer) -> None:
    """Check sub-tasks against the session as it was when the pod took their parent."""
    task = world.tables.tasks.get(event.task_id)
    session = None if task is None else world.tables.sessions.get(task.session_id)
    if task is None or session is None:
        raise Refusal("NOT_FOUND", f"Task or its session was not found: '{event.task_id}'")
    defaults = submission.admit(world, session, event.options, task.worker_open, "Worker")
    submission.with_merged_options(world, event.tasks, defaults)


def succeed(world: World, event: events.Succeed) -> None:
    """Make everything that the task asked for visible: results, data, sub-tasks, in that order."""
    task = _alive(world, event.task_id)
    session = None if task is None else world.tables.sessions.get(task.session_id)
    if task is None or session is None:
        world.out.extend(Drop(stored.object_id) for stored in event.stored)
        return
    delegated = {o for offered in event.offers for new in offered.tasks for o in new.outputs}
    faults = production_faults(world, task, event, delegated)
    if faults:
        world.out.extend(Drop(stored.object_id) for stored in event.stored)
        _abort(world, task, TaskStatus.ERROR, "strict: " + "; ".join(faults))
        return
    try:
        world.check_texts(new.name for new in event.created)
    except Refusal as refusal:
        world.out.extend(Drop(stored.object_id) for stored in event.stored)
        _retry_or_abort(world, task, f"Agent got an internal error\n{refusal.reason}")
        return
    task.processed_at = world.now
    # In the order in which an agent does it: rows, data, sub-tasks, then whoever waits. So
    # sub-tasks exist, and start, only once their parent has ended well.
    completed = []
    for new in event.created:
        given = session.id if new.session_id is None else new.session_id
        declare(world, given, new, created_by=task.id)
        task.created.append(new.id)
    for stored in event.stored:
        result = world.tables.results.get(stored.result_id)
        if result is not None:
            complete(world, result, stored)
            completed.append(result)
    try:
        _adopt(world, task, session, event.offers)
    except Refusal as refusal:
        # What was stored above stays: the agent fails amid its own work, and the parent is tried
        # again for what is wrong with its sub-tasks.
        _retry_or_abort(world, task, f"Agent got an internal error\n{refusal.reason}")
        return
    resolve(world, completed, session=None)
    world.set_task(task, TaskStatus.COMPLETED)
    _delete_payload(world, task)


def fail(world: World, event: events.Fail) -> None:
    """End the task with the error of its worker, and all that depends on it."""
    task = _alive(world, event.task_id)
    if task is None:
        return
    # An error of the user is never retried, unlike a crash: the same code would fail again.
    if "\0" not in event.error:
        _abort(world, task, TaskStatus.ERROR, event.error)
    elif world.settings.strict:
        _abort(world, task, TaskStatus.ERROR, UNWRITABLE)
    elif not world.settings.delete_payload:
        _retry_or_abort(world, task, "Agent got an internal error")
    else:
        _poison(world, task)


def crash(world: World, event: events.Crash) -> None:
    """Try the task again as a new one, while it has retries left."""
    task = _alive(world, event.task_id)
    if task is not None:
        _retry_or_abort(world, task, event.error)


def time_out(world: World, event: events.TimeOut) -> None:
    """End the task at its deadline."""
    task = _alive(world, event.task_id)
    if task is not None:
        # Without a retry, and counted from the call of the worker: fetching inputs takes no part of
        # it.
        _abort(world, task, TaskStatus.TIMEOUT, "Deadline Exceeded")


def release(world: World, event: events.Release) -> None:
    """Put the task back into its queue; no retry is consumed."""
    task = _alive(world, event.task_id)
    if task is not None:
        task.pod = ""
        if task.status in HELD:
            world.set_task(task, TaskStatus.SUBMITTED)
            world.send_message(task)


def _alive(world: World, task_id: str) -> TaskRecord | None:
    """Find a task that a pod reports on; one that is being cancelled ends here."""
    task = world.tables.tasks.get(task_id)
    if task is None or task.status in FINAL:
        return None
    if task.status is TaskStatus.CANCELLING:
        _cancel(world, task, "its cancellation was requested")
        return None
    return task


def _adopt(
    world: World, parent: TaskRecord, session: SessionRecord, offers: tuple[events.Offer, ...]
) -> None:
    """Insert sub-tasks; those that name outputs of their parent take them over."""
    merged: list[events.NewTask] = []
    for offered in offers:
        far = submission.admit(world, session, offered.options, parent.worker_open, "Worker")
        tasks = submission.with_merged_options(world, offered.tasks, far)
        sent = (offered.options, *(new.options for new in offered.tasks))
        scrutinize(world, session, sent, tasks, parent=parent.id)
        merged += tasks
    submission.check_shape(world, merged)
    submission.check_inputs(world, merged, world.tables.results.get)
    children = submission.insert(world, session, merged, parent)
    inherited = set(parent.outputs)
    for child in children:
        for output in inherited.intersection(child.outputs):
            result = world.tables.results.get(output)
            if result is not None and result.owner == parent.id:
                world.set_owner(result, child.id)
    if children:
        submission.connect(world, children, session=None)


def _retry_or_abort(world: World, task: TaskRecord, error: str) -> None:
    # As many more as the options say: the first attempt is none of them.
    if len(task.retry_of) < task.options.max_retries:
        _retry(world, task, error)
    else:
        _abort(world, task, TaskStatus.ERROR, error)


def _retry(world: World, task: TaskRecord, error: str) -> None:
    results = world.tables.results
    outputs = [results[output] for output in task.outputs if output in results]
    # Owned by the attempt that failed, should it have handed them to sub-tasks: nothing is aborted
    # then, the next attempt takes them over.
    for result in outputs:
        world.set_owner(result, task.id)
    # What it has declared for itself is lost; the next attempt declares its own.
    for result in (results[created] for created in task.created if created in results):
        if result.status is ResultStatus.CREATED:
            world.set_result(result, ResultStatus.ABORTED)
    task.pod = ""
    world.set_task(task, TaskStatus.RETRIED, error)
    attempt = _renew(world, task)
    for result in outputs:
        world.set_owner(result, attempt.id)
    submission.connect(world, [attempt], session=None)


def _renew(world: World, task: TaskRecord) -> TaskRecord:
    """Create the next attempt of a task."""
    chain = (*task.retry_of, task.id)
    attempt = TaskRecord(
        id=f"{task.initial_id}###{len(chain)}",
        session_id=task.session_id,
        options=task.options,
        payload_id=task.payload_id,
        dependencies=task.dependencies,
        outputs=task.outputs,
        created_at=world.now,
        initial_id=task.initial_id,
        created_by=task.created_by,
        parents=task.parents,
        retry_of=chain,
    )
    world.tables.add_task(attempt)
    world.out.append(TaskCreated(attempt.session_id, attempt.id))
    return attempt


def _poison(world: World, task: TaskRecord) -> None:
    """Delete the payload, fail to write the end, and have no payload for the retry.

    The agent takes the message of the task again and again, until its session ends.
    """
    _delete_payload(world, task)
    world.set_task(task, TaskStatus.RETRIED)
    _renew(world, task)
    world.out.append(Poison(task.id))


def _abort(world: World, task: TaskRecord, status: TaskStatus, error: str) -> None:
    _delete_payload(world, task)
    world.set_task(task, status, error)
    verb = "timed-out" if status is TaskStatus.TIMEOUT else "failed"
    terminate(world, [task.id], f"Task {task.id} {verb}:\n{error}")


def _cancel(world: World, task: TaskRecord, why: str) -> None:
    world.set_task(task, TaskStatus.CANCELLED)
    terminate(world, [task.id], f"Task {task.id} has been cancelled because {why}")


def _delete_payload(world: World, task: TaskRecord) -> None:
    payload = world.tables.results.get(task.payload_id)
    if world.settings.delete_payload and payload is not None:
        world.delete_data(payload)
