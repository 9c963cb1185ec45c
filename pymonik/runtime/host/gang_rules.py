"""Rules for units that several executors run together: who leaves, and what becomes of the unit.

One of the executors reports for all; its report counts when none of the others runs a call any
more. Where all have stopped before, the unit begins again, behind the calls that have ended: with
those executors that are idle then, or, where it is not for a gang, in one that hands on what is
left. When an executor dies all stop: what it ran is charged, and nothing runs beside an attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymonik.runtime.host.events import (
    CameLate,
    GangSeen,
    GangsSeen,
    SliceEnded,
    StepsHeld,
)
from pymonik.runtime.host.scheduler_state import SchedulerState
from pymonik.runtime.host.unit_slice import UnitSlice, UnitState
from pymonik.values.outcome import Failure
from pymonik.wire.shared_cells import EMPTY

if TYPE_CHECKING:
    from pymonik.runtime.host.gang import GangState


def lane_ended(
    state: SchedulerState, running: UnitState, gang: GangState, event: SliceEnded
) -> None:
    """Take what an executor says at the end of its part."""
    if not gang.leave(event.executor):
        return
    gang.seconds += event.seconds
    if event.stop > event.start:
        gang.result = event
    else:
        state.fill(running, event.start, event.columns, event.errors)
        if event.plan is not None:
            state.subtasks.spawn_steps(running, event.plan, lambda: _leave(state, running, gang))
    _leave(state, running, gang)


def _leave(state: SchedulerState, running: UnitState, gang: GangState) -> None:
    """Let a unit end, or begin again, where all have left it."""
    if not state.is_open(running) or running.awaited or not gang.is_over():
        return
    if gang.result is not None:
        state.end_slice(UnitSlice(running, 0, 1), gang.result)
        return
    for pieces in state.executors.values():  # who has not come yet will find nothing to do
        for piece in pieces:
            if piece.running is running:
                piece.stop = 0
    if not gang.goes_on():
        records = gang.records()
        running.completed_steps.update({(0, place): (record,) for place, record in records.items()})
        running.each = gang.seconds / max(1, len(records))
        gang.close()
        running.gang, running.is_alone = None, True
    state.ready.put_back([UnitSlice(running, 0, 1)])


def came_late(state: SchedulerState, event: CameLate) -> None:
    """Note that an executor had nothing to do: others had done its part."""
    piece = state.piece_of(event.executor, event.unit)
    if piece is None:
        return
    state.executors[event.executor].remove(piece)
    gang = piece.running.gang
    if gang is not None and gang.leave(event.executor):
        gang.late += 1
        _leave(state, piece.running, gang)


def steps_held(state: SchedulerState, event: StepsHeld) -> None:
    """Take records that were too large to be handed from executor to executor."""
    piece = state.piece_of(event.executor, event.unit)
    if piece is not None:
        piece.running.completed_steps.update(
            {(0, place): (record,) for place, record in event.steps.items()}
        )


def lane_lost(
    state: SchedulerState, piece: UnitSlice, gang: GangState, executor: int, failure: Failure | None
) -> None:
    """Let all stop where one has died; failure: of a call that has died too often.

    One that has no part in the gang any more, which has begun again without it, leaves nothing.
    """
    had_part = gang.leave(executor)
    if had_part:
        gang.stop()
        _take_errors(state, piece.running, gang)
    if failure is not None:
        state.fail_piece(UnitSlice(piece.running, 0, 1), failure)
    elif had_part:
        _leave(state, piece.running, gang)


def _take_errors(state: SchedulerState, running: UnitState, gang: GangState) -> None:
    """Take note of calls that have failed, and that nothing needs: who knew of them is dead.

    The others know their own, and say so at their end: what they say again counts once.
    """
    stored = running.unit.program.outputs
    failures = [
        record
        for place, record in gang.records().items()
        if type(record) is Failure and not record.path and place not in stored
    ]
    failures += gang.failures()
    state.fill(running, 0, [], [one for one in failures if one.mark not in state.failures])


def gang_seen(state: SchedulerState, event: GangSeen) -> None:
    """Fill in what has ended, while the unit runs."""
    piece = state.piece_of(event.executor, event.unit)
    if piece is None or event.unit not in state.units:
        return
    outputs = piece.running.unit.outputs
    for output, record in enumerate(event.records):
        if record is not EMPTY:
            outputs.tell(output, 0, [record])
    state.call_back(outputs.due())


def gangs_seen(state: SchedulerState, event: GangsSeen) -> None:
    """Let units begin again with more executors, where some have nothing to do."""
    if state.ready:
        return
    idle = {state.ready.environment_of(n) for n, pieces in state.executors.items() if not pieces}
    for number, pieces in state.executors.items() if idle else ():
        for piece in pieces:
            gang = piece.running.gang
            if gang is not None and gang.is_short and state.ready.environment_of(number) in idle:
                gang.stop()
