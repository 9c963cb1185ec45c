"""The turns of a host's loop: take what has arrived, give out what can run.

Enters: actions of other threads, and what executors say. Leaves: events for the scheduler, and its
instructions carried out; `changed` is notified where a wait may be over. One thread at a time takes
a turn (`leadership`), so that nothing in here needs a lock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pymonik.runtime.host.autoscaler import Autoscaler
from pymonik.runtime.host.environments import HostEnvironments
from pymonik.runtime.host.events import (
    AllFailed,
    CallbacksMade,
    CameLate,
    ElementsReported,
    Event,
    ExecutorLost,
    GangSeen,
    GangsSeen,
    JournalRead,
    JournalSeen,
    RoundOver,
    SliceEnded,
    SliceFaulted,
    StepsHeld,
    UnitsAdded,
)
from pymonik.runtime.host.instructions import CallBack, GiveSlices, Instruction, KillExecutor
from pymonik.runtime.host.messages import entry_of, plan_of
from pymonik.runtime.host.pool import ExecutorExit, ExecutorPool, relay_logs
from pymonik.runtime.host.scheduler import Scheduler
from pymonik.system.safe_logging import safe_logger
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Callback, Outputs, call_back
from pymonik.wire.logs import relay

if TYPE_CHECKING:
    from pymonik.plan.unit import Unit
    from pymonik.runtime.host.unit_slice import UnitSlice

logger = safe_logger("pymonik.host")

# How often the deadlines of running calls are looked at, where calls have a `max_duration`: they
# are given in tenths of a second, and end that much late.
_TICK = 0.02
# How often the pages of busy executors are looked at: a value is noticed that much late. Executors
# report as often (`runtime.executor.run`).
_LOOK = 0.05
# What an action gives that changes nothing for those who wait.
NO_NEWS = object()
_ROUND_OVER = RoundOver()


class ComingUnits:
    """The units of a submission, until a turn takes them; asked by any thread meanwhile."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = units
        # Of their outputs, once somebody asks.
        self._ids: set[int] = set()

    def has(self, outputs: Outputs) -> bool:
        """Return whether these are the outputs of one of the units."""
        if not self._ids:
            self._ids.update([id(unit.outputs) for unit in self.units])
        return id(outputs) in self._ids


