"""Handles inside a task are those of the call that runs: what an earlier one has kept is refused.

Enters: what a call has recorded, and the handle that it returns. Leaves: the same, or an error that
names the call and the handle. What an earlier call has recorded has left with it, or has run: there
is no value to ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymonik.errors import NoClientError
from pymonik.graph.ir import Put, inputs
from pymonik.record.handle import ResultHandle


def demand_own(recorded: Sequence[Any], returned: ResultHandle[Any] | None) -> None:
    """Raise NoClientError where a handle is used that an earlier call has kept."""
    own = set(map(id, recorded))
    for node in recorded:
        if type(node) is Put:
            continue
        if node.held is None:
            sources = inputs(node)
        else:
            sources = [given._node for given in node.held if type(given) is ResultHandle]
        for source in sources:
            if id(source) not in own and type(source) is not Put:
                raise _of_another_call(f"{node.spec.name!r} was given", source)
    if returned is not None:
        node = returned._node
        if id(node) not in own and type(node) is not Put:
            raise _of_another_call("it returned", node)


def _of_another_call(what: str, node: Any) -> NoClientError:
    return NoClientError(
        f"{what} the handle of {node.spec.name!r}, recorded at {node.where} by an earlier call of "
        "a task: a handle is of the call that has recorded it, so keep none in globals, caches or "
        "objects; return it, or pass it on there"
    )
