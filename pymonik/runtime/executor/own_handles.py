"""Handles inside a task are those of the call that runs: what an earlier one has kept is refused.

Enters: what a call has recorded, and the handle that it returns. Leaves: the same, without what was
cancelled and what depends on that, or an error that names the call and the handle. What an earlier
call has recorded has left with it, or has run: there is no value to ask for.
"""

from __future__ import annotations

from typing import Any

from pymonik.errors import NoClientError
from pymonik.graph.ir import Put, inputs
from pymonik.record.handle import ResultHandle
from pymonik.values.location import known_at
from pymonik.values.outcome import Failure


def demand_own(recorded: list[Any], returned: ResultHandle[Any] | None) -> Failure | None:
    """Raise NoClientError where a handle is used that an earlier call has kept.

    What depends on a cancelled call is taken out. Return the failure of the returned one if it is.
    """
    own = set(map(id, recorded))
    for node in list(recorded):
        if type(node) is Put:
            continue
        if node.held is None:
            sources = inputs(node)
        else:
            sources = [given._node for given in node.held if type(given) is ResultHandle]
        for source in sources:
            if id(source) in own or type(source) is Put:
                continue
            if (failure := _cancelled(source)) is None:
                raise _of_another_call(f"{node.spec.name!r} was given", source)
            _take_out(recorded, node, failure.below(node.spec.name))
            own.discard(id(node))
            break
    if returned is not None:
        node = returned._node
        if id(node) not in own and type(node) is not Put:
            if (failure := _cancelled(node)) is None:
                raise _of_another_call("it returned", node)
            return failure
    return None


def take_back(
    recorded: list[Any],
    handle: ResultHandle[Any],
    given_up: dict[Any, dict[int, Any]],
    delegated: Any,
) -> bool:
    """Cancel a recorded call; return whether it will not run.

    given_up: elements of maps that were cancelled. A map runs until all of it are. delegated: the
    handle, or handles, that stand for the value of the task, which has no other: they stay.
    """
    node = handle._node
    if type(node) is Put or (delegated is not None and node in _nodes_of(delegated)):
        return False
    if node not in recorded:
        return _cancelled(node) is not None
    if node.n is not None:
        elements = given_up.setdefault(node, {})
        elements[handle._index] = None
        if len(elements) < node.n:
            return False
    why = "it was cancelled before it was sent"
    _take_out(recorded, node, Failure("cancelled", why, node.spec.name, node.where))
    return True


def _take_out(recorded: list[Any], node: Any, failure: Failure) -> None:
    node.location = known_at(failure)
    recorded.remove(node)  # at once: other threads of the task append to it


def _cancelled(node: Any) -> Failure | None:
    record = None if node.location is None else node.location.record(node.offset)
    return record if type(record) is Failure and record.kind == "cancelled" else None


def _of_another_call(what: str, node: Any) -> NoClientError:
    return NoClientError(
        f"{what} the handle of {node.spec.name!r}, called at {node.where} by an earlier call of "
        "a task: a handle belongs to the call that recorded it; return it or pass it on in that "
        "call, and keep none in globals, caches or objects"
    )


def withdraw(recorded: list[Any], refused: Any) -> None:
    """Take out calls that were refused once they stood there; refused: their handle, or handles."""
    for node in _nodes_of(refused):
        recorded.remove(node)


def _nodes_of(handles: Any) -> list[Any]:
    if type(handles) is ResultHandle:
        return [handles._node]
    return [node for node, _, _ in handles._runs]
