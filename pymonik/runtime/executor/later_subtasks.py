"""The recorder of an executor, before any task makes a call: most make none.

Enters: what a `Subtasks` is made with. Leaves: one, when code of a task first asks who records
here. What records a call is a third of all that an executor would load before its first task.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from pymonik.record.current import LaterRecorder
from pymonik.system.waits import yielding_lock

if TYPE_CHECKING:
    from pymonik.runtime.executor.subtasks import Subtasks


class RecordedCalls(Protocol):
    """What is asked around each call about those that it has recorded; `Subtasks` has the rest."""

    # Of the call that runs; the same list all along.
    recorded: list[Any]

    @property
    def has_work(self) -> bool:
        """Return whether calls were recorded that have not left yet."""

    def made(self) -> Subtasks:
        """Return what records."""

    def has_diverted(self) -> bool:
        """Return whether the value of the call that just ended is that of another."""

    def drop_call(self) -> None:
        """Forget what a failed call has recorded."""

    def reset(self) -> None:
        """Forget what all calls of a unit have recorded: it has failed outside of them."""

    def wire_plan(self) -> Any:
        """Compile what the unit's calls have recorded, as plain types; None for nothing."""


class LaterSubtasks(LaterRecorder):
    """Makes the recorder of an executor when it is first asked for; the same for all threads."""

    def __init__(
        self, slots: int, isolates_delegating: bool, optimize: bool | Iterable[str]
    ) -> None:
        self.recorded: list[Any] = []
        self._given = slots, isolates_delegating, optimize
        self._made: Subtasks | None = None
        # Threads of a task may make the first calls. Entered again by what a finalizer records.
        self._making = yielding_lock()

    def made(self) -> Subtasks:
        """Return the recorder."""
        if self._made is None:
            with self._making:
                from pymonik.runtime.executor.subtasks import Subtasks

                self._made = self._made or Subtasks(*self._given, self.recorded)
        return self._made

    @property
    def has_work(self) -> bool:
        """Return whether calls were recorded that have not left yet."""
        return self._made is not None and self._made.has_work

    def has_diverted(self) -> bool:
        """Return whether the value of the call that just ended is that of another."""
        return self._made is not None and self._made.has_diverted()

    def drop_call(self) -> None:
        """Forget what a failed call has recorded."""
        if self._made is not None:
            self._made.drop_call()

    def reset(self) -> None:
        """Forget what all calls of a unit have recorded: it has failed outside of them."""
        if self._made is not None:
            self._made.reset()

    def wire_plan(self) -> Any:
        """Compile what the unit's calls have recorded, as plain types; None for nothing."""
        return None if self._made is None else self._made.wire_plan()