class HostLoop:
    """What happens in a turn; `tasks` takes actions of other threads.

    find: gives the objects that tasks ask for by id. announce: lets those look who wait.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        pool: ExecutorPool,
        environments: HostEnvironments,
        find: Callable[[str], Any],
        announce: Callable[[], None],
    ) -> None:
        self.tasks: deque[Callable[[], object]] = deque()
        self._scheduler = scheduler
        self._state = scheduler.state
        self._pool = pool
        self._find = find
        self._announce = announce
        self._size = size = self._state.ready.slots
        self.autoscaler = Autoscaler(size, self._state, pool, environments, self.tell)
        # Instructions of the scheduler that wait for their place in a turn.
        self._due: list[Callback] = []
        self._kills: list[int] = []
        # Whether a wait may be over, and how many units had ended when it was looked at last.
        self._is_news = False
        self._reported = 0
        self._looked = 0.0
        # Whether `end` was called: the executors are gone, or about to go. Never reset.
        self._is_over = False
        # Seconds that the next turn waits at most, and whether calls that run have deadlines.
        self._patience: float | None = None
        self._is_limited = False

    def turn(self, end: float | None = None) -> bool:
        """Take what arrives, at most until `end`, and give out what can run; by who leads.

        Return whether anything has changed for those who wait.
        """
        # Actions of other threads first: an executor that talks all the time must not keep them
        # out.
        if not self.tasks:
            self._receive(end)
        while self.tasks:
            self._is_news |= self.tasks.popleft()() is not NO_NEWS
        return self._go_on()

    def begin(self, units: Sequence[Unit]) -> None:
        """Take units, and give out what can run, without a look at what has arrived."""
        self.tell(UnitsAdded(units))
        self._go_on()

    def _go_on(self) -> bool:
        """Do what is due, give out what can run, and tell those who wait of news."""
        if self._due or self._state.out or self._state.complete:
            self._settle()
        if self._kills:
            kills, self._kills = self._kills, []
            for number in kills:
                self._pool.kill(number, "cancelled")
        state, pause = self._state, None
        executors, is_waiting = state.executors.values(), bool(state.ready)
        if is_waiting:
            # Before the round is over: who is started here gets pieces in it.
            pause = self.autoscaler.adjust()
        # Else there is nothing to give, and what was given goes on.
        if is_waiting or (state.units and not any(executors)):
            self.tell(_ROUND_OVER)
            if self._due:
                self._settle()
            is_waiting = bool(state.ready)
        # More has come meanwhile: the next turn, which is taken at once, says what is news.
        if self.tasks:
            return False
        given = [piece for pieces in executors for piece in pieces]
        self._is_limited, self._patience = False, pause
        if given:
            self._is_limited = any([piece.running.unit.limited for piece in given])
            self._patience = _TICK if self._is_limited else _LOOK
            # Only who runs something asks. A single executor is never told of others, and its page
            # is not written to for each call of a loop.
            self._pool.tell_idle(not is_waiting and sum(map(bool, executors)) < self._size)
        if not self._is_news and state.done == self._reported:
            return False
        # Behind `_settle`: what wakes now finds its value, and the callbacks of that made.
        self._is_news, self._reported = False, state.done
        self._announce()
        return True

    def _receive(self, end: float | None) -> None:
        """Wait for what executors say, and take it."""
        was_busy = any(self._state.executors.values())
        patience = self._patience
        if end is not None:
            left = max(0.0, end - time.monotonic())
            patience = left if patience is None else min(left, patience)
        for number, news in self._pool.poll(patience, self.tasks):
            self._is_news = True
            if isinstance(news, ExecutorExit):
                self.tell(JournalRead(number, *news.journal))
                # In this order: what its page says has ended is not charged to the call that it
                # died of.
                self.tell(ExecutorLost(number, news.charged, news.reason, news.stack))
                continue
            for message in news:
                try:
                    self._take(number, message)
                except Exception as error:  # what one call sends ends its executor, not the engine
                    logger.exception("a message of an executor could not be handled")
                    self._pool.kill(
                        number, f"it sent a message that could not be handled: {error!r}"
                    )
        if self._is_limited:
            self._pool.enforce()
        if not was_busy:  # what begins now is looked at when it has run for some time
            self._looked = time.monotonic()
        elif time.monotonic() - self._looked > _LOOK:
            self._look()

    def _give(self, number: int, pieces: list[UnitSlice]) -> None:
        """Send pieces to an executor; those that cannot be sent fail, each for itself."""
        if self._is_over:  # `end` is about to fail them, with all else that is left
            return
        entries = [entry_of(piece, number) for piece in pieces]
        try:
            self._pool.send(number, "run", entries)
        except Exception:
            for piece, entry in zip(pieces, entries):
                try:
                    self._pool.send(number, "run", [entry])
                except Exception as error:
                    text = f"it cannot be sent to an executor: {error!r}"
                    self.tell(SliceFaulted(number, piece.running.unit.number, text))

    def _look(self) -> None:
        """Report what has ended in executors that are busy with something long since."""
        self._looked = time.monotonic()
        for number, journal in self._pool.peek():
            self._is_news = True
            self.tell(JournalSeen(number, *journal[:4]))
        for number, pieces in self._state.executors.items():
            for piece in pieces:
                gang, unit = piece.running.gang, piece.running.unit
                if gang is not None and gang.executors[0] == number:
                    # Few of them: what else its calls have made is not looked at here.
                    records = gang.seen(unit.program.outputs)
                    self.tell(GangSeen(number, unit.number, records))
                    self._is_news = True
        self.tell(GangsSeen())

    def _take(self, number: int, message: Any) -> None:
        kind = message[0]
        if kind == "report":
            self.tell(ElementsReported(number, *message[1:]))
        elif kind == "end":
            fields = (*message[1:-1], plan_of(message[-1]))
            self.tell(SliceEnded(number, *fields))
        elif kind == "held":
            self.tell(StepsHeld(number, *message[1:]))
        elif kind == "late":
            self.tell(CameLate(number, *message[1:]))
        elif kind == "fault":
            unit, journal, *fields = message[1:]
            self.tell(JournalRead(number, *journal))
            self.tell(SliceFaulted(number, unit, *fields))
        elif kind == "ask":
            question, result_id = message[1:]
            self._pool.send(number, "object", (question, self._find(result_id)))
        elif kind == "log":
            relay(*message[1:])
        elif kind == "stale":
            self.autoscaler.replace(number)
        elif kind == "bound":
            self._pool.bind(number)

    def tell(self, event: Event) -> None:
        """Send the scheduler an event, and do what it asks for, now or later in the round."""
        if instructions := self._scheduler.handle(event):
            self._carry_out(instructions)

    def _carry_out(self, instructions: Sequence[Instruction]) -> None:
        for instruction in instructions:
            if type(instruction) is CallBack:
                self._due.append(instruction.callback)
            elif type(instruction) is GiveSlices:
                self._give(instruction.executor, instruction.pieces)
            elif type(instruction) is KillExecutor:
                self._kills.append(instruction.executor)

    def _settle(self) -> None:
        """Call the callbacks of a value that has come."""
        if self._state.out:
            self._carry_out(self._scheduler.take())
        while self._due or self._state.complete:
            due, self._due = self._due, []
            call_back(due)
            self.tell(CallbacksMade())

    def end(self, over: Failure) -> None:
        """Do what was asked for last, and end the waits for what will not come."""
        self._is_over = True
        while self.tasks:
            try:
                self.tasks.popleft()()
            except Exception:  # what broke the engine may be asked for again
                logger.exception("a request that the engine received before its end has failed")
        self.tell(AllFailed(over))
        self._settle()

    def release_idle(self, is_orderly: bool) -> None:
        """Keep executors that have nothing to run for others, or let them end in order."""
        busy = {number for number, pieces in self._state.executors.items() if pieces}
        # They are about to be killed: nobody is to be left one of them.
        busy.update(self._kills)
        try:
            if is_orderly:
                self._pool.release(busy)
            for _, news in self._pool.finish(busy):
                relay_logs(news)
        except Exception:  # then they are killed
            logger.exception("executors did not end in order")
