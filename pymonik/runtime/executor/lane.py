"""Lanes: the calls of a unit that one executor runs, where several run the unit together.

Enters: a unit whose calls stand in lanes, and cells (`wire.shared_cells`) for what they make. Each
of the executors runs the calls of its own lanes, in their order, and takes from the cells what the
others have made: nothing goes by way of the host until the unit has ended. The first of them
reports, as for any unit. Leaves: its records; or nothing, where all have stopped: the host then
lets the unit begin again behind what stands in the cells.

All stop when the host says so, since one of them has died; and by themselves, where the others
would have to wait for long, or for a value that is too large for a cell: then what is left is not
for lanes. Lanes of an executor that has not come yet are taken over by who waits for them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.calls import Report
from pymonik.runtime.executor.feed import StepValue
from pymonik.runtime.executor.plain import NOTHING
from pymonik.runtime.executor.plain_lane import PlainCalls
from pymonik.runtime.executor.residual import SAMPLE, SAMPLE_PART
from pymonik.settings import settings
from pymonik.values.content import IMMEDIATE
from pymonik.values.outcome import Failure
from pymonik.wire.journal import ELEMENT
from pymonik.wire.program import StepCode, steps_in
from pymonik.wire.shared_cells import EMPTY, HELD, OVER, Gang, SharedCells

if TYPE_CHECKING:
    from pymonik.runtime.executor.step_runner import StepRunner

# Looks at a cell before this process lets others have its core, and before it sleeps: tens of
# microseconds, and about as long as a sleep takes, from which it would come later.
_LOOKS, _YIELDS = 100, 300
# Seconds of yielding at most: where others want the core, each takes as long as their turn.
_AWAKE = 1e-3
# Seconds between looks: as short as the system sleeps, and long enough not to be noticed.
_SHORTEST, _LONGEST = 2e-5, 1e-3
# Executors that are told together come so many seconds apart: the system may let the first have the
# core of the host before that has told the next. Less than what is lost where one runs all alone.
_ARRIVAL = 5e-3
# Who waits so long for one value could have run something else: lanes are not for such calls.
_PATIENCE = 0.05
# All calls are expected to end within so many times `unit_seconds`, as those of other units.
_BEATS = 2


class _Stopped(Exception):
    """No more calls of the unit are to begin here."""


class _TakenOver(Exception):
    """There are more calls to run here than before."""


class Lanes:
    """The part of one executor in a unit; is_here: whether there is any."""

    def __init__(self, runner: StepRunner, gang: Gang, cells: SharedCells, is_here: bool) -> None:
        self._runner, self._gang, self._cells = runner, gang, cells
        self._steps, self._lanes = runner.steps, gang.lanes
        self._made: list[Any] = [EMPTY] * len(self._steps)
        # Executors whose part is run here; what was made here and has no room in the cells.
        self._members = {gang.member} if is_here else set()
        self._held: dict[int, Any] = {}
        assignment = runner.assignment
        keys = (*assignment.attempts, *assignment.failed_calls, *assignment.deaths)
        # Calls that earlier attempts have told of; all others are as good as new.
        tried = {place for _, place in keys}
        self._plain = PlainCalls(runner, cells, self._made, tried, self._await, self._check)
        # When calls may turn out to be too long: it is asked of each, from then on.
        self._due = 0.0
        # Of the runner's errors, those that the cells have; others are of the call that runs.
        self._told = len(runner.errors)

    def run(self) -> Report:
        """Run what is to run here; return the report of it."""
        runner = self._runner
        for (_, place), step in runner.assignment.completed_steps.items():
            if step:
                self._keep(place, step[0])
        runner.hosting.page.numbers[ELEMENT] = 0
        runner.began = time.monotonic()
        self._due = runner.began + SAMPLE_PART * settings().unit_seconds
        try:
            columns = self._all()
        except _Stopped:
            columns = None
        ended = 0 if columns is None else 1
        records = columns or [[] for _ in runner.outputs]
        return Report(0, ended, records, runner.errors, last=True, held=self._held)

    def _all(self) -> list[list[Any]] | None:
        """Run all there is to run; return the records of the unit, where they are reported here."""
        while True:
            try:
                self._run_all(self._own())
                return self._columns() if self._gang.member == 0 else None
            except _TakenOver:  # its calls may stand before those that have ended here
                continue

    def _own(self) -> list[int]:
        """Return the calls to run here that have not ended."""
        members, count = self._members, self._gang.members
        lanes = [lane for lane in range(max(self._lanes) + 1) if lane % count in members]
        own = [place for place, lane in enumerate(self._lanes) if lane in lanes]
        # Others may have come before, have run all of this, and have left: not only a part of it.
        if self._gang.is_again or len(members) > 1 or (own and self._has(own[0])):
            own = [place for place in own if not self._has(place)]
        self._left = len(own)
        return own

    def _has(self, place: int) -> bool:
        """Return whether a call has ended before, here or elsewhere."""
        if self._made[place] is EMPTY:
            record = self._cells.get(place)
            if record is HELD and not self._gang.is_again:  # the host knows it, or is about to
                self._stop()
            # What only a dead executor had is to be made again.
            if record is not EMPTY and record is not HELD:
                self._keep(place, record)
        return self._made[place] is not EMPTY

    def _keep(self, place: int, record: Any) -> None:
        self._made[place] = record if type(record) in IMMEDIATE else StepValue(None, record, 2)

    def _columns(self) -> list[list[Any]]:
        """Return the records of the unit, once all of its calls have ended."""
        last = {lane: place for place, lane in enumerate(self._lanes)}
        for place in last.values():
            if self._made[place] is EMPTY:
                self._await(place, is_needed=False)
        columns = [[self._stored(place)] for place in self._runner.outputs]
        self._cells.stop(OVER)  # for those who have not come yet
        return columns

    def _stored(self, place: int) -> Any:
        """Return the record of a value that is stored; None where nobody wants it."""
        if not self._runner.assignment.program.is_stored(place, 0):
            return None
        if self._made[place] is EMPTY:
            self._await(place)
        made = self._made[place]
        return made.records[0] if type(made) is StepValue else made

    # One call: until `_store`.

    def _run_all(self, own: Sequence[int]) -> None:
        """Run calls, in their order: most are plain, and run in a loop of their own."""
        places = iter(own)
        while (left := self._plain(places, time.monotonic, self._due)) is not None:
            self._call(*left)

    def _check(self) -> None:
        """Raise where no call may begin here any more."""
        if self._cells.stopped or (time.monotonic() >= self._due and self._is_over()):
            raise _Stopped

    def _call(self, place: int, value: Any = NOTHING, raised: BaseException | None = None) -> None:
        """Run a call, where it has neither a value nor an error yet; hand its value on."""
        runner, step = self._runner, self._steps[place]
        if value is NOTHING:
            if raised is None:
                self._await_inputs(step)
            value = runner.step(0, place, step, self._made, raised)
        self._plain.done += 1
        is_plain = type(value) in IMMEDIATE and not runner.hosting.subtasks.recorded
        if is_plain and len(runner.errors) == self._told and not running.CLEANUPS:
            self._made[place] = value
            if self._cells.put(place, value):
                return
        self._store(place, value)

    def _await_inputs(self, step: StepCode) -> None:
        for column in step.columns:
            for source in steps_in(column):
                if self._made[source] is EMPTY:
                    self._await(source)

    def _store(self, place: int, value: Any) -> None:
        """Keep a value that is no immediate, or that a call which has recorded others has made."""
        runner, subtasks = self._runner, self._runner.hosting.subtasks
        is_handle = getattr(type(value), "__pymonik_role__", "") == "handle"
        if (is_handle or subtasks.recorded) and type(value) is not Failure:
            value = runner.diverted(value, place, 0)
        if type(value) not in IMMEDIATE and type(value) is not Failure:
            value = runner.frozen(value, place, 0)
        if running.CLEANUPS:
            running.clean_up()
        if subtasks.has_diverted():  # what it has recorded makes its value, elsewhere
            subtasks.made().bind(place, 0, subtasks.made().take_diverted())
            self._stop()
        # Of graphs that were run here: should this executor die, the host finds them there.
        beside = runner.errors[self._told :]
        if type(value) is Failure and not value.path and place not in runner.outputs:
            runner.errors.append(value)
        self._told = len(runner.errors)
        self._keep(place, value)
        # What was recorded leaves with the last report: nothing may be known before.
        if subtasks.has_work or not self._cells.put(place, value, beside):
            self._held[place] = value

    # Waiting, and stopping.

    def _await(self, place: int, is_needed: bool = True) -> None:
        """Wait for what another executor makes; it is taken where it is needed."""
        cells, looks, pause, is_claimed = self._cells, 0, _SHORTEST, False
        until = awake = 0.0
        while (record := cells.get(place)) is EMPTY:
            looks += 1
            if looks < _LOOKS:
                continue
            if cells.stopped:
                raise _Stopped
            now = time.monotonic()
            if looks == _LOOKS:
                until, awake = now + _PATIENCE, now + _AWAKE
            if looks < _YIELDS and now < awake:
                os.sched_yield()
                continue
            if not is_claimed and now >= self._runner.began + _ARRIVAL:
                # Once: one that has come since is alive, or the host hears of its end.
                is_claimed = True
                self._take_over(self._lanes[place] % self._gang.members)
            elif now > until and self._may_leave():
                self._stop()
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST)
        if record is not HELD:
            self._keep(place, record)
        elif is_needed:
            self._stop()

    def _take_over(self, member: int) -> None:
        """Run what another executor is to run, if it has not come yet."""
        if member not in self._members and self._cells.take(member):
            self._members.add(member)
            raise _TakenOver

    def _is_over(self) -> bool:
        """Return whether the calls that are left would take too long to run here."""
        done, beat = self._plain.done, settings().unit_seconds
        if not done or not self._may_leave():
            return False
        elapsed = time.monotonic() - self._runner.began
        if elapsed < (SAMPLE_PART if done >= SAMPLE else 1.0) * beat:
            return False
        if elapsed / done * self._left <= _BEATS * beat:
            return False
        self._cells.stop(OVER)
        return True

    def _may_leave(self) -> bool:
        """Return whether others may run what is left: attempts are known here only."""
        assignment = self._runner.assignment
        return bool(self._members) and not assignment.attempts and not assignment.failed_calls

    def _stop(self) -> None:
        self._cells.stop(OVER)
        raise _Stopped
