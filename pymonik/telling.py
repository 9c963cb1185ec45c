"""Telling: callbacks and event loops hear of calls that end, and no thread is blocked.

Enters: handles, callbacks. Leaves: calls of callbacks, one after the other on a thread of their own
(`callbacks`), and coroutines that go on. Waiting in the caller's thread is left to `waiting`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pymonik.callbacks import CALLBACKS
from pymonik.errors import OptionsError
from pymonik.handle import ResultHandle
from pymonik.options import TaskOptions
from pymonik.progress import Progress
from pymonik.runtime.outcome import PENDING
from pymonik.waiting import Waiting, demand_same_client, home_of, late

if TYPE_CHECKING:
    import asyncio

logger = logging.getLogger("pymonik")


class Telling(Waiting):
    """A recorder that tells when calls have ended."""

    def __init__(
        self,
        options: TaskOptions,
        environment: Any,
        on_progress: Callable[[Progress], object] | None,
    ) -> None:
        super().__init__(options, environment, on_progress)
        self._callbacks: list[tuple[ResultHandle[Any], Callable[[Any], object]]] = []

    async def awaited(self, handle: ResultHandle[Any]) -> Any:
        """Wait without blocking the event loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def set_ended(_: Any) -> None:
            if not loop.is_closed():  # who waited has gone away
                loop.call_soon_threadsafe(_resolve, ended)

        self.flush()
        self.call_when_done(handle, set_ended)
        await ended
        return self.value(handle, None)

    async def awaited_in_turn(
        self, handles: list[ResultHandle[Any]], timeout: float | None
    ) -> AsyncIterator[ResultHandle[Any]]:
        """Give handles in the order in which their calls end, without blocking the event loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        ended: asyncio.Queue[ResultHandle[Any]] = asyncio.Queue()

        def tell(handle: ResultHandle[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.put_nowait, handle)

        demand_same_client(handles)
        self.flush()
        for handle in handles:
            self.call_when_done(handle, tell)
        for _ in handles:
            left = None if end is None else max(0.0, end - loop.time())
            try:
                yield await asyncio.wait_for(ended.get(), left)
            except asyncio.TimeoutError:
                raise late(timeout) from None

    def call_when_done(self, handle: ResultHandle[Any], callback: Callable[[Any], object]) -> None:
        """Call back once a call has ended."""
        if not callable(callback):
            raise OptionsError(f"add_done_callback takes a function, not {callback!r}")
        with self._flushing:
            if handle._node.home is None:
                self._callbacks.append((handle, callback))
                return
        self._watch(handle, callback)

    def _watch_flushed(self) -> None:
        """Watch for the callbacks of calls that were sent or dropped meanwhile."""
        with self._flushing:
            known, self._callbacks = self._callbacks, []
            self._callbacks += [entry for entry in known if entry[0]._node.home is None]
        for handle, callback in known:
            if handle._node.home is not None:
                self._watch(handle, callback)

    def _tell_dropped(self) -> None:
        """Call back for calls that will never be sent: they have ended, too."""
        with self._flushing:
            dropped, self._callbacks = self._callbacks, []
        for handle, callback in dropped:
            CALLBACKS.put(partial(callback, handle))

    def _watch(self, handle: ResultHandle[Any], callback: Callable[[Any], object]) -> None:
        node = handle._node
        home, index = node.home.at(node.offset + handle._index)
        cell, place = home.locate(index)

        def call() -> None:
            try:
                callback(handle)
            except Exception:
                logger.exception("a callback of %r failed", handle)

        if home.record(index) is not PENDING:
            call()
            return

        def arrived() -> None:
            CALLBACKS.put(call)

        self._opened().watch(lambda: cell.watch(home.output, place, arrived), arrived)
        self._opened().want([home_of(handle)])


def _resolve(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
