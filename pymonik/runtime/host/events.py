"""What can happen to the units of a host: what clients ask, what executors say, how these end.

An executor is named by its number, a unit by the number that `SchedulerState.add` gave it; elements
are ranges, their end excluded. Nobody changes an event: that they are not frozen makes them cheaper
by half, and one is made for every report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymonik.plan.unit import Unit
    from pymonik.values.outcome import Failure
    from pymonik.values.outputs import Outputs


@dataclass(slots=True)
class UnitsAdded:
    """Units have come, in an order in which they could run."""

    units: Sequence[Unit]


@dataclass(slots=True)
class ExecutorStarted:
    """An executor is there, in an environment; None is that of the host."""

    executor: int
    environment: Any = None


@dataclass(slots=True)
class ElementsReported:
    """Elements of a piece have ended: the next ones that had not been reported."""

    executor: int
    unit: int
    start: int
    stop: int
    columns: Sequence[Any]
    errors: list[Failure]


@dataclass(slots=True)
class PieceEnded:
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


@dataclass(slots=True)
class JournalRead:
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


@dataclass(slots=True)
class JournalSeen:
    """What an executor that goes on has finished since its last report, which follows."""

    executor: int
    unit: int
    first: int
    entries: Sequence[Any]
    steps: Sequence[tuple[Any, ...]]


@dataclass(slots=True)
class ExecutorLost:
    """An executor has died, or was dismissed.

    call: unit, element and step that it was running; None when no call is to blame. stack: where in
    Python it was, if a signal ended it there.
    """

    executor: int
    call: tuple[int, int, int] | None
    reason: str
    stack: str = ""


@dataclass(slots=True)
class PieceFaulted:
    """An executor could not run a piece, and lives on: no code of the user is to blame."""

    executor: int
    unit: int
    text: str
    traceback: str = ""


@dataclass(slots=True)
class UnitCancelled:
    """The values of a unit are not wanted any more."""

    outputs: Outputs


@dataclass(slots=True)
class AllFailed:
    """Everything unfinished ends with one failure."""

    failure: Failure


@dataclass(slots=True)
class EnvironmentFailed:
    """An environment cannot be had."""

    environment: Any
    error: Exception


@dataclass(slots=True)
class CallbacksMade:
    """Who was to be called back has been: what they have completed may free other units."""


@dataclass(slots=True)
class RoundOver:
    """All events of a round were sent: what can run is to be given out."""


Event = (
    UnitsAdded
    | ExecutorStarted
    | ElementsReported
    | PieceEnded
    | JournalRead
    | JournalSeen
    | ExecutorLost
    | PieceFaulted
    | UnitCancelled
    | AllFailed
    | EnvironmentFailed
    | CallbacksMade
    | RoundOver
)
