"""Telling: callbacks and event loops hear of calls that end, and no thread is blocked.

Enters: handles, callbacks. Leaves: calls of callbacks, one after the other on a thread of their own
(`callbacks`), and coroutines that go on. Waiting in the caller's thread is left to `waiting`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import compress
from operator import not_
from typing import TYPE_CHECKING, Any

from pymonik.client.callbacks import CALLBACKS
from pymonik.client.progress import Progress
from pymonik.client.waiting import (
    Waiting,
    demand_same_client,
    first_open,
    home_of,
    is_settled,
    late,
)
from pymonik.errors import OptionsError
from pymonik.record.handle import ResultHandle
from pymonik.values.options import TaskOptions
from pymonik.values.outcome import PENDING

if TYPE_CHECKING:
    import asyncio

logger = logging.getLogger("pymonik")


class Notifications(Waiting):
    """A recorder that tells when calls have ended."""

    def __init__(
        self,
        options: TaskOptions,
        environment: Any,
        on_progress: Callable[[Progress], object] | None,
    ) -> None:
        super().__init__(options, environment, on_progress)
        # Of calls that were not sent yet.
        self._callbacks: list[tuple[ResultHandle[Any], Callable[[Any], object]]] = []
        # The values that callbacks and event loops wait for; changed from any thread.
        self._watches: dict[object, tuple[Any, int]] = {}
        # Those of them that nobody has seen a unit or a fetch for yet.
        self._unsure: list[tuple[Callable[[], None], Any, int]] = []

    async def _beside(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run what may take long beside the event loop: here where calls run in this thread."""
        import asyncio

        if self.traits.shares_process:
            return function(*args)
        return await asyncio.to_thread(function, *args)

    async def _flush_beside(self) -> None:
        """Send what is pending: to a cluster beside the event loop, since that may take long."""
        if self.traits.is_here:
            self.flush()
        elif self.pending:
            await self._beside(self.flush)

    async def awaited(self, handle: ResultHandle[Any]) -> Any:
        """Wait without blocking the event loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def set_ended(_: Any) -> None:
            _call_in(loop, _resolve, ended)

        await self._flush_beside()
        self._settle(handle._node)
        self.call_when_done(handle, set_ended)
        await ended
        return self.value(handle, None)

    async def as_completed_async(
        self, handles: list[ResultHandle[Any]], timeout: float | None
    ) -> AsyncIterator[ResultHandle[Any]]:
        """Return handles in the order in which their calls end, without blocking the event loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        ended: asyncio.Queue[ResultHandle[Any]] = asyncio.Queue()

        def tell(handle: ResultHandle[Any]) -> None:
            _call_in(loop, ended.put_nowait, handle)

        demand_same_client(handles)
        await self._flush_beside()
        for handle in handles:
            self._settle(handle._node)
            self.call_when_done(handle, tell)
        for _ in handles:
            left = None if end is None else max(0.0, end - loop.time())
            try:
                yield await asyncio.wait_for(ended.get(), left)
            except asyncio.TimeoutError:
                raise late(timeout, first_open(handles)) from None

    def call_when_done(self, handle: ResultHandle[Any], callback: Callable[[Any], object]) -> None:
        """Call back once a call has ended."""
        if not callable(callback):
            raise OptionsError(f"add_done_callback takes a function, not {callback!r}")
        if handle._node.home is None:  # else nobody need wait for a submission that is under way
            with self._flushing:
                if handle._node.home is None:
                    if self._closed:  # dropped: it has ended, too
                        CALLBACKS.put(partial(_call, callback, handle))
                    else:
                        self._callbacks.append((handle, callback))
                    return
        if is_settled(handle):
            _call(callback, handle)
            return
        self._watch(handle, callback)

    def _watch_flushed(self) -> None:
        """Watch for the callbacks of calls that were sent or dropped meanwhile."""
        with self._flushing:
            # Looked at once: the next flush may send some of them as soon as the lock is free.
            is_sent = [handle._node.home is not None for handle, _ in self._callbacks]
            sent = list(compress(self._callbacks, is_sent))
            self._callbacks = list(compress(self._callbacks, map(not_, is_sent)))
        for handle, callback in sent:
            self._watch(handle, callback)

    def _tell_dropped(self) -> None:
        """Call back for calls that will never be sent: they have ended, too."""
        with self._flushing:
            dropped, self._callbacks = self._callbacks, []
        for handle, callback in dropped:
            CALLBACKS.put(partial(_call, callback, handle))

    def _watched(self) -> tuple[Any, int] | None:
        """Return one of the values that callbacks wait for."""
        return next(iter(list(self._watches.values())), None)

    def _watch(self, handle: ResultHandle[Any], callback: Callable[[Any], object]) -> None:
        node = handle._node
        home, index = node.home.at(node.offset + handle._index)
        cell, place = home.locate(index)

        # Several threads may find at once that it has ended: who takes the call, makes it.
        calls = [partial(_call, callback, handle)]

        def arrived() -> None:
            try:
                call = calls.pop()
            except IndexError:
                return
            CALLBACKS.put(call)  # before it counts as told: see `close`
            self._watches.pop(arrived, None)
            if self._closing:  # it waits for the last of them
                changed = self._opened().traits.arrivals.changed
                with changed:
                    changed.notify_all()

        output = home.output
        self._watches[arrived] = node, handle._index
        if home.record(index) is not PENDING or output is None:
            arrived()
            return
        backend = self._opened()
        backend.traits.arrivals.watch(lambda: cell.watch(output, place, arrived), arrived)
        backend.want([home_of(handle)])
        self._unsure.append((arrived, node, handle._index))
        self._tell_lost()

    def _tell_lost(self) -> None:
        """Call back for values that nothing will bring: to ask for them then is an error.

        While a plan is on its way nobody can tell: its end looks at what was left.
        """
        while self._unsure and not self._sending:
            with contextlib.suppress(IndexError):  # another thread was there first
                arrived, node, index = self._unsure.pop()
                if self._is_lost(node, index):
                    arrived()


def _call(callback: Callable[[Any], object], handle: ResultHandle[Any]) -> None:
    try:
        callback(handle)
    except Exception:
        logger.exception("a callback of %r failed", handle)


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[Any], Any], value: Any) -> None:
    """Call a function in an event loop, from any thread, unless who waited there has gone away."""
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(function, value)


def _resolve(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
