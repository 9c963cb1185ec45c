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
from pymonik.cancelling import cancel_pending, renounce
from pymonik.errors import NoClientError
from pymonik.forks import fork_safe
from pymonik.graph.ir import Put
from pymonik.handle import ResultHandle
from pymonik.names import description
from pymonik.options import TaskOptions
from pymonik.plan.home import Spliced, settled
from pymonik.progress import Progress, watching
from pymonik.recorder import Recorder
from pymonik.runtime.outcome import PENDING, Failure, value_of

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
        self._flushing = fork_safe(threading.RLock())
        self._looked: set[str] = set()

    @abstractmethod
    def flush(self) -> None:
        """Send what is pending, without waiting."""

    @abstractmethod
    def _watch_flushed(self) -> None:
        """Let those be told who wait for calls that were sent or dropped meanwhile."""

    @abstractmethod
    def _opened(self) -> backends.Backend:
        """Give the backend, opened."""

    def _settle(self, node: Any) -> Any:
        """Give the home of a node, sending it first if it was not sent."""
        if node.home is None or (type(node) is Put and node in self.pending):
            if self._closed:
                raise NoClientError("this client is closed, and the call was never sent")
            self.flush()
        if node.home is None:
            return settled(PENDING)
        return node.home

    def _wait(
        self, is_over: Callable[[], bool], timeout: float | None, end: float | None = None
    ) -> None:
        """Wait for `timeout`, or what is left of it before `end`."""
        if is_over():
            return
        left = timeout if end is None else max(0.0, end - time.monotonic())
        backend = self._opened()
        with watching(backend, self._on_progress), backend.changed:
            if not backend.changed.wait_for(lambda: is_over() or backend.problem, left):
                raise late(timeout)
            if backend.problem is not None and not is_over():
                raise backend.problem
        self.waited()

    def waited(self) -> None:
        """Do what is due once values have come."""

    def wait_for(self, handles: list[ResultHandle[Any]], timeout: float | None) -> None:
        """Wait for handles."""
        for handle in handles:
            self._settle(handle._node)
        self._want(handles)
        self._wait(lambda: all(map(_is_settled, handles)), timeout)

    def wait_for_runs(self, runs: Any, timeout: float | None) -> None:
        """Wait for runs of handles, together no longer than `timeout`."""
        end = None if timeout is None else time.monotonic() + timeout
        waits = []
        for node, indexes, _ in runs:
            home = self._settle(node)
            moved = range(indexes.start + node.offset, indexes.stop + node.offset, indexes.step)
            cells = [cell for cell in home.cells_of(moved) if cell.missing]
            if cells:
                self._opened().want(home.split(moved))
                waits.append((home, moved, cells))
        for home, moved, cells in waits:

            def is_over(cells: Any = cells, home: Any = home, moved: range = moved) -> bool:
                while cells and not cells[-1].missing:
                    cells.pop()
                return not cells or PENDING not in home.records(moved)

            self._wait(is_over, timeout, end)

    def value(self, handle: ResultHandle[Any], timeout: float | None) -> Any:
        """Give the value of a handle."""
        node = handle._node
        home = node.home
        record = PENDING if home is None else home.record(node.offset + handle._index)
        if record is PENDING:
            self.wait_for([handle], timeout)
            record = node.home.record(node.offset + handle._index)
        self._look(record)
        return value_of(record)

    def values(self, runs: Any, timeout: float | None) -> list[Any]:
        """Give the values of runs of handles."""
        self.wait_for_runs(runs, timeout)
        found: list[Any] = []
        for node, indexes, _ in runs:
            moved = range(indexes.start + node.offset, indexes.stop + node.offset, indexes.step)
            records = node.home.records(moved)
            if node.home.is_plain(moved):
                found += records
                continue
            for record in records:
                self._look(record)
            found += map(value_of, records)
        return found

    def _look(self, record: Any) -> None:
        if type(record) is Failure:
            self._looked.add(record.mark)

    def is_done(self, handle: ResultHandle[Any]) -> bool:
        """Tell whether a call has ended."""
        self._settle(handle._node)
        self._want([handle])
        return _is_settled(handle)

    def _want(self, handles: Iterable[ResultHandle[Any]]) -> None:
        wanted = [home_of(handle) for handle in handles if not _is_settled(handle)]
        if wanted:
            self._opened().want(wanted)

    def exception(self, handle: ResultHandle[Any], timeout: float | None) -> BaseException | None:
        """Wait, and give the error of a call."""
        self.wait_for([handle], timeout)
        record = handle._node.home.record(handle._node.offset + handle._index)
        self._look(record)
        return record.error() if type(record) is Failure else None

    def completed(
        self, handles: list[ResultHandle[Any]], timeout: float | None
    ) -> Iterator[ResultHandle[Any]]:
        """Give handles in the order in which their calls end."""
        end = None if timeout is None else time.monotonic() + timeout
        open_ones = handles

        def is_over() -> bool:
            return any(map(_is_settled, open_ones))

        demand_same_client(handles)
        for handle in handles:
            self._settle(handle._node)
        self._want(handles)
        while open_ones:
            self._wait(is_over, timeout, end)
            states = [(handle, _is_settled(handle)) for handle in open_ones]
            open_ones = [handle for handle, settled in states if not settled]
            yield from [handle for handle, settled in states if settled]

    # ----- cancelling

    def cancel_call(self, handle: ResultHandle[Any]) -> bool:
        """Cancel a call; before the flush its dependents go with it."""
        node = handle._node
        with self._flushing:
            if node.home is None and self._closed:
                return True  # dropped with its client, and never sent
            if node.home is None:
                self.number()  # what is taken out must not move the places of others
                if node.n and not node.args:
                    self.give_argument(node)
                cancel_pending(self.pending, node, handle._index)
                self._watch_flushed()
                return True
        index = handle._index
        if type(node.home) is Spliced:
            node, index = node.home.nodes[node.offset + index]
        if type(node) is Put:
            return False
        place = node.offset + index
        record = node.home.record(place)
        if record is not PENDING:
            return type(record) is Failure and record.kind == "cancelled"
        if not renounce(node, index):
            return False
        cell, _ = node.home.locate(place)
        return self._opened().cancel(cell)

    # ----- telling

    def result_id(self, handle: ResultHandle[Any]) -> str:
        """Give the id under which a value is stored, alone or with others of its unit."""
        node = handle._node
        with self._flushing:  # another thread may be sending it: there is no id before
            home = self._settle(node)
        if type(node) is Put:
            return self._opened().store(node.content)
        cell, _ = home.locate(node.offset + handle._index)
        return self._opened().result_id(cell)

    def describe(self, handle: ResultHandle[Any]) -> str:
        """Describe a handle, without sending anything."""
        return description(handle)


def late(timeout: float | None) -> TimeoutError:
    """Make the error of a wait that was given up."""
    return TimeoutError(f"not there after {timeout:g} s; nothing is lost: wait again")


def demand_same_client(handles: list[ResultHandle[Any]]) -> None:
    """Refuse handles of several clients, which nobody waits for together."""
    if any(handle._client is not handles[0]._client for handle in handles):
        raise NoClientError("as_completed takes the handles of one client")


def _is_settled(handle: ResultHandle[Any]) -> bool:
    node = handle._node
    return node.home.record(node.offset + handle._index) is not PENDING


def home_of(handle: ResultHandle[Any]) -> Any:
    """Give where the value of a handle will be found, and its place there."""
    home, index = handle._node.home.at(handle._node.offset + handle._index)
    return home, range(index, index + 1)
