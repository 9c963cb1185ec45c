"""Rules for what executors say of their pieces, and for how executors come and go."""

from __future__ import annotations

from pymonik.plan.unit import Unit
from pymonik.runtime.executor.resume import DeathRecord
from pymonik.runtime.host.events import (
    ElementsReported,
    ExecutorLost,
    ExecutorStarted,
    JournalRead,
    JournalSeen,
    SliceEnded,
    SliceFaulted,
    SlicesDropped,
)
from pymonik.runtime.host.gang_rules import lane_ended, lane_lost
from pymonik.runtime.host.scheduler_state import IllegalMove, SchedulerState
from pymonik.runtime.host.unit_slice import UnitSlice, UnitState
from pymonik.values.outcome import Failure
from pymonik.wire.activation_log import begun
from pymonik.wire.program import site_of


def executor_started(state: SchedulerState, event: ExecutorStarted) -> None:
    """Let an executor have pieces from now on."""
    if event.executor in state.executors:
        raise IllegalMove(f"executor {event.executor} has started already")
    state.ready.add_executor(event.executor, event.environment)


def elements_reported(state: SchedulerState, event: ElementsReported) -> None:
    """Take the records of elements that ended."""
    piece = _checked(state, event)
    if event.unit in state.units:
        _take(state, piece, event)
    else:  # it was cancelled meanwhile, and its executor reports until it is killed
        # Moved on, so that its next report, which begins there, is no illegal move.
        piece.start = event.stop


def slice_ended(state: SchedulerState, event: SliceEnded) -> None:
    """Take the last records of a piece, the rest it hands back, and what its calls recorded."""
    piece = _checked(state, event)
    state.executors[event.executor].remove(piece)
    if event.unit not in state.units:
        return
    if piece.running.gang is not None:
        lane_ended(state, piece.running, piece.running.gang, event)
    elif piece.first < piece.stop:  # else it was to run a part of a unit, which others have done
        state.end_slice(piece, event)


def _checked(state: SchedulerState, event: ElementsReported | SliceEnded) -> UnitSlice:
    """Return the piece that an executor reports on; raises IllegalMove where it has none such."""
    piece = state.piece_of(event.executor, event.unit)
    if piece is None:
        raise IllegalMove(f"executor {event.executor} has no piece of unit {event.unit}")
    start, stop = event.start, event.stop
    if start != piece.start or not start <= stop <= piece.stop:
        left = f"[{piece.start}:{piece.stop}]"
        raise IllegalMove(
            f"executor {event.executor} reported elements [{start}:{stop}] of unit {event.unit}, "
            f"of which it has {left} left"
        )
    outputs, count = len(piece.running.unit.outputs.columns), stop - start
    # An executor runs user code, which may have written anywhere: its word is checked.
    if list(map(len, event.columns)) != [count] * outputs:
        lengths = list(map(len, event.columns))
        raise IllegalMove(
            f"unit {event.unit}: expected {outputs} columns of {count} records, got columns of "
            f"{lengths}"
        )
    return piece


def _take(state: SchedulerState, piece: UnitSlice, event: ElementsReported) -> None:
    state.fill(piece.running, event.start, event.columns, event.errors)
    piece.start = event.stop
    state.settle(piece.running, event.stop - event.start)


def journal_read(state: SchedulerState, event: JournalRead) -> None:
    """Take what an executor had finished, as far as it is of a piece that it has."""
    number, first, entries = event.unit, event.first, event.entries
    piece = state.piece_of(event.executor, number)
    element = first + len(entries)
    # One that begins behind what was reported has lost its beginning: it is run again.
    if piece is None or not first <= piece.start <= element <= piece.stop:
        return
    if number in state.units and element > piece.start:
        fresh = entries[piece.start - first :]
        outputs = len(piece.running.unit.outputs.columns)
        columns = [list(fresh)] if outputs == 1 else [list(c) for c in zip(*fresh)]
        report = ElementsReported(event.executor, number, piece.start, element, columns, [])
        _take(state, piece, report)
    piece.running.completed_steps.update(
        {(element, place): step for place, step in enumerate(event.steps)}
    )
    graph = begun(event.log)
    is_over = graph is None or graph in piece.running.completed_steps or graph[0] < element
    if graph is not None and not is_over:
        piece.running.deaths[graph] = DeathRecord(event.log)


