"""What may happen to a submission between its arrival and its effect."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pymonik.emulator.engine import Engine, Refused
from pymonik.emulator.faults import CURRENT_FAULTS, RacedByAbort
from pymonik.emulator.state import ResultStatus, events
from pymonik.emulator.state.instructions import ResultChanged

DEAD = (ResultStatus.ABORTED, ResultStatus.DELETED)


def under_way(
    engine: Engine,
    event: events.SubmitTasks,
    context: Any,
    sleep: Callable[[float], None] = time.sleep,
) -> events.SubmitTasks:
    """Let faults and quirks have their turn; return the submission as it takes effect."""
    inputs = {i for task in event.tasks for i in (*task.dependencies, task.payload_id)}
    alive = _are_alive(engine, inputs)
    races = [action for action in CURRENT_FAULTS.get() if isinstance(action, RacedByAbort)]
    if alive:
        for race in races:
            _await_abort(engine, event.session_id, inputs, race.within)
    if engine.overhead.per_task:
        sleep(engine.overhead.of_submission(len(event.tasks)))
    if engine.quirks.rolled_back_submissions and not context.is_active():
        raise Refused("CANCELLED", "the client went away: the submission is rolled back")
    raced = bool(races) or engine.quirks.raced_submissions
    return replace(event, inputs_checked=alive and raced)


def _are_alive(engine: Engine, inputs: set[str]) -> bool:
    with engine.reading() as tables:
        results = [tables.results.get(result_id) for result_id in inputs]
    return all(result is not None and result.status not in DEAD for result in results)


def _await_abort(engine: Engine, session_id: str, inputs: set[str], seconds: float) -> None:
    watcher = engine.watchers.open(session_id)
    # Notices come one by one, without a time: it ends the wait for them.
    limit = threading.Timer(seconds, watcher.end)
    limit.daemon = True
    limit.start()
    try:
        if _are_alive(engine, inputs):  # or else it came before the watcher did
            for notice in watcher:
                if (
                    isinstance(notice, ResultChanged)
                    and notice.result_id in inputs
                    and notice.status is ResultStatus.ABORTED
                ):
                    return
    finally:
        limit.cancel()
        engine.watchers.close(watcher)
