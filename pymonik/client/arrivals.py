"""Arrivals: a thread waits until values have come, or until nothing can bring them any more.

Enters: a question that is answered once values are there. Leaves: nothing, or an error: too late,
lost, or what broke the backend. Which values are asked for is the business of `waiter`, filling
outputs that of backends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from pymonik.client.engine import LazyBackend
from pymonik.client.lookup import value_name
from pymonik.client.progress import PATIENCE, Progress, watching
from pymonik.client.state import ClientState
from pymonik.errors import BackendError, LostValueError
from pymonik.graph.nodes import External, Put
from pymonik.record.handle import ResultHandle
from pymonik.values.outcome import PENDING

# A value by its node and its index there.
Awaited = Callable[[], "tuple[Any, int] | None"]


def _nothing() -> tuple[Any, int] | None:
    return None


class ArrivalWait:
    """Waits for what a backend fills, on its condition `changed`.

    arrived: called after a wait that has ended well, without a lock.
    """

    def __init__(
        self,
        state: ClientState,
        engine: LazyBackend,
        on_progress: Callable[[Progress], object] | None = None,
        arrived: Callable[[], None] = lambda: None,
    ) -> None:
        self._state = state
        self._engine = engine
        self._on_progress = on_progress
        self._arrived = arrived

    def wait(
        self,
        is_over: Callable[[], bool],
        timeout: float | None,
        end: float | None = None,
        awaited: Awaited = _nothing,
    ) -> None:
        """Wait for `timeout`, or what is left of it before `end`.

        awaited: gives a value that has not come, or has just come, by its node and its index; None
        when all have.
        Raises LostValueError once nothing will bring it: looked at now, and whenever the backend
        tells of news.
        """
        if is_over():
            return
        left = timeout if end is None else max(0.0, end - time.monotonic())
        backend = self._engine.opened()
        arrivals = backend.traits.arrivals
        changed = arrivals.changed
        # Asked now, for this thread: `may_end` may also be called by the thread that delivers
        # values, which may itself be inside a flush.
        is_amid_flush, patience = self._state.lock._is_owned(), PATIENCE
        # Most values come soon, to a thread that waits alone: it asks for nothing but them. Whether
        # one is lost is for a longer wait to find out.
        if left is None and self._on_progress is None and not is_amid_flush:
            until = time.monotonic() + PATIENCE
            if changed.bring(is_over, until):
                self._arrived()
                return
            patience = max(0.0, until - time.monotonic())

        def lost_value() -> tuple[Any, int] | None:
            value = awaited()
            return value if value is not None and self._is_lost(*value, is_amid_flush) else None

        def may_end() -> Any:
            # True where it is over, else why it never will be: an error, or what is lost.
            return is_over() or arrivals.problem or lost_value()

        def sleep(seconds: float | None) -> bool:
            # What comes while `is_over` is asked wakes this thread: it is asked with the condition
            # held, or by who leads the host, whom all news come by (`Changed`).
            with changed:
                ended = changed.wait_for(may_end, seconds)
                if ended and ended is not True and not is_over():
                    raise arrivals.problem or self._never(*ended)
            return bool(ended)

        has_come, lasts = False, True
        # Not watched at first where no function is to be told: a bar is for who waits for long.
        if self._on_progress is None:
            lasts = left is None or left > PATIENCE
            has_come = sleep(patience if lasts else left)
            left = None if left is None else left - PATIENCE
        if not has_come and lasts:
            with watching(backend, self._on_progress):
                has_come = sleep(left)
        if not has_come:
            raise timeout_error(timeout, awaited())
        # The condition is free again: values that have come are stored on a disk here.
        self._arrived()

    def _never(self, node: Any, index: int) -> Exception:
        is_ours = self._state.plans_under_way and self._state.is_held_here
        return amid_flush() if is_ours else lost(node, index)

    def is_lost(self, node: Any, index: int) -> bool:
        """Return whether a value has not come, and nothing will bring it; to who asks for it."""
        return self._is_lost(node, index, self._state.is_held_here)

    def _is_lost(self, node: Any, index: int, is_amid_flush: bool) -> bool:
        location, place = node.location.at(node.offset + index)
        if location.output is None:  # as `is_kept` asks
            return True
        # Its unit may be among those of others: their end tells. Not those of this thread, which
        # sends no more of them while it waits.
        if self._state.plans_under_way and not is_amid_flush:
            return False
        outputs, place = location.locate(place)
        if outputs.columns[location.output][place] is not PENDING:
            return False
        # In this order: what is not expected any more may have come meanwhile.
        arrivals = (self._engine.backend or self._engine.opened()).traits.arrivals
        is_expected = arrivals.expects(outputs)
        return not is_expected and outputs.columns[location.output][place] is PENDING


def lost(node: Any, index: int = 0) -> LostValueError:
    """Make the error of a wait for what nothing will bring."""
    # A pure call that nobody wanted was not sent, and has no location.
    if node.spec.pure if node.location is None else not is_kept(node, index):
        return LostValueError(
            f"{_described(node, index)} was not kept: nothing held its handle when its call was "
            "sent (this happens when a finalizer asks for it). Hold the handle elsewhere, or "
            "name the value (`pmk_name=`), and record the call again"
        )
    return LostValueError(
        f"{_described(node, index)} will not come: no call that is pending, no unit that runs and "
        "no fetch will bring it. This is a fault of PymoniK, please report it; the call can be "
        "recorded again"
    )


def is_kept(node: Any, index: int) -> bool:
    """Return whether a value was wanted when its call was sent: else it is not stored."""
    location, _ = node.location.at(node.offset + index)
    return location.output is not None


def amid_flush() -> BackendError:
    """Make the error of a wait for what this very thread was about to send."""
    return BackendError(
        "cannot wait for this value here: this code (such as a finalizer) runs inside a flush, "
        "which no longer sends the call of the value; wait for it in another thread"
    )


def _described(node: Any, index: int) -> str:
    """Return which value it is, in the words of failures."""
    name, place = value_name(node, index)
    element = f", element {index}" if place else ""
    kind = type(node)
    origin = "of" if kind is External else f"{'put' if kind is Put else 'called'} at"
    return f"the value of {name!r}{element}, {origin} {node.where},"


def end_of(timeout: float | None) -> float | None:
    """Return when a wait ends that begins now, on time.monotonic; None when it does not."""
    return None if timeout is None else time.monotonic() + timeout


def timeout_error(timeout: float | None, awaited: tuple[Any, int] | None = None) -> TimeoutError:
    """Make the error of a wait that was given up; awaited: the node and the index of a value."""
    what = _described(*awaited) if awaited is not None else "it"
    return TimeoutError(f"{what} had not arrived after {timeout:g} s; nothing is lost: wait again")


def is_settled(handle: ResultHandle[Any]) -> bool:
    """Return whether the value, or the failure, of a call that was sent has come."""
    node = handle._node
    return node.location.record(node.offset + handle._index) is not PENDING


def first_open(handles: Iterable[ResultHandle[Any]]) -> tuple[Any, int] | None:
    """Return the node and the index of the first handle whose value has not come."""
    for handle in handles:
        if not is_settled(handle):
            return handle._node, handle._index
    return None


def location_of(handle: ResultHandle[Any]) -> Any:
    """Return where the value of a handle will be found, and its place there."""
    location, index = handle._node.location.at(handle._node.offset + handle._index)
    return location, range(index, index + 1)
