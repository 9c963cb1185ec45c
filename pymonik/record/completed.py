"""Handles in the order in which their calls end.

Enters: handles. Leaves: an iterator for `for` and for `async for`. The waiting is the client's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import timedelta
from typing import TypeVar

from pymonik._pickled import public
from pymonik.record.handle import ResultHandle
from pymonik.values.options import in_seconds

T = TypeVar("T")


class Completed(Iterator[ResultHandle[T]], AsyncIterator[ResultHandle[T]]):
    """Handles in the order in which their calls end, for `for` and for `async for`.

    >>> @task
    ... def square(x):
    ...     return x * x
    >>> with Pymonik():
    ...     handles = square.map_invoke(range(3))
    ...     async def values():
    ...         return [handle.get() async for handle in as_completed(handles)]
    ...     sorted(asyncio.run(values()))
    [0, 1, 4]
    """

    def __init__(self, handles: list[ResultHandle[T]], timeout: float | None) -> None:
        self._handles = handles
        self._timeout = timeout
        self._waiting: Iterator[ResultHandle[T]] | None = None
        self._awaiting: AsyncIterator[ResultHandle[T]] | None = None

    def __next__(self) -> ResultHandle[T]:
        if self._waiting is None:
            if not self._handles:
                raise StopIteration
            self._waiting = self._handles[0]._client.waiter.completed(self._handles, self._timeout)
        return next(self._waiting)

    async def __anext__(self) -> ResultHandle[T]:
        if self._awaiting is None:
            if not self._handles:
                raise StopAsyncIteration
            client = self._handles[0]._client
            self._awaiting = client.async_waiter.completed(self._handles, self._timeout)
        return await self._awaiting.__anext__()


@public
def as_completed(
    handles: Iterable[ResultHandle[T]], timeout: float | timedelta | None = None
) -> Completed[T]:
    """Return handles in the order in which their calls end, failed ones included.

    Those whose calls have ended already come first, in the order given.

    Works with `for`, and with `async for`, which does not block the event loop. timeout: seconds
    until the last; past it TimeoutError is raised, and nothing is lost.

    >>> @task
    ... def square(x):
    ...     return x * x
    >>> with Pymonik():
    ...     handles = square.map_invoke(range(3))
    ...     sorted(handle.get() for handle in as_completed(handles))
    [0, 1, 4]
    """
    if not isinstance(handles, Iterable):
        raise TypeError(f"as_completed takes handles, not {handles!r}")
    remaining = list(handles)
    for handle in remaining:
        if not isinstance(handle, ResultHandle):
            raise TypeError(f"as_completed takes handles, not {handle!r}")
    return Completed(remaining, in_seconds(timeout))
