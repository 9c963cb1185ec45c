"""What handles ask of the scope that made them: one part for each kind of question.

A client has these parts (`client.parts`). Inside a task, where nothing can be waited for, the
recorder is most of them itself (`runtime.executor.subtasks`). A handle is Any here: it imports this
file, and none imports each other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Protocol


class Derives(Protocol):
    """Records what is asked of handles by name, by key and by number: a recorder."""

    def name(self, handle: Any, name: str) -> None:
        """Name the value of a handle."""

    def item(self, handle: Any, key: Any) -> Any:
        """Return a handle to an item of a value."""

    def unpack(self, handle: Any, n: int) -> tuple[Any, ...]:
        """Return handles to the items of a value."""


class Waits(Protocol):
    """Waits for values, in the thread that asks."""

    def wait_for(self, handles: list[Any], timeout: float | None) -> None:
        """Wait until all these handles are done."""

    def wait_for_runs(self, runs: Any, timeout: float | None) -> None:
        """Wait until all handles of runs are done."""

    def value(self, handle: Any, timeout: float | None) -> Any:
        """Wait for a value and return it, or raise its error."""

    def values(self, runs: Any, timeout: float | None) -> list[Any]:
        """Wait for the values of runs and return them."""

    def is_done(self, handle: Any) -> bool:
        """Return whether a value, or an error, is known."""

    def exception(self, handle: Any, timeout: float | None) -> BaseException | None:
        """Wait for a call to end; return its error, None for a value."""

    def completed(self, handles: list[Any], timeout: float | None) -> Iterator[Any]:
        """Return handles as they become done."""


class WaitsAsync(Protocol):
    """Waits for values in an event loop, without blocking it."""

    def value(self, handle: Any) -> Coroutine[Any, Any, Any]:
        """Return what `await` of a handle waits for."""

    def completed(self, handles: list[Any], timeout: float | None) -> AsyncIterator[Any]:
        """Return handles as they become done."""


class Notifies(Protocol):
    """Calls back when calls have ended."""

    def add_done_callback(self, handle: Any, callback: Callable[[Any], object]) -> None:
        """Call back with the handle once it is done."""


class Cancels(Protocol):
    """Cancels calls."""

    def cancel_call(self, handle: Any) -> bool:
        """Cancel a call; return whether it will not run."""


class Stores(Protocol):
    """Knows under which ids values are stored."""

    def result_id(self, handle: Any) -> str:
        """Return the id of the result that the value is."""

    def of_result(self, owner: Any, result_id: str, session_id: str) -> Any:
        """Return the handle, of an owner, of a value by its id."""


class Shows(Protocol):
    """Tells what is known of a handle, in a line and in a notebook."""

    def describe(self, handle: Any, hints: bool = False) -> str:
        """Return what a handle says of itself; hints: and what asking for its value does."""

    def html(self, text: str, nodes: list[Any]) -> str:
        """Return what a notebook shows for nodes."""


class Owner(Protocol):
    """What handles ask of the scope that made them: one of its parts."""

    recorder: Derives
    waiter: Waits
    async_waiter: WaitsAsync
    notifier: Notifies
    canceller: Cancels
    stored: Stores
    views: Shows

    @property
    def session_id(self) -> str:
        """The session that the calls belong to."""
