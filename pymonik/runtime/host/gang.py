"""Gangs: executors that run one unit together, each the calls of some of its lanes.

Enters: a unit with lanes, and who runs it. Leaves: what each of them must know, and what is known
of the unit once all of them have left. What they do with it is the business of
`runtime.executor.lane`; what becomes of the unit is decided by `gang_rules`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pymonik.wire.shared_cells import AGAIN, EMPTY, HELD, Gang, SharedCells

if TYPE_CHECKING:
    from pymonik.runtime.host.events import SliceEnded
    from pymonik.system.memory_file import MemoryFile
    from pymonik.values.outcome import Failure


class GangState:
    """The executors that run a unit together, the one that reports first.

    cells: what has been made so far. late: how many have come when others had done their part.
    result: what the first has reported, which counts when all have left. is_again: whether calls
    have ended in an earlier gang. seconds: what the unit has taken so far.
    """

    def __init__(self, lanes: bytes) -> None:
        self.lanes = lanes
        self.parts = max(lanes) + 1
        self.executors: list[int] = []
        self.late = 0
        self.result: SliceEnded | None = None
        self.is_again = False
        self.seconds = 0.0
        self._active: set[int] = set()
        self._file: MemoryFile | None = None
        self.cells: SharedCells | None = None

    def begin(self, executors: Sequence[int]) -> None:
        """Let executors run the unit."""
        self.executors, self._active, self.late = [*executors], {*executors}, 0
        if self._file is None:
            # The system may have no memory, or files, to give: then the first runs it alone.
            with contextlib.suppress(OSError, MemoryError):
                self._use(SharedCells.new_file(len(self.lanes), self.parts))

    def entry(self, executor: int) -> Gang | None:
        """Return what an executor must know to run its part; None where the first runs all."""
        if self._file is None:
            return None
        member, members = self.executors.index(executor), len(self.executors)
        return Gang(self._file, self.lanes, self.parts, member, members, self.is_again)

    def _use(self, file: MemoryFile) -> None:
        self.cells = SharedCells(file.fd, len(self.lanes), self.parts)
        self._file = file

    @property
    def is_short(self) -> bool:
        """Return whether another executor would find something to run."""
        is_over = self.result is not None or not self._active
        return not is_over and len(self.executors) - self.late < self.parts

    def stop(self) -> None:
        """Let no more calls begin: all are to begin again."""
        if self.cells is not None:
            self.cells.stop(AGAIN)

    def leave(self, executor: int) -> bool:
        """Note that an executor has ended its part; return whether it had one."""
        had_one = executor in self._active
        self._active.discard(executor)
        return had_one

    def is_over(self) -> bool:
        """Return whether nobody runs a call of the unit any more, nor will.

        Of who has not come yet the part is taken here: there is none when it comes.
        """
        cells = self.cells
        if cells is None or not cells.stopped:
            return not self._active
        left = [self.executors.index(number) for number in self._active]
        # Asked in this order: one that comes meanwhile is seen, or finds its part taken.
        return all(cells.claim(member) and not cells.has_come(member) for member in left)

    def goes_on(self) -> bool:
        """Return whether the unit is to be run by a gang again, and let its calls begin then.

        They do in other memory: who comes late finds that all have stopped in what it was given.
        """
        cells = self.cells
        if cells is None or cells.stopped != AGAIN:
            return False
        self._active, self.is_again = set(), True
        try:
            file = cells.copied()
            self.close()
            self._use(file)
        except (OSError, MemoryError):
            return False
        return True

    def records(self) -> dict[int, Any]:
        """Return the records of calls that have ended, by their places."""
        return {} if self.cells is None else self.cells.records()

    def failures(self) -> list[Failure]:
        """Return failures of calls that have no place here, made by those that have."""
        return [] if self.cells is None else self.cells.failures()

    def seen(self, places: Iterable[int]) -> list[Any]:
        """Return what has been made so far at some places; `EMPTY` where there is nothing yet."""
        if self.cells is None:
            return []
        records = map(self.cells.get, places)
        return [EMPTY if record is HELD else record for record in records]

    def close(self) -> None:
        """Let go of what has been made."""
        if self.cells is not None:
            self.cells.close()
        self.cells = self._file = None
