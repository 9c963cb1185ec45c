"""Notifying: callbacks of calls that end are called, and no thread is blocked for it.

Enters: handles, callbacks. Leaves: calls of callbacks, one after the other on a thread of their own
(`callbacks`). Waiting in the caller's thread is left to `waiter`, in an event loop to
`async_waiter`, which is told at once: a callback may wait in an event loop, too.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from functools import partial
from itertools import compress
from operator import not_
from typing import Any

from pymonik.client.arrivals import ArrivalWait, is_settled, location_of
from pymonik.client.callbacks import CALLBACKS
from pymonik.client.engine import LazyBackend
from pymonik.client.state import ClientState
from pymonik.errors import OptionsError
from pymonik.record.handle import ResultHandle
from pymonik.system.conditions import Latch
from pymonik.system.deferred_signals import DeferredSignals
from pymonik.values.outcome import PENDING

logger = logging.getLogger("pymonik")

Callback = Callable[[Any], object]
# What is done, by whichever thread, once a call has ended: it does not block, and takes no lock.
Tell = Callable[[], object]


class Notifier:
    """Calls back when calls have ended.

    Callbacks of calls that were not sent wait in `unsent`, under the lock of the flush. Those of
    calls that were sent are watched for by the backend, without a lock: several threads may find at
    once that a call has ended, and each callback is called once.
    """

    def __init__(self, state: ClientState, engine: LazyBackend, arrivals: ArrivalWait) -> None:
        self._state = state
        self._engine = engine
        self._arrivals = arrivals
        self.unsent: list[tuple[ResultHandle[Any], Tell]] = []
        # What callbacks wait for; changed from any thread, so copied to be walked.
        self.watches: dict[_Watch, None] = {}
        # Those of them for which no unit or fetch was seen yet.
        self._unplanned: list[_Watch] = []
        # Callbacks on their way to the thread that calls them, or being called.
        self._calls: dict[_Call, None] = {}

    def add_done_callback(self, handle: ResultHandle[Any], callback: Callback) -> None:
        """Call back once a call has ended: here and now, or on the thread of callbacks."""
        if not callable(callback):
            raise OptionsError(f"add_done_callback takes a function, not {callback!r}")
        if self._ended_else_watch(handle, partial(self._put, callback, handle)):
            _call(callback, handle)

    def when_ended(self, handle: ResultHandle[Any], tell: Tell) -> None:
        """Let whichever thread finds that a call has ended tell so at once."""
        if self._ended_else_watch(handle, tell):
            tell()

    def _ended_else_watch(self, handle: ResultHandle[Any], tell: Tell) -> bool:
        """Return whether a call has ended, seen here; else it is told once it has."""
        if (
            handle._node.location is None
        ):  # else no wait for a submission that is under way is needed
            self._engine.check_process()
            with self._state.lock:
                if handle._node.location is None:
                    if self._state.is_closed:  # dropped: it has ended, too
                        tell()
                    else:
                        self.unsent.append((handle, tell))
                    return False
        if is_settled(handle):
            return True
        self.watch(handle, tell)
        return False

    def _put(self, callback: Callback, handle: ResultHandle[Any]) -> None:
        call = _Call(callback, handle)
        self._calls[call] = None  # before it is on its way: see `drain`
        CALLBACKS.put(partial(self._make, call))

    def _make(self, call: _Call) -> None:
        try:
            _call(call.callback, call.handle)
        finally:
            self._calls.pop(call, None)
            # Behind that: who waits for it has put this here, and looked then.
            if call.made is not None:
                call.made.open()

    def drain(self) -> None:
        """Wait until the callbacks of this client that are on their way have been called.

        Those of others are not waited for: one may wait for this client. Nor is any in the thread
        of callbacks, which would wait for itself.
        """
        if CALLBACKS.runs_here:
            return
        for call in list(self._calls):
            CALLBACKS.start()  # unless it runs: there may have been no thread to spare
            call.made = Latch()  # opened by the thread that calls it, when it has
            if call in self._calls:
                call.made.wait()

    def flushed(self) -> None:
        """Look for what was sent, and for what was lost, once a flush has ended."""
        try:
            if self.unsent:
                self.watch_sent()
        finally:
            if self._unplanned:
                self._tell_lost()

    def watch_sent(self) -> None:
        """Watch for the callbacks of calls that were sent or dropped meanwhile."""
        if not self.unsent:  # what is added from now on was not sent before
            return
        # A handler that raises amid it would lose those that are in neither list.
        with DeferredSignals():
            with self._state.lock:
                # Looked at once: the next flush may send some of them as soon as the lock is free.
                is_sent = [handle._node.location is not None for handle, _ in self.unsent]
                sent = list(compress(self.unsent, is_sent))
                self.unsent = list(compress(self.unsent, map(not_, is_sent)))
            for handle, tell in sent:
                self.watch(handle, tell)

    def tell_dropped(self) -> None:
        """Call back for calls that will never be sent: they have ended, too."""
        with self._state.lock:
            dropped, self.unsent = self.unsent, []
        for _, tell in dropped:
            tell()

    def watched(self) -> tuple[Any, int] | None:
        """Return one of the values that callbacks wait for, and were not told of yet."""
        # A watch that has told is about to leave: that its value was lost is known then.
        return next((watch.value for watch in list(self.watches) if watch.is_open), None)

    def watch(self, handle: ResultHandle[Any], tell: Tell) -> None:
        """Tell once the value of a call that was sent is there, or was lost."""
        watch = _Watch(self, handle, tell)
        try:
            self._begin(watch, handle)
        except BaseException:
            # Whole, wherever a handler has raised: `close` waits for what stands in `watches`.
            with DeferredSignals():
                try:
                    self._begin(watch, handle)
                except Exception:  # it was no handler
                    self.ended(watch)
            raise

    def _begin(self, watch: _Watch, handle: ResultHandle[Any]) -> None:
        # Before the first look, and behind nothing that may raise: `close` waits for what is here.
        self.watches[watch] = None
        if watch.is_over():
            watch.end()
            return
        backend = self._engine.opened()
        backend.traits.arrivals.watch(watch.add, watch.end)
        backend.want([location_of(handle)])
        # In this order: a watch that the backend has added before is looked at here; one that it
        # adds from now on it looks at itself (`_Watch.add`). None is left out between the two.
        watch.is_wanted = True
        self._unplanned.append(watch)
        self._tell_lost()

    def add_planned(self, watch: _Watch) -> bool:
        """Keep a watch that its backend has added late; return whether its value may still come."""
        # Before the count is read: the end of a plan lowers it, and looks through the list then.
        self._unplanned.append(watch)
        if self._state.plans_under_way:  # its end looks
            return True
        with contextlib.suppress(ValueError):  # it has looked
            self._unplanned.remove(watch)
        return not self._arrivals.is_lost(*watch.value)

    def ended(self, watch: _Watch) -> None:
        """Forget a watch whose callback is on its way."""
        self.watches.pop(watch, None)
        if self._state.is_closing:  # it waits for the last of them
            self._engine.opened().traits.arrivals.changed.look_again()

    def _tell_lost(self) -> None:
        """Call back for values that nothing will bring: to ask for them then is an error.

        While a plan is on its way that is unknown: its end looks at what was left.
        """
        while self._unplanned and not self._state.plans_under_way:
            with contextlib.suppress(IndexError):  # another thread was there first
                watch = self._unplanned.pop()
                if self._arrivals.is_lost(*watch.value):
                    watch.end()


class _Call:
    """A callback on its way. made: opened behind it, where anybody waits for that."""

    __slots__ = ("callback", "handle", "made")

    def __init__(self, callback: Callback, handle: ResultHandle[Any]) -> None:
        self.callback = callback
        self.handle = handle
        self.made: Latch | None = None


class _Watch:
    """What waits for the value of a call that was sent, to tell that it has ended.

    Several threads may find at once that the value has come: who takes `tell`, tells.
    is_wanted: whether the backend was asked for the value. It may add the watch before or, as a
    host does when it has time, behind that, and maybe behind the end of the unit.
    """

    __slots__ = ("_location", "_notifier", "_place", "_tell", "is_wanted", "value")

    def __init__(self, notifier: Notifier, handle: ResultHandle[Any], tell: Tell) -> None:
        self._notifier = notifier
        self._tell = [tell]
        node = handle._node
        self.value: tuple[Any, int] = node, handle._index
        self._location, self._place = node.location.at(node.offset + handle._index)
        self.is_wanted = False

    def is_over(self) -> bool:
        """Return whether the value has come, or never will: nobody wanted it when it was sent."""
        location = self._location
        return location.output is None or location.record(self._place) is not PENDING

    @property
    def is_open(self) -> bool:
        """Return whether it has not told yet."""
        return bool(self._tell)

    def add(self) -> bool:
        """Let the outputs end this watch; return whether they will. Called by the backend."""
        outputs, place = self._location.locate(self._place)
        # First, and asked only then whether anybody has looked: see `Notifier._begin`.
        if not outputs.watch(self._location.output, place, self.end):
            return False
        return not self.is_wanted or self._notifier.add_planned(self)

    def end(self) -> None:
        """Tell, unless another thread has done so. Called by any thread, without a lock."""
        tell: Tell | None = None
        with contextlib.suppress(IndexError):  # it was told, but may have been begun again
            tell = self._tell.pop()
        try:
            if tell is not None:  # not above: an error of its own is not to be taken for that one
                tell()
        finally:  # behind that: `close` waits for what stands in `watches`, then for callbacks
            self._notifier.ended(self)


def _call(callback: Callback, handle: ResultHandle[Any]) -> None:
    try:
        callback(handle)
    except Exception:
        logger.exception("a callback of %r failed", handle)
