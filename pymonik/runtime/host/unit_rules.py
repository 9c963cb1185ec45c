"""Rules for whole units: how they come, are given out, are given up, and leave."""

from __future__ import annotations

from pymonik.plan.unit import Unit
from pymonik.runtime.executor.results import failure_of
from pymonik.runtime.host.events import (
    AllFailed,
    CallbacksMade,
    EnvironmentFailed,
    EnvironmentMerged,
    RoundOver,
    UnitCancelled,
    UnitsAdded,
    UnitsWithdrawn,
)
from pymonik.runtime.host.instructions import GiveSlices, KillExecutor
from pymonik.runtime.host.scheduler_state import SchedulerState
from pymonik.runtime.host.slice_rules import fault
from pymonik.runtime.host.unit_slice import UnitSlice, UnitState
from pymonik.system.structs import replace
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs
from pymonik.wire.program import site_of


def units_added(state: SchedulerState, event: UnitsAdded) -> None:
    """Take units; one alone that nothing keeps from running is given out without waiting."""
    pieces = state.enter(event.units)
    if len(pieces) == state.unfinished == 1:
        executor = state.ready.give_alone(pieces[0])
        if executor is not None:
            _note_given(state, executor, pieces)
            return
    state.enqueue(pieces)


def callbacks_made(state: SchedulerState, event: CallbacksMade) -> None:
    """Queue what became free by what callbacks did."""
    state.propagate()


def round_over(state: SchedulerState, event: RoundOver) -> None:
    """Give out what can run; let units fail that nothing will bring to an end.

    What these wait for runs nowhere. Waits for their values would otherwise never end.
    """
    given = state.ready.assign()
    if given:
        for executor, pieces in given.items():
            _note_given(state, executor, pieces)
    elif state.units and not len(state.ready) and not any(state.executors.values()):
        for running in list(state.units.values()):
            failure = fault(running.unit, "no running or ready unit can produce its value")
            state.failures.note([failure])
            state.fail(running, failure)
        state.complete.clear()
        state.dependents.clear()


def _note_given(state: SchedulerState, executor: int, pieces: list[UnitSlice]) -> None:
    state.out.append(GiveSlices(executor, pieces))
    for piece in pieces:
        numbers = (executor, piece.running.unit.number, piece.start, piece.stop)
        state.history.append((GiveSlices, numbers))


def unit_cancelled(state: SchedulerState, event: UnitCancelled) -> None:
    """Stop a unit whose values nobody wants."""
    _cancel(state, event.outputs)


def _cancel(state: SchedulerState, outputs: Outputs) -> None:
    """Stop a unit, and those that its calls have recorded; nothing where it has ended."""
    running = state.by_outputs.get(id(outputs))
    if running is None or running.cancelled:
        return
    running.cancelled = True
    state.ready.drop(running)
    for executor, pieces in state.executors.items():
        if any(piece.running is running for piece in pieces):
            # A call cannot be interrupted: its process ends. What else that had is placed anew.
            state.out.append(KillExecutor(executor))
    # What its calls have recorded was to make its value.
    for child in running.children:
        _cancel(state, child)
    unit = running.unit
    site = site_of(unit.program.steps[0], 0)
    state.fail(running, Failure("cancelled", "it was cancelled", unit.name, site))
    state.propagate()


def all_failed(state: SchedulerState, event: AllFailed) -> None:
    """Let every unfinished unit end with one failure, and stop what runs."""
    state.ready.clear()
    state.out += [KillExecutor(number) for number, pieces in state.executors.items() if pieces]
    if event.failure.kind == "cancelled":  # for who draws the run: one of each name tells it
        ended = {running.unit.name: _ended(running.unit, event) for running in state.units.values()}
        state.failures.note(list(ended.values()))
    for running in list(state.units.values()):
        state.fail(running, _ended(running.unit, event))
    state.complete.clear()
    state.dependents.clear()


def _ended(unit: Unit, event: AllFailed) -> Failure:
    site = site_of(unit.program.steps[0], 0)
    return replace(event.failure, task=unit.name, site=event.failure.site or site)


def environment_failed(state: SchedulerState, event: EnvironmentFailed) -> None:
    """Let the units of an environment that cannot be had end with what is wrong with it."""
    state.ready.forget(event.environment)
    failed = {
        number: failure_of(event.error, running.unit.program.steps[0], 0, 1, "")
        for number, running in state.units.items()
        if state.ready.resolve(running.unit.environment) == event.environment
    }
    # Of one cause, whose mark all of them have: who handles one handles all, however many there
    # are, also those of values that were never held.
    cause = tuple([failure.mark for failure in failed.values()][:1])
    for number, failure in failed.items():
        failure = replace(failure, beside=cause)
        state.failures.note([failure])
        state.fail(state.units[number], failure)
    state.propagate()


def environment_merged(state: SchedulerState, event: EnvironmentMerged) -> None:
    """Let units that need an environment run where those of another do."""
    state.ready.merge(event.environment, event.other)


def units_withdrawn(state: SchedulerState, event: UnitsWithdrawn) -> None:
    """Forget what no executor has begun, and hand it over; what was given out runs to its end."""
    pieces = [piece for piece in state.ready if piece.attempts_before is None]
    tried = [piece for piece in state.ready if piece.attempts_before is not None]
    state.ready.clear()
    state.ready.put_back(tried)  # what earlier attempts have cost them is known here only
    state.dependents.clear()
    given = {id(p.running) for given in (*state.executors.values(), tried) for p in given}
    whole: list[Unit] = []
    begun: list[UnitState] = []
    for running in list(state.units.values()):
        unit = running.unit
        if id(running) in given or running.bound or unit.outputs.missing < unit.n:
            begun.append(running)
            continue
        del state.units[unit.number], state.by_outputs[id(unit.outputs)]
        state.unfinished -= 1
        whole.append(unit)
    open_ = set(map(id, begun))
    event.receive(whole, [piece for piece in pieces if id(piece.running) in open_], begun)
