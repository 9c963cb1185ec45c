"""Notifying: callbacks of calls that end are called, and no thread is blocked for it.

Enters: handles, callbacks. Leaves: calls of callbacks, one after the other on a thread of their own
(`callbacks`). Waiting in the caller's thread is left to `waiter`, in an event loop to
`async_waiter`, which is called back like anybody else.
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
from pymonik.system.deferred_signals import DeferredSignals
from pymonik.values.outcome import PENDING

logger = logging.getLogger("pymonik")

Callback = Callable[[Any], object]


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
        self.unsent: list[tuple[ResultHandle[Any], Callback]] = []
        # The values that callbacks wait for; changed from any thread, so copied to be walked.
        self.watches: dict[object, tuple[Any, int]] = {}
        # Those of them for which no unit or fetch was seen yet.
        self._unplanned: list[_Watch] = []

    def add_done_callback(self, handle: ResultHandle[Any], callback: Callback) -> None:
        """Call back once a call has ended."""
        if not callable(callback):
            raise OptionsError(f"add_done_callback takes a function, not {callback!r}")
        if (
            handle._node.location is None
        ):  # else no wait for a submission that is under way is needed
            self._engine.check_process()
            with self._state.lock:
                if handle._node.location is None:
                    if self._state.is_closed:  # dropped: it has ended, too
                        CALLBACKS.put(partial(_call, callback, handle))
                    else:
                        self.unsent.append((handle, callback))
                    return
        if is_settled(handle):
            _call(callback, handle)
            return
        self.watch(handle, callback)

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
            for handle, callback in sent:
                self.watch(handle, callback)

    def tell_dropped(self) -> None:
        """Call back for calls that will never be sent: they have ended, too."""
        with self._state.lock:
            dropped, self.unsent = self.unsent, []
        for handle, callback in dropped:
            CALLBACKS.put(partial(_call, callback, handle))

    def watched(self) -> tuple[Any, int] | None:
        """Return one of the values that callbacks wait for."""
        return next(iter(list(self.watches.values())), None)

    def watch(self, handle: ResultHandle[Any], callback: Callback) -> None:
        """Call back once the value of a call that was sent is there, or was lost."""
        watch = _Watch(self, handle, callback)
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
        self.watches[watch] = handle._node, handle._index
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


class _Watch:
    """A callback that waits for the value of a call that was sent.

    Several threads may find at once that the value has come: who takes the call, makes it.
    is_wanted: whether the backend was asked for the value. It may add the watch before or, as a
    host does when it has time, behind that, and maybe behind the end of the unit.
    """

    __slots__ = ("_calls", "_location", "_notifier", "_place", "is_wanted", "value")

    def __init__(self, notifier: Notifier, handle: ResultHandle[Any], callback: Callback) -> None:
        self._notifier = notifier
        self._calls = [partial(_call, callback, handle)]
        node = handle._node
        self.value: tuple[Any, int] = node, handle._index
        self._location, self._place = node.location.at(node.offset + handle._index)
        self.is_wanted = False

    def is_over(self) -> bool:
        """Return whether the value has come, or never will: nobody wanted it when it was sent."""
        location = self._location
        return location.output is None or location.record(self._place) is not PENDING

    def add(self) -> bool:
        """Let the outputs end this watch; return whether they will. Called by the backend."""
        outputs, place = self._location.locate(self._place)
        # First, and asked only then whether anybody has looked: see `Notifier._begin`.
        if not outputs.watch(self._location.output, place, self.end):
            return False
        return not self.is_wanted or self._notifier.add_planned(self)

    def end(self) -> None:
        """Call back, unless another thread has done so. Called by any thread, without a lock."""
        try:
            call = self._calls.pop()
        except IndexError:
            self._notifier.watches.pop(self, None)  # it may have been begun again
            return
        CALLBACKS.put(call)  # before it counts as called: see `close`
        self._notifier.ended(self)


def _call(callback: Callback, handle: ResultHandle[Any]) -> None:
    try:
        callback(handle)
    except Exception:
        logger.exception("a callback of %r failed", handle)
