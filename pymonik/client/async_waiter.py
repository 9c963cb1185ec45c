"""Waiting in an event loop: coroutines go on when values have come, and the loop is not blocked.

Enters: handles, in a coroutine. Leaves: their values, or handles in the order in which their calls
end. The event loop is woken by whichever thread finds that a call has ended (`notifier`).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pymonik.client.arrivals import first_open, is_settled, timeout_error
from pymonik.client.engine import LazyBackend
from pymonik.client.locator import Locator
from pymonik.client.notifier import Notifier
from pymonik.client.waiter import Waiter, demand_same_client
from pymonik.record.handle import ResultHandle

if TYPE_CHECKING:
    import asyncio


class AsyncWaiter:
    """Waits for values in event loops. flush: sends what is `pending`, before anybody waits."""

    def __init__(
        self,
        engine: LazyBackend,
        pending: list[Any],
        flush: Callable[[], None],
        locator: Locator,
        notifier: Notifier,
        waiter: Waiter,
    ) -> None:
        self._engine = engine
        self._pending = pending
        self._flush = flush
        self._locator = locator
        self._notifier = notifier
        self._waiter = waiter

    async def _flush_beside(self) -> None:
        """Send what is pending: to a cluster beside the event loop, since that may take long."""
        if self._engine.traits.is_here:
            self._flush()
        elif self._pending:
            await self._engine.beside(self._flush)

    async def value(self, handle: ResultHandle[Any]) -> Any:
        """Return the value of a handle."""
        import asyncio

        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        await self._flush_beside()
        self._locator.locate(handle._node)
        # Also of one that has ended meanwhile: that is told at once, in this thread, by way of the
        # loop.
        self._notifier.when_ended(handle, partial(_call_in, loop, _resolve, ended))
        await ended
        return self._waiter.value(handle, None)

    async def completed(
        self, handles: list[ResultHandle[Any]], timeout: float | None
    ) -> AsyncIterator[ResultHandle[Any]]:
        """Return handles in the order in which their calls end."""
        import asyncio

        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        ended: asyncio.Queue[ResultHandle[Any]] = asyncio.Queue()

        demand_same_client(handles)
        await self._flush_beside()
        for handle in handles:
            self._locator.locate(handle._node)
            if is_settled(handle):  # there in time, even if the loop gets no turn before its end
                ended.put_nowait(handle)
            else:
                self._notifier.when_ended(handle, partial(_call_in, loop, ended.put_nowait, handle))
        for _ in handles:
            # Asked first: where no time is left, `wait_for` of Python 3.11 gives up without a look.
            if ended.empty():
                left = None if end is None else max(0.0, end - loop.time())
                try:
                    handle = await asyncio.wait_for(ended.get(), left)
                except asyncio.TimeoutError:
                    raise timeout_error(timeout, first_open(handles)) from None
            else:
                handle = ended.get_nowait()
            yield handle


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[Any], Any], value: Any) -> None:
    """Call a function in an event loop, from any thread, unless the loop has been closed."""
    with contextlib.suppress(RuntimeError):  # the loop is closed
        # Futures and queues of asyncio are of the thread of their loop; this may be any.
        loop.call_soon_threadsafe(function, value)


def _resolve(ended: asyncio.Future[None]) -> None:
    # The coroutine may have been cancelled while its call ended.
    if not ended.done():
        ended.set_result(None)
