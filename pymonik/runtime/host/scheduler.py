"""The scheduler of a host: which executor runs which elements of which unit next.

An event in, the list of instructions out; no socket, no clock, no process, no lock: one event at a
time, by the thread that leads (`leadership`). Beside events only callbacks of values that have come
(`Outputs.watch`) end elements, on the same thread: those that waited for the value; `take` gives
what is to be done because of that. A unit is run in pieces, ranges of its elements: all of them at
first; what an executor hands back, or leaves behind when it dies, is cut and queued again.

Promised. The first is held by `tests/runtime/test_scheduler_laws.py` on random graphs and events,
for gangs by `test_scheduler_gang.py`; the order by `test_order.py` and `test_ready.py`, the growth
of the cost by `test_scheduler_cost.py`:

* A unit starts when all of its inputs are there; no element is given to two executors at a time,
  but for that of a gang, of which each runs the steps of its own lanes (`gang_rules`); none that
  was reported runs again, and each ends once, whatever dies.
* Order: the highest priority first, then the longest path, then first come, first served; what an
  executor has left behind comes before what is alike. Environments take turns, so that none waits
  behind another. Within an environment a stream of urgent units can keep others waiting for ever.
* Cost: to take an end and give out what is next costs O(log n) of n pieces that wait, and
  O(e log e) of e executors: 10 µs with 2 executors and 60 µs with 64, be there a hundred pieces or
  a hundred thousand (seen with CPython 3.11 on one core). To cancel, to fail all or an environment,
  and to take back what has not begun look at all that waits.

Constants stand where they are used, each with where it is from: `ready` (how far ahead, how small a
piece), `loop` (how often is looked), `start_failures` (when to give up), `scheduler_state`.

What cannot have happened raises `IllegalMove`, with what came before, and changes nothing; what may
merely be late, such as word of a unit that was cancelled, or what a dead executor had written, is
no such thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from pymonik.runtime.host import events, gang_rules, slice_rules, unit_rules
from pymonik.runtime.host.instructions import Instruction
from pymonik.runtime.host.scheduler_state import IllegalMove, SchedulerState
from pymonik.runtime.host.subtasks import SubtaskHandler

Rule = Callable[[SchedulerState, Any], None]

__all__ = ["IllegalMove", "Scheduler", "SchedulerState"]

_RANGE = attrgetter("executor", "unit", "start", "stop")
_UNIT = attrgetter("executor", "unit")
_nothing = itemgetter(slice(0))  # in C, as the others


def _executor(event: Any) -> tuple[int]:
    return (event.executor,)


# Rules, and what history keeps of their events: numbers only, since values are not to live longer
# than their handles. Events without news are left out.
RULES: dict[type[Any], tuple[Rule, Callable[[Any], tuple[Any, ...]] | None]] = {
    events.UnitsAdded: (unit_rules.units_added, _nothing),
    events.ExecutorStarted: (slice_rules.executor_started, _executor),
    events.ElementsReported: (slice_rules.elements_reported, _RANGE),
    events.SliceEnded: (slice_rules.slice_ended, _RANGE),
    events.StepsHeld: (gang_rules.steps_held, _UNIT),
    events.CameLate: (gang_rules.came_late, _UNIT),
    events.GangSeen: (gang_rules.gang_seen, _UNIT),
    events.GangsSeen: (gang_rules.gangs_seen, None),
    events.JournalRead: (slice_rules.journal_read, _UNIT),
    events.JournalSeen: (slice_rules.journal_seen, _UNIT),
    events.ExecutorLost: (slice_rules.executor_lost, _executor),
    events.SlicesDropped: (slice_rules.slices_dropped, _executor),
    events.SliceFaulted: (slice_rules.slice_faulted, _UNIT),
    events.UnitCancelled: (unit_rules.unit_cancelled, _nothing),
    events.UnitsWithdrawn: (unit_rules.units_withdrawn, _nothing),
    events.AllFailed: (unit_rules.all_failed, _nothing),
    events.EnvironmentFailed: (unit_rules.environment_failed, _nothing),
    events.EnvironmentMerged: (unit_rules.environment_merged, _nothing),
    events.CallbacksMade: (unit_rules.callbacks_made, None),
    events.RoundOver: (unit_rules.round_over, None),
}


class Scheduler:
    """The state of a host's units, and the rules that change it."""

    def __init__(self, make_handler: Callable[[SchedulerState], SubtaskHandler]) -> None:
        """Begin with nothing; make_handler: makes what takes the work that units leave behind."""
        self.state = SchedulerState(make_handler)

    def handle(self, event: events.Event) -> Sequence[Instruction]:
        """Apply one event and return what has to be done. Raises IllegalMove."""
        kind = type(event)
        rule, numbers_of = RULES[kind]
        state = self.state
        try:
            rule(state, event)
        except IllegalMove as move:
            line = _line(kind, () if numbers_of is None else numbers_of(event))
            before = "".join(f"\n  {_line(*entry)}" for entry in state.history)
            raise IllegalMove(f"{line}: {move}; before that:{before}") from None
        if numbers_of is not None:
            state.history.append((kind, numbers_of(event)))
        return self.take() if state.out else ()

    def take(self) -> Sequence[Instruction]:
        """Return what has to be done because of what callbacks did, beside any event."""
        state = self.state
        out, state.out = state.out, []
        return out


def _line(kind: type[Any], numbers: tuple[Any, ...]) -> str:
    return f"{kind.__name__}({', '.join(map(str, numbers))})"