def journal_seen(state: SchedulerState, event: JournalSeen) -> None:
    """Fill in what has ended and was not reported yet: a report will follow."""
    first, entries = event.first, event.entries
    piece = state.piece_of(event.executor, event.unit)
    if piece is None or event.unit not in state.units:
        return
    unit = piece.running.unit
    outputs = len(unit.outputs.columns)
    columns = [entries] if outputs == 1 else [list(column) for column in zip(*entries)]
    for output, records in enumerate(columns):
        unit.outputs.tell(output, first, records)
    steps, element = event.steps, first + len(entries)
    for output, place in enumerate(unit.program.outputs if steps else ()):
        step = steps[place] if place < len(steps) else ()
        if step and unit.program.is_stored(place, element):
            unit.outputs.tell(output, element, [step[0]])
    state.call_back(unit.outputs.due())


def executor_lost(state: SchedulerState, event: ExecutorLost) -> None:
    """Place anew what an executor left behind; charge its death to the call it was running.

    Where the call is none that it was given, its first one is charged: something in there kills.
    """
    given = state.ready.remove_executor(event.executor)
    pieces = [p for p in given if state.is_open(p.running) and (p.first < p.stop or p.running.gang)]
    ganged = [piece for piece in pieces if piece.running.gang is not None]
    failure = None
    if event.call is not None and pieces:
        number, element, step = event.call
        for piece in pieces:
            is_in = piece.running.gang is not None or piece.start <= element < piece.stop
            if piece.running.unit.number == number and is_in:
                break
        else:
            piece, element, step = pieces[0], pieces[0].start, 0
        failure = _charged(piece.running, (element, step), event)
        if failure is not None and piece not in ganged:
            pieces.remove(piece)
            state.fail_piece(piece, failure)
    # One that runs with others is given nothing else: where it has died of a call, it is of that.
    for piece in ganged:
        pieces.remove(piece)
        assert piece.running.gang is not None
        lane_lost(state, piece, piece.running.gang, event.executor, failure)
    state.ready.put_back(piece for piece in pieces if piece.start < piece.stop)
    state.propagate()  # its journal may have ended a unit


def _charged(running: UnitState, call: tuple[int, int], event: ExecutorLost) -> Failure | None:
    """Attribute a death to a call, or leave that to the next executor, where its graph ran."""
    death = running.deaths.get(call)
    if death is None or death.reason:  # of an earlier one, which was told of and has not gone on
        return running.attribute_death(*call, event.reason, event.stack)
    running.deaths[call] = death._replace(reason=event.reason, stack=event.stack)
    return None


def slices_dropped(state: SchedulerState, event: SlicesDropped) -> None:
    """Let an executor have nothing to run."""
    state.executors[event.executor].clear()


def slice_faulted(state: SchedulerState, event: SliceFaulted) -> None:
    """Let what has not ended of a piece fail."""
    piece = state.piece_of(event.executor, event.unit)
    if piece is None:
        return
    state.executors[event.executor].remove(piece)
    if state.is_open(piece.running):
        failure, gang = fault(piece.running.unit, event.text, event.traceback), piece.running.gang
        if gang is None:
            state.fail_piece(piece, failure)
        else:
            lane_lost(state, piece, gang, event.executor, failure)


def fault(unit: Unit, text: str, traceback: str = "") -> Failure:
    """Return the failure of a unit for which no code of the user is to blame."""
    step = unit.program.steps[0]
    said = f"PymoniK failed outside your code; this is a bug of PymoniK, please report it: {text}"
    return Failure("error", said, unit.name, site_of(step, 0), traceback=traceback)
