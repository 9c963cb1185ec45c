"""Waiting: how handles of a client get their values, in the thread that asks.

Enters: handles. Leaves: values, or errors. Sending what was not sent is left to `locator`, being
woken by news to `arrivals`; callbacks and event loops are served by `notifier`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pymonik.client.arrivals import (
    ArrivalWait,
    end_of,
    first_open,
    is_kept,
    is_settled,
    location_of,
    lost,
)
from pymonik.client.engine import LazyBackend
from pymonik.client.handled import Handled
from pymonik.client.locator import Locator
from pymonik.errors import NoClientError
from pymonik.record.handle import ResultHandle
from pymonik.values.content import IMMEDIATE
from pymonik.values.location import Location
from pymonik.values.outcome import PENDING, Failure, value_of

# Records that are looked at together: few at first, since the next is often missing soon.
_FEW, _MANY = 64, 4096


class Waiter:
    """Waits for values. handled: notes the failures that users have seen."""

    def __init__(
        self, engine: LazyBackend, locator: Locator, arrivals: ArrivalWait, handled: Handled
    ) -> None:
        self._engine = engine
        self._locator = locator
        self._arrivals = arrivals
        self._handled = handled

    def wait_for(self, handles: list[ResultHandle[Any]], timeout: float | None) -> None:
        """Send what is pending, and wait until the calls of all handles have ended.

        timeout: seconds, of all of them together; None waits without an end. Raises TimeoutError,
        after which nothing is lost; LostValueError where nothing will bring a value; what broke the
        backend. A call that has failed has ended: its error is not raised here.
        """
        end = end_of(timeout)
        for handle in handles:
            self._locator.locate(handle._node, timeout, end)
        self._want(handles)
        self._arrivals.wait(
            lambda: all(map(is_settled, handles)), timeout, end, lambda: first_open(handles)
        )

    def _wait_for_one(self, handle: ResultHandle[Any], timeout: float | None) -> None:
        """Wait for a handle, as `wait_for` does for several."""
        node, end = handle._node, None if timeout is None else end_of(timeout)
        location, index = self._locator.locate(node, timeout, end).at(node.offset + handle._index)
        is_over = location.looks_for(index)
        if not is_over():
            # Asked for before the wait, and without the condition: a cluster begins to fetch then.
            self._engine.opened().want([(location, range(index, index + 1))])
            self._arrivals.wait(is_over, timeout, end, lambda: (node, handle._index))

    def wait_for_runs(self, runs: Any, timeout: float | None) -> None:
        """Wait for runs of handles, (node, indexes, liveness) each, as `wait_for` does.

        One wait a run, whatever its length: records are looked at in blocks.
        """
        end = end_of(timeout)
        waits = []
        for node, indexes, _ in runs:
            location = self._locator.locate(node, timeout, end)
            moved = range(indexes.start + node.offset, indexes.stop + node.offset, indexes.step)
            is_coming = any(outputs.missing for outputs in location.outputs_of(moved))
            if is_coming:
                # All runs are asked for before any of them is waited for: their values come
                # together.
                self._engine.opened().want(location.split(moved))
            open_ones = OpenRecords(node, location, moved)
            if is_coming or not open_ones.is_none():
                waits.append(open_ones)
        for open_ones in waits:
            self._arrivals.wait(open_ones.is_none, timeout, end, open_ones.first)

    def value(self, handle: ResultHandle[Any], timeout: float | None) -> Any:
        """Return the value of a handle, waiting for it as `wait_for` does.

        Raises the error of its call, which counts as handled then.
        """
        node = handle._node
        location = node.location
        record = PENDING if location is None else location.record(node.offset + handle._index)
        if record is PENDING:
            self._wait_for_one(handle, timeout)
            record = node.location.record(node.offset + handle._index)
        # None is also the value of calls that return nothing; only a value that was not stored is
        # lost.
        if record is None and self._arrivals.is_lost(node, handle._index):
            raise lost(node, handle._index)
        if type(record) is Failure:
            self._handled.look(record, node, handle._index)
            raise _error(record, node)
        return value_of(record)

    def values(self, runs: Any, timeout: float | None) -> list[Any]:
        """Return the values of runs of handles, in their order, waiting for all of them first.

        Raises the first error among them; the others of its run count as handled, too.
        """
        self.wait_for_runs(runs, timeout)
        result: list[Any] = []
        for node, indexes, _ in runs:
            moved = range(indexes.start + node.offset, indexes.stop + node.offset, indexes.step)
            records = node.location.records(moved)
            # Immediates alone: no failure among them that would have to be noted, and none to load.
            if node.location.is_plain(moved):
                result += records
                continue
            for index, record in zip(indexes, records):
                if record is None and not is_kept(node, index):
                    raise lost(node, index)
                self._handled.look(record, node, index)
            failed = next(
                (at for at, record in enumerate(records) if type(record) is Failure), None
            )
            result += map(value_of, records[:failed])
            if failed is not None:
                raise _error(records[failed], node)
        return result

    def is_done(self, handle: ResultHandle[Any]) -> bool:
        """Send what is pending, and return whether a call has ended; nothing is waited for.

        Its value is asked for, so that who asks again will see it. Raises LostValueError.
        """
        node = handle._node
        self._locator.locate(node)
        self._want([handle])
        if self._arrivals.is_lost(node, handle._index):  # who asks again would do so for ever
            raise lost(node, handle._index)
        return is_settled(handle)

    def exception(self, handle: ResultHandle[Any], timeout: float | None) -> BaseException | None:
        """Wait as `wait_for` does, and return the error of a call; None when it has a value.

        The error counts as handled.
        """
        self.wait_for([handle], timeout)
        record = handle._node.location.record(handle._node.offset + handle._index)
        # Nobody noted how a call has ended whose value was not kept.
        if record is None and not is_kept(handle._node, handle._index):
            raise lost(handle._node, handle._index)
        self._handled.look(record, handle._node, handle._index)
        return _error(record, handle._node) if type(record) is Failure else None

    def completed(
        self, handles: list[ResultHandle[Any]], timeout: float | None
    ) -> Iterator[ResultHandle[Any]]:
        """Return handles, all of one client, in the order in which their calls end.

        timeout: seconds until the last of them. Raises as `wait_for`, and NoClientError.
        """
        end = end_of(timeout)
        open_ones = handles

        def is_over() -> bool:
            return any(map(is_settled, open_ones))

        def awaited() -> tuple[Any, int] | None:
            return first_open(open_ones)

        demand_same_client(handles)
        for handle in handles:
            self._locator.locate(handle._node, timeout, end)
        self._want(handles)
        while open_ones:
            self._arrivals.wait(is_over, timeout, end, awaited)
            # Asked once each: one that ends in between is to be in one of the lists, not in both.
            states = [(handle, is_settled(handle)) for handle in open_ones]
            open_ones = [handle for handle, known_at in states if not known_at]
            yield from [handle for handle, known_at in states if known_at]

    def _want(self, handles: Iterable[ResultHandle[Any]]) -> None:
        wanted = [location_of(handle) for handle in handles if not is_settled(handle)]
        if wanted:
            self._engine.opened().want(wanted)


def demand_same_client(handles: list[ResultHandle[Any]]) -> None:
    """Refuse handles of several clients, which cannot be waited for together."""
    if any(handle._client is not handles[0]._client for handle in handles):
        raise NoClientError("as_completed takes handles of one client, not of several")


class OpenRecords:
    """The records of `node` at some places of `location`, as far as they have not come."""

    def __init__(self, node: Any, location: Location, places: range) -> None:
        self._node = node
        self._location = location
        self._left = places

    def first(self) -> tuple[Any, int] | None:
        """Return the node, and the index in it, of the first record that is missing, if one is."""
        location, count = self._location, _FEW
        while self._left:
            if location.record(self._left[0]) is PENDING:
                return self._node, self._left[0] - self._node.offset
            records = location.records(self._left[:count])
            # Types are compared faster than values, and most are immediates.
            if not IMMEDIATE.issuperset(map(type, records)) and PENDING in records:
                self._left = self._left[records.index(PENDING) :]
            else:
                self._left = self._left[count:]
                count = min(2 * count, _MANY)
        return None

    def is_none(self) -> bool:
        """Return whether all records have come."""
        return self.first() is None


def _error(failure: Failure, node: Any) -> BaseException:
    """Make the error of a value for who asks for it, who knows the call by this name."""
    spec = getattr(node, "spec", None)  # an object put, or one of another program, has none
    return failure.error() if spec is None else failure.error_of(spec.name)
