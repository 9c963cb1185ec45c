"""The failures of an engine: how many there were, the first of them, and those nobody has handled.

Enters: records of calls that failed, from whichever thread ends them; marks of what a user has
seen. Leaves: what the end of a client raises. A program may handle failures for ever: of each that
was handled only its mark is kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from pymonik.values.outcome import Failure

# More than these help nobody who looks at a run, nor whoever ends a client without a look at any.
_MOST = 1000


class Failures:
    """Notes are made under the lock of the engine; everything else by any thread, at any time."""

    def __init__(self) -> None:
        # The first ones, cancelled calls among them.
        self.first: list[Failure] = []
        # Of all that were noted, but for cancelled calls.
        self._marks: set[str] = set()
        # By mark, in the order in which they came.
        self._unhandled: dict[str, Failure] = {}
        # The marks of failures by the mark of what they have in common.
        self._of_cause: dict[str, list[str]] = {}

    @property
    def count(self) -> int:
        """How many calls have failed; one that was cancelled has not."""
        return len(self._marks)

    def __contains__(self, mark: str) -> bool:
        return mark in self._marks

    def note(self, failures: Iterable[Failure]) -> None:
        """Keep failures, each of which is told once."""
        for failure in failures:
            if len(self.first) < _MOST:
                self.first.append(failure)
            if failure.kind == "cancelled" or failure.mark in self._marks:
                continue
            self._marks.add(failure.mark)
            if len(self._unhandled) < _MOST:
                self._unhandled[failure.mark] = failure
                for cause in failure.causes:
                    self._of_cause.setdefault(cause, []).append(failure.mark)

    def handle(self, marks: Iterable[str]) -> None:
        """Take note that a user has seen the failures of these marks."""
        for mark in marks:
            for handled in (mark, *self._of_cause.pop(mark, ())):
                self._unhandled.pop(handled, None)

    def unhandled(self) -> list[Failure]:
        """Return the failures that no user has seen, in the order in which they came."""
        return list(self._unhandled.values())

    def clear(self) -> None:
        """Forget all: something else begins."""
        self.first.clear()
        self._marks.clear()
        self._unhandled.clear()
        self._of_cause.clear()
