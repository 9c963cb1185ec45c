"""Cancelling: which calls do not run when somebody gives one up.

Enters: a call that is pending, or one that was sent. Leaves: calls dropped with a failure for their
value, or whether anybody still wants what a unit makes. Stopping a unit is left to its backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pymonik.client.engine import LazyBackend
from pymonik.client.state import ClientState
from pymonik.graph.ir import Call, Put, inputs
from pymonik.record.handle import ResultHandle
from pymonik.record.recorder import Recorder
from pymonik.values.location import ScatteredLocation, known_at
from pymonik.values.outcome import PENDING, Failure


class Canceller:
    """Cancels calls, asked for under the lock of the flush: one under way decides what it sends.

    dropped: ends the waits for calls that were dropped before they were sent.
    """

    def __init__(
        self,
        state: ClientState,
        recorder: Recorder,
        engine: LazyBackend,
        dropped: Callable[[], None],
    ) -> None:
        self._state = state
        self._recorder = recorder
        self._engine = engine
        self._dropped = dropped

    def cancel_call(self, handle: ResultHandle[Any]) -> bool:
        """Cancel a call; before the flush its dependents go with it."""
        node = handle._node
        with self._state.lock:
            if node.location is None:
                return self._cancel_unsent(handle)
            index = handle._index
            if type(node.location) is ScatteredLocation:
                node, index = node.location.nodes[node.offset + index]
            if type(node) is Put:
                return False
            place = node.offset + index
            record = node.location.record(place)
            if record is not PENDING:
                return _was_cancelled(record)
            # A flush that finds the value known claims it under the same lock: see `cache.splice`.
            if not renounce(node, index):
                return False
            outputs, _ = node.location.locate(place)
            # Under the lock, so that what is sent from now on comes behind it.
            is_stopped = self._engine.opened().cancel(outputs)
        # Without the lock: before its backend answers, what runs amid the work of that, such as a
        # log handler, may flush. What a finalizer asks amid a flush is not waited for, therefore.
        if not (self._state.is_held_here or is_stopped()):
            return False
        # The value may have come while its backend was asked.
        record = node.location.record(place)
        return record is PENDING or _was_cancelled(record)

    def _cancel_unsent(self, handle: ResultHandle[Any]) -> bool:
        node, recorder = handle._node, self._recorder
        # `Lifetime.abandon` takes no lock: it sets the flag before it empties `pending`.
        if self._state.is_closed:
            return True  # dropped with its client, and never sent
        self._engine.check_process()
        if self._state.is_compiling:  # a finalizer of the user's, where this thread compiles
            return False
        recorder.number()  # what is taken out must not move the places of others
        cancel_pending(recorder, node, handle._index)
        self._dropped()
        return True


def cancel_pending(recorder: Recorder, node: Call, index: int) -> None:
    """Drop a call that was not sent, and those that depend on it."""
    failure = Failure(
        "cancelled", "it was cancelled before it was sent", node.spec.name, node.where
    )
    # An element of a map: the others stay, and what depends on it fails when it runs.
    if node.n is not None and node.n > 1:
        recorder.give_up(node, index, failure)
        return
    gone = {id(node): node}
    for later in recorder.pending:
        if type(later) is Call and any(id(source) in gone for source in inputs(later)):
            gone[id(later)] = later
    for dropped in gone.values():
        # In this order: another thread that finds it pending no more finds its value.
        dropped.location = known_at(
            failure if dropped is node else failure.below(dropped.spec.name)
        )
    _take_out(recorder.pending, gone)


def _take_out(pending: list[Any], gone: Mapping[int, Any]) -> None:
    """Take nodes, by their ids, out of what is pending, while other threads append to it."""
    places = [place for place, node in enumerate(pending) if id(node) in gone]
    # From the end, so that places stay true; neighbours, as chains are, go at once.
    while places:
        stop = places.pop() + 1
        start = stop - 1
        while places and places[-1] == start - 1:
            start = places.pop()
        del pending[start:stop]


def renounce(node: Any, index: int) -> bool:
    """Note that a value of a sent call is not wanted; return whether nothing else of its unit is.

    Equal pure calls share a value: it is wanted until all of them were cancelled.
    """
    location, offset = node.location.at(node.offset + index)
    if location.output is None:  # it is not stored: nobody wanted it when it was sent
        return False
    outputs, place = location.locate(offset)
    renounced = outputs.renounced.setdefault((location.output, place), set())
    renounced.add(id(node))
    if len(renounced) < location.claims.get(node.offset, 1):
        return False
    # What a unit makes of this value later is cancelled with it: its steps are a chain.
    outputs.unwanted.add((location.output, place))
    for later in range(location.output + 1, len(outputs.columns)):
        if (later, place) in outputs.loose:
            break
        outputs.unwanted.add((later, place))
    return all(
        record is not PENDING or (stored, other) in outputs.unwanted
        for stored, records in enumerate(outputs.columns)
        for other, record in enumerate(records)
    )


def _was_cancelled(record: Any) -> bool:
    return type(record) is Failure and record.kind == "cancelled"
