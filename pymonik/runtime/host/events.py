"""What can happen to the units of a host: what clients ask, what executors say, how these end.

An executor is named by its number, a unit by the number that `SchedulerState.add` gave it; elements
are ranges, their end excluded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pymonik.system.structs import NamedTuple

if TYPE_CHECKING:
    from pymonik.plan.unit import Unit
    from pymonik.values.outcome import Failure
    from pymonik.values.outputs import Outputs

# In place of an environment: that of an executor that runs what needs any.
ANY = object()


class UnitsAdded(NamedTuple):
    """Units have come, in an order in which they could run."""

    units: Sequence[Unit]


class ExecutorStarted(NamedTuple):
    """An executor is there, in an environment: None is that of the host, `ANY` all of them."""

    executor: int
    environment: Any = None


class ElementsReported(NamedTuple):
    """Elements of a piece have ended: the next ones that had not been reported."""

    executor: int
    unit: int
    start: int
    stop: int
    columns: Sequence[Any]
    errors: list[Failure]


class SliceEnded(NamedTuple):
    """A piece has ended: the last of its records, and what is to be done with the rest.

    stop: elements behind it were handed back. seconds: since the piece began. plan: the units and
    bindings that its calls have recorded, None where there are none.
    """

    executor: int
    unit: int
    start: int
    stop: int
    columns: Sequence[Any]
    errors: list[Failure]
    seconds: float
    plan: Any


class StepsHeld(NamedTuple):
    """An executor ends its part of a unit, and has records that nobody else has, by their places.

    The event that it has ended follows.
    """

    executor: int
    unit: int
    steps: Mapping[int, Any]


class CameLate(NamedTuple):
    """An executor has found that its part of a unit was done by others."""

    executor: int
    unit: int


class GangSeen(NamedTuple):
    """What executors that run a unit together have made so far of its values; a report follows.

    records: of those that are stored, in order; `EMPTY` where there is none yet.
    """

    executor: int
    unit: int
    records: Sequence[Any]


class GangsSeen(NamedTuple):
    """Units that several executors run together have run for some time."""


class JournalRead(NamedTuple):
    """What an executor that is dead, or has failed, had finished and could not report any more.

    steps: those of the element behind `entries`, each a tuple of its record, if it has one. log: of
    a graph that a call has recorded, see `wire.activation_log`. It was read from memory that the
    executor shared: it may be of an earlier piece.
    """

    executor: int
    unit: int
    first: int
    entries: Sequence[Any]
    steps: Sequence[tuple[Any, ...]] = ()
    log: bytes = b""


class JournalSeen(NamedTuple):
    """What an executor that goes on has finished since its last report, which follows."""

    executor: int
    unit: int
    first: int
    entries: Sequence[Any]
    steps: Sequence[tuple[Any, ...]]


class ExecutorLost(NamedTuple):
    """An executor has died, or was retired.

    call: unit, element and step that it was running; None when no call is to blame. stack: where in
    Python it was, if a signal ended it there.
    """

    executor: int
    call: tuple[int, int, int] | None
    reason: str
    stack: str = ""


class SlicesDropped(NamedTuple):
    """An executor runs none of its pieces to its end, and lives on; what becomes of them follows.

    It is the thread of the program, which was interrupted.
    """

    executor: int


class SliceFaulted(NamedTuple):
    """An executor could not run a piece, and lives on: no code of the user is to blame."""

    executor: int
    unit: int
    text: str
    traceback: str = ""


class UnitCancelled(NamedTuple):
    """The values of a unit are not wanted any more."""

    outputs: Outputs


class UnitsWithdrawn(NamedTuple):
    """What no executor has begun is to run elsewhere.

    receive: called with whole units that nothing has begun, pieces of others that wait, and the
    units that go on: those that run, and those of which elements have ended or are to come from
    others.
    """

    receive: Callable[[list[Unit], list[Any], list[Any]], object]


class AllFailed(NamedTuple):
    """Everything unfinished ends with one failure."""

    failure: Failure


class EnvironmentFailed(NamedTuple):
    """An environment cannot be had."""

    environment: Any
    error: Exception


class EnvironmentMerged(NamedTuple):
    """An environment has turned out to be the same here as another; None is that of the host."""

    environment: Any
    other: Any


class CallbacksMade(NamedTuple):
    """Who was to be called back has been: what they have completed may free other units."""


class RoundOver(NamedTuple):
    """All events of a round were sent: what can run is to be given out."""


Event = (
    UnitsAdded
    | ExecutorStarted
    | ElementsReported
    | SliceEnded
    | StepsHeld
    | CameLate
    | GangsSeen
    | JournalRead
    | GangSeen
    | JournalSeen
    | ExecutorLost
    | SlicesDropped
    | SliceFaulted
    | UnitCancelled
    | UnitsWithdrawn
    | AllFailed
    | EnvironmentFailed
    | EnvironmentMerged
    | CallbacksMade
    | RoundOver
)
