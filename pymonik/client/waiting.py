"""Waiting: how handles of a client get their values, once what was recorded was sent.

Enters: handles. Leaves: values, errors, cancellations. Sending is left to `compiling`, which has
`flush`, callbacks and event loops to `telling`; filling cells that are waited for, to backends.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pymonik import backend as backends
from pymonik.backend.traits import Traits
from pymonik.client.cancel import cancel_pending, renounce
from pymonik.client.flusher import Flushers
from pymonik.client.handled import Handled
from pymonik.client.lookup import description, handle_of, value_name
from pymonik.client.progress import Progress, watching
from pymonik.errors import LostValueError, NoClientError
from pymonik.graph.ir import Put
from pymonik.record.handle import ResultHandle
from pymonik.record.recorder import Recorder
from pymonik.system.forks import fork_safe
from pymonik.values.options import TaskOptions
from pymonik.values.outcome import PENDING, Failure, value_of
from pymonik.values.outputs import ScatteredLocation

logger = logging.getLogger("pymonik")


class Waiting(Recorder):
    """A recorder whose values can be waited for."""

    def __init__(
        self,
        options: TaskOptions,
        environment: Any,
        on_progress: Callable[[Progress], object] | None,
    ) -> None:
        super().__init__(options, environment)
        self._on_progress = on_progress
        # Held by who sends, from taking what is pending to handing the plan over, and by who
        # names or cancels. Recording takes no lock: `pending` is only appended to.
        self._flushing = fork_safe(threading.RLock())
        # Whether a thread is between taking what is pending and handing a plan to the backend.
        self._is_compiling = False
        # How many plans are on their way to the backend, which may not know their units yet.
        self._sending = 0
        # Opened when it is first needed.
        self._backend: backends.Backend | None = None
        self._handled = Handled()
        self._flushers = Flushers()

    @abstractmethod
    def flush(self) -> None:
        """Send what is pending, without waiting."""

    @abstractmethod
    def _watch_flushed(self) -> None:
        """Let those be told who wait for calls that were sent or dropped meanwhile."""

    @property
    @abstractmethod
    def traits(self) -> Traits:
        """What its backend does differently, also before it is opened."""

    @abstractmethod
    def _opened(self) -> backends.Backend:
        """Return the backend, opened."""

    def _settle(self, node: Any, timeout: float | None = None, end: float | None = None) -> Any:
        """Return the home of a node, sending it first if it was not sent.

        Raises TimeoutError when it is not sent by `end`: `timeout` after the wait began.
        """

        def is_sent() -> bool:
            return node.home is not None and not (type(node) is Put and node in self.pending)

        if not is_sent():
            if not self._closed:
                self._flush_by(node, timeout, end, is_sent)
            if node.home is None:
                if self._closed:
                    raise NoClientError("this client is closed, and the call was never sent")
                raise lost(node)
        return node.home

    def _flush_by(
        self, node: Any, timeout: float | None, end: float | None, is_sent: Callable[[], bool]
    ) -> None:
        # An engine of this process answers at once, and may run the calls in this very thread.
        # Who holds the lock already, such as a finalizer that runs amid a flush, waits for nobody.
        if end is None or not self._opened().traits.is_remote or self._is_flushing_here():
            self.flush()
        elif not self._flushers.flush_by(self.flush, end, is_sent):
            raise late(timeout, (node, 0))

    def _is_flushing_here(self) -> bool:
        return bool(self._flushing._is_owned())  # type: ignore[attr-defined]  # as Condition does

    def _wait(
        self,
        is_over: Callable[[], bool],
        timeout: float | None,
        end: float | None = None,
        awaited: Callable[[], tuple[Any, int] | None] = lambda: None,
    ) -> None:
        """Wait for `timeout`, or what is left of it before `end`.

        awaited: gives a value that has not come, by its node and its index, None when all have.
        Raises LostValueError once nothing will bring it: looked at now, and whenever the backend
        tells of news.
        """
        if is_over():
            return
        left = timeout if end is None else max(0.0, end - time.monotonic())
        backend = self._opened()
        arrivals = backend.traits.arrivals
        found: list[tuple[Any, int]] = []

        def is_lost() -> bool:
            value = awaited()
            if value is not None and self._is_lost(*value):
                found.append(value)
            return bool(found)

        with watching(backend, self._on_progress), arrivals.changed:
            if not arrivals.changed.wait_for(
                lambda: is_over() or arrivals.problem or is_lost(), left
            ):
                raise late(timeout, awaited())
            if not is_over():
                raise arrivals.problem or lost(*found[0])
        self.waited()

    def _is_lost(self, node: Any, index: int) -> bool:
        """Return whether a value has not come, and nothing will bring it."""
        home, place = node.home.at(node.offset + index)
        if home.output is None:  # nobody seemed to want it when its call was sent
            return True
        if self._sending:  # its unit may be on its way: the end of the submission tells
            return False
        if home.record(place) is not PENDING:
            return False
        cell, _ = home.locate(place)
        # In this order: what nobody expects any more may have come meanwhile.
        return not self._opened().traits.arrivals.expects(cell) and home.record(place) is PENDING

    def waited(self) -> None:
        """Do what is due once values have come."""

    def wait_for(self, handles: list[ResultHandle[Any]], timeout: float | None) -> None:
        """Wait for handles."""
        end = end_of(timeout)
        for handle in handles:
            self._settle(handle._node, timeout, end)
        self._want(handles)
        self._wait(lambda: all(map(is_settled, handles)), timeout, end, lambda: first_open(handles))

    def wait_for_runs(self, runs: Any, timeout: float | None) -> None:
        """Wait for runs of handles, together no longer than `timeout`."""
        end = end_of(timeout)
        waits = []
        for node, indexes, _ in runs:
            home = self._settle(node, timeout, end)
            moved = range(indexes.start + node.offset, indexes.stop + node.offset, indexes.step)
            cells = [cell for cell in home.cells_of(moved) if cell.missing]
            if cells:
                self._opened().want(home.split(moved))
            if cells or PENDING in home.records(moved):
                waits.append((node, home, moved, cells))
        for node, home, moved, cells in waits:

            def is_over(cells: Any = cells, home: Any = home, moved: range = moved) -> bool:
                while cells and not cells[-1].missing:
                    cells.pop()
                return PENDING not in home.records(moved)

            def awaited(
                node: Any = node, home: Any = home, moved: range = moved
            ) -> tuple[Any, int] | None:
                records = home.records(moved)
                if PENDING not in records:
                    return None
                return node, moved[records.index(PENDING)] - node.offset

            self._wait(is_over, timeout, end, awaited)

    def value(self, handle: ResultHandle[Any], timeout: float | None) -> Any:
        """Return the value of a handle."""
        node = handle._node
        home = node.home
        record = PENDING if home is None else home.record(node.offset + handle._index)
        if record is PENDING:
            self.wait_for([handle], timeout)
            record = node.home.record(node.offset + handle._index)
        if record is None and self._is_lost(node, handle._index):
            raise lost(node, handle._index)
        self._handled.look(record, node, handle._index)
        return value_of(record)

    def values(self, runs: Any, timeout: float | None) -> list[Any]:
        """Return the values of runs of handles."""
        self.wait_for_runs(runs, timeout)
        found: list[Any] = []
        for node, indexes, _ in runs:
            moved = range(indexes.start + node.offset, indexes.stop + node.offset, indexes.step)
            records = node.home.records(moved)
            if node.home.is_plain(moved):
                found += records
                continue
            for index, record in zip(indexes, records):
                self._handled.look(record, node, index)
            found += map(value_of, records)
        return found

    def is_done(self, handle: ResultHandle[Any]) -> bool:
        """Return whether a call has ended."""
        node = handle._node
        self._settle(node)
        self._want([handle])
        if self._is_lost(node, handle._index):  # who asks again and again would do so for ever
            raise lost(node, handle._index)
        return is_settled(handle)

    def _want(self, handles: Iterable[ResultHandle[Any]]) -> None:
        wanted = [home_of(handle) for handle in handles if not is_settled(handle)]
        if wanted:
            self._opened().want(wanted)

    def exception(self, handle: ResultHandle[Any], timeout: float | None) -> BaseException | None:
        """Wait, and give the error of a call."""
        self.wait_for([handle], timeout)
        record = handle._node.home.record(handle._node.offset + handle._index)
        self._handled.look(record, handle._node, handle._index)
        return record.error() if type(record) is Failure else None

    def completed(
        self, handles: list[ResultHandle[Any]], timeout: float | None
    ) -> Iterator[ResultHandle[Any]]:
        """Return handles in the order in which their calls end."""
        end = end_of(timeout)
        open_ones = handles

        def is_over() -> bool:
            return any(map(is_settled, open_ones))

        def awaited() -> tuple[Any, int] | None:
            return first_open(open_ones)

        demand_same_client(handles)
        for handle in handles:
            self._settle(handle._node, timeout, end)
        self._want(handles)
        while open_ones:
            self._wait(is_over, timeout, end, awaited)
            states = [(handle, is_settled(handle)) for handle in open_ones]
            open_ones = [handle for handle, known_at in states if not known_at]
            yield from [handle for handle, known_at in states if known_at]

    # ----- naming and cancelling: a flush under way decides first what it sends

    def name(self, handle: ResultHandle[Any], name: str) -> None:
        """Name a value; other threads may name elements of the same map."""
        with self._flushing:
            super().name(handle, name)

    def cancel_call(self, handle: ResultHandle[Any]) -> bool:
        """Cancel a call; before the flush its dependents go with it."""
        node = handle._node
        with self._flushing:
            if node.home is None:
                return self._cancel_unsent(handle)
            index = handle._index
            if type(node.home) is ScatteredLocation:
                node, index = node.home.nodes[node.offset + index]
            if type(node) is Put:
                return False
            place = node.offset + index
            record = node.home.record(place)
            if record is not PENDING:
                return type(record) is Failure and record.kind == "cancelled"
            # A flush that finds the value known claims it under the same lock: see `reuse.cut`.
            if not renounce(node, index):
                return False
            cell, _ = node.home.locate(place)
            return self._opened().cancel(cell)

    def _cancel_unsent(self, handle: ResultHandle[Any]) -> bool:
        node = handle._node
        if self._closed:
            return True  # dropped with its client, and never sent
        if self._is_compiling:  # a finalizer of the user's, where this thread compiles: too late
            return False
        self.number()  # what is taken out must not move the places of others
        if node.n and not node.args:
            self.give_argument(node)
        cancel_pending(self.pending, node, handle._index)
        self._watch_flushed()
        return True

    # ----- telling

    def result_id(self, handle: ResultHandle[Any]) -> str:
        """Return the id under which a value is stored, alone or with others of its unit."""
        node = handle._node
        self._settle(node)
        with self._flushing:  # another thread may be sending it: there is no id before
            home = node.home
        if type(node) is Put:
            return self._opened().traits.objects.store(node.content)
        home, index = home.at(node.offset + handle._index)
        cell, place = home.locate(index)
        return self._opened().traits.objects.result_id(cell, home.output or 0, place)

    def of_result(self, result_id: str, session_id: str) -> ResultHandle[Any]:
        """Return the handle of a value by its id: see `ResultHandle`."""
        if session_id != self.session_id:
            raise NoClientError(
                f"result {result_id} is of session {session_id}, this client of "
                f"{self.session_id}: Pymonik.attach({session_id!r}) gives one of that session"
            )
        named = self._opened().traits.objects.located(result_id)
        if named is None:
            raise LookupError(f"there is no result {result_id!r} in session {session_id}")
        return handle_of(named, result_id, self)  # type: ignore[return-value]  # one value

    def describe(self, handle: ResultHandle[Any]) -> str:
        """Describe a handle, without sending anything."""
        return description(handle)

    def html(self, text: str, nodes: list[Any]) -> str:
        """Return what a handle shows in a notebook, without sending anything."""
        from pymonik.client.plan_view import handle_html

        return handle_html(text, nodes)


def lost(node: Any, index: int = 0) -> LostValueError:
    """Make the error of a wait for what nothing will bring."""
    return LostValueError(
        f"{_told(node, index)} will not come: no call that is pending, no unit that runs and no "
        "fetch will bring it. This is a fault of PymoniK, please report it; the call can be "
        "recorded again"
    )


def _told(node: Any, index: int) -> str:
    name, place = value_name(node, index)
    return f"the value of {name!r}{place}, recorded at {node.where},"


def end_of(timeout: float | None) -> float | None:
    """Return when a wait ends that begins now, on time.monotonic; None when it does not."""
    return None if timeout is None else time.monotonic() + timeout


def late(timeout: float | None, awaited: tuple[Any, int] | None = None) -> TimeoutError:
    """Make the error of a wait that was given up; awaited: the node and the index of a value."""
    what = _told(*awaited) if awaited is not None else "it"
    return TimeoutError(f"{what} was not there after {timeout:g} s; nothing is lost: wait again")


def demand_same_client(handles: list[ResultHandle[Any]]) -> None:
    """Refuse handles of several clients, which nobody waits for together."""
    if any(handle._client is not handles[0]._client for handle in handles):
        raise NoClientError("as_completed takes the handles of one client")


def is_settled(handle: ResultHandle[Any]) -> bool:
    """Return whether the value, or the failure, of a call that was sent has come."""
    node = handle._node
    return node.home.record(node.offset + handle._index) is not PENDING


def first_open(handles: Iterable[ResultHandle[Any]]) -> tuple[Any, int] | None:
    """Return the node and the index of the first handle whose value has not come."""
    for handle in handles:
        if not is_settled(handle):
            return handle._node, handle._index
    return None


def home_of(handle: ResultHandle[Any]) -> Any:
    """Return where the value of a handle will be found, and its place there."""
    home, index = handle._node.home.at(handle._node.offset + handle._index)
    return home, range(index, index + 1)
