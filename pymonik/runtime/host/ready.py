"""Pieces that can run, and the executors they can run on: each in the environment it needs.

Enters: pieces, executors and where those live. Leaves: which executor gets which piece next, and in
which environments executors are wanting. Pieces of one environment are given out by their rank
(`ranked`); environments take turns, so that none waits behind another. What a unit has left is cut,
if it is known to be long and little else waits: then all executors end at about the same time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from pymonik.runtime.host.events import ANY
from pymonik.runtime.host.ranked import UNKNOWN, Ranked
from pymonik.runtime.host.unit_slice import UnitSlice, UnitState
from pymonik.system.memory_file import MemoryFile

if TYPE_CHECKING:
    from pymonik.plan.unit import Unit

# An executor gets more than one piece when it would be done with all of them sooner than this. It
# is some thirty units of the least size that is worth one (60 µs, the aim of `benchmarks/metg.py`):
# the way to the host and back does not count then, and a piece that is late by it is not noticed.
_AHEAD_SECONDS = 0.002
# A piece is not cut below that: a message each way, and what the scheduler does for it (see there),
# is then less than a hundredth of it.
_CUT_SECONDS = 0.1
# An executor is to come back for more so often: factoring, as Hummel, Schonberg and Flynn (1992).
_PIECES_A_SLOT = 2


class ReadyQueues:
    """Queues of pieces by environment; None is that of the host itself.

    executors: what each was given. slots: how many may be busy at once, where there are more.
    durations: seconds an element took, by the names of units; the last ones count most.
    """

    def __init__(self) -> None:
        self.executors: dict[int, list[UnitSlice]] = {}
        self.slots = 0
        self._queues: dict[Any, Ranked] = {}
        self._environments: dict[int, Any] = {}
        self._same: dict[Any, Any] = {}
        self.durations: dict[str, float] = {}
        self._turns = 0
        self._used: dict[int, int] = {}

    def __len__(self) -> int:
        return sum([len(queue.entries) for queue in self._queues.values()])

    def __bool__(self) -> bool:
        for queue in self._queues.values():  # `any` of a list enters one more function
            if queue.entries:
                return True
        return False

    def __iter__(self) -> Iterator[UnitSlice]:
        return chain.from_iterable(self._queues.values())

    def append(self, piece: UnitSlice) -> None:
        """Queue a piece."""
        self._queue(piece.running.unit.environment).append(piece)

    def put_back(self, pieces: Iterable[UnitSlice]) -> None:
        """Queue pieces before all others, in their order."""
        # The last first, each before all others: so the first one stands first.
        for piece in reversed([*pieces]):
            self._queue(piece.running.unit.environment).put_back(piece)

    def drop(self, running: UnitState) -> None:
        """Forget the pieces of a unit."""
        for queue in self._queues.values():
            queue.keep(piece for piece in queue if piece.running is not running)

    def forget(self, environment: Any) -> None:
        """Forget the pieces of an environment."""
        self._queues.pop(environment, None)

    def clear(self) -> None:
        """Forget all pieces."""
        self._queues.clear()

    def _queue(self, environment: Any) -> Ranked:
        key = self.resolve(environment) if environment else None
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = Ranked()
        return queue

    def waiting_environments(self) -> list[Any]:
        """Return the environments whose pieces wait."""
        return [key for key, queue in self._queues.items() if queue.entries]

    def merge(self, environment: Any, other: Any) -> None:
        """Let pieces of one environment run where those of another do: they are the same there."""
        self._same[environment] = other
        for piece in self._queues.pop(environment, ()):
            self.append(piece)

    def resolve(self, environment: Any) -> Any:
        """Return where pieces that need an environment run: one that is the same, if known."""
        return self._same.get(environment, environment) if environment else None

    def has_executors(self, environment: Any) -> bool:
        """Return whether an environment has executors."""
        return bool(self._living(environment))

    def is_empty(self, environment: Any) -> bool:
        """Return whether an environment has neither executors nor pieces."""
        return not self._living(environment) and not self._queues.get(environment)

    def environment_of(self, executor: int) -> Any:
        """Return the environment that an executor lives in."""
        return self._environments.get(executor)

    def add_executor(self, executor: int, environment: Any) -> None:
        """Note a new executor and the environment it lives in; one in `ANY` is the only one."""
        self.executors[executor] = []
        if environment is not ANY:
            self._environments[executor] = environment

    def remove_executor(self, executor: int) -> list[UnitSlice]:
        """Forget an executor; return what it had."""
        self._environments.pop(executor, None)
        self._used.pop(executor, None)
        return self.executors.pop(executor, [])

    def shortage(self, environment: Any, unfinished: int) -> int:
        """Return how many more executors an environment could do with, `slots` at most in all."""
        living = self._living(environment)
        # Of several environments each gets executors for what it has itself, not for all that is
        # unfinished.
        if len(self._queues) > 1:
            busy = sum(1 for number in living if self.executors[number])
            unfinished = busy + len(self._queues[environment])
        queue = self._queues.get(environment)
        if queue is not None and queue.entries:
            unit = queue.entries[0][3].running.unit
            unfinished = unfinished if unit.lanes is None else max(unfinished, unit.parts)
        return min(self.slots, unfinished) - len(living)

    def least_recently_used_idle(self, environment: Any) -> int | None:
        """Return the executor of another environment that has been idle for longest, if any is.

        One that has just been started for pieces that wait is left to them.
        """
        idle = [
            number
            for number, pieces in self.executors.items()
            if not pieces
            and (own := self._environments.get(number)) != environment
            and (number in self._used or not self._queues.get(own))
        ]
        return min(idle, key=lambda number: self._used.get(number, 0), default=None)

    def _living(self, environment: Any) -> list[int]:
        environments = self._environments
        return [number for number in self.executors if environments.get(number) == environment]

    def give_alone(self, piece: UnitSlice) -> int | None:
        """Give a piece to the executor that `assign` would choose, where there is no choice.

        Return the executor; None where others wait or run, or the piece may be cut or is of an
        environment: then it is to be queued. Most calls of a loop are given so, in a fifth of the
        time.
        """
        unit = piece.running.unit
        if unit.n > 1 or unit.lanes is not None or unit.environment or len(self._queues) > 1:
            return None
        if any(self.executors.values()) or self:
            return None
        for executor in self.executors:  # all are idle: the oldest
            # The inline backend's executor has no environment (`ANY`), and nothing can be sent to
            # it.
            if self._environments.get(executor, self) is None:
                self.executors[executor].append(piece)
                self._turns += 1
                self._used[executor] = self._turns
                return executor
        return None

    def assign(self) -> dict[int, list[UnitSlice]]:
        """Give pieces to executors, idle ones first, small ones several at a time; return them."""
        given: dict[int, list[UnitSlice]] = {}
        waiting_environments = self.waiting_environments()
        for key in waiting_environments:
            turn = self._turns
            self._assign(key, given, ahead=len(waiting_environments) == 1)
            if self._turns > turn and len(self._queues) > 1:  # the others come first next time
                self._queues[key] = self._queues.pop(key)
        return given

    def _assign(self, key: Any, given: dict[int, list[UnitSlice]], ahead: bool) -> None:
        queue, executors = self._queues[key], self.executors
        living = self._living(key) if self._environments else executors
        # Idle ones first, then those that have the fewest pieces; of those alike the oldest.
        idle = deque([n for _, n in sorted([(len(executors[n]), n) for n in living])])
        while queue.entries and idle:
            executor = idle[0]
            pieces = executors[executor]
            may = ahead and self._is_short(pieces, queue.next()) if pieces else not self._is_full()
            if pieces and queue.next().running.unit.lanes is not None:
                may = False  # others would wait for it
            if not may:
                idle.popleft()
                continue
            piece = self._cut(queue.pop(), queue)
            pieces.append(piece)
            given.setdefault(executor, []).append(piece)
            self._turns += 1
            self._used[executor] = self._turns
            idle.rotate(-1)
            if piece.running.unit.lanes is not None and not piece.running.is_alone:
                self._gather(piece.running, executor, idle, given)

    def _gather(
        self,
        running: UnitState,
        first: int,
        idle: Iterable[int],
        given: dict[int, list[UnitSlice]],
    ) -> None:
        """Let idle executors run a unit together with the first, which has it."""
        from pymonik.runtime.host.gang import GangState  # not before the first value

        if running.gang is None:
            if not MemoryFile.has_room():
                running.is_alone = True
                return
            assert running.unit.lanes is not None
            running.gang = GangState(running.unit.lanes)
        members = [first]
        for number in idle:
            if len(members) == running.gang.parts or self._is_full():
                break
            if not self.executors[number]:
                part = UnitSlice(running, 0, 0)
                self.executors[number].append(part)
                given.setdefault(number, []).append(part)
                self._used[number] = self._turns
                members.append(number)
        running.gang.begin(members)

    def _cut(self, piece: UnitSlice, queue: Ranked) -> UnitSlice:
        """Return the first part of a piece, and queue the rest, where others can share in it."""
        count = piece.stop - piece.start
        if count == 1 or self.slots < 2:
            return piece
        each = self.seconds(piece.running.unit)
        if each is None or each * count <= _CUT_SECONDS:
            return piece
        if len(queue) >= _PIECES_A_SLOT * self.slots:  # enough waits for all to end together
            return piece
        left = [*queue, piece]
        work = sum((self.seconds(p.running.unit) or 0.0) * (p.stop - p.start) for p in left)
        share = max(work / (_PIECES_A_SLOT * self.slots), _CUT_SECONDS)
        # A share that is meant to be a whole number of elements may be below it by rounding.
        size = max(1, int(share / each + 1e-9))
        if size >= count:
            return piece
        queue.put_back(UnitSlice(piece.running, piece.start + size, piece.stop))
        return UnitSlice(piece.running, piece.start, piece.start + size)

    def seconds(self, unit: Unit) -> float | None:
        """Return the seconds of an element, declared or seen; None where nothing is known."""
        return self.durations.get(unit.name) if unit.seconds is None else unit.seconds

    def _is_full(self) -> bool:
        if not self.slots or len(self.executors) <= self.slots:
            return False
        return sum(map(bool, self.executors.values())) >= self.slots

    def _is_short(self, pieces: list[UnitSlice], piece: UnitSlice) -> bool:
        return sum(map(self._expected, (*pieces, piece))) < _AHEAD_SECONDS

    def _expected(self, piece: UnitSlice) -> float:
        if piece.running.gang is not None:
            return UNKNOWN  # nothing else is to wait behind it
        # Not short: nothing is sent ahead behind what nobody has seen.
        each = self.durations.get(piece.running.unit.name, UNKNOWN)
        return each * (piece.stop - piece.start)

    def observe_duration(self, name: str, seconds: float, count: int) -> None:
        """Note how long elements of a unit took."""
        each = seconds / max(1, count)
        average = self.durations.get(name)
        # A half: after four pieces what was before counts for a sixteenth, and one that was slow
        # by chance is forgotten as soon.
        self.durations[name] = each if average is None else 0.5 * (average + each)
