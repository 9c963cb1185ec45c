"""Names: what a value is called, and handles of values that another program has named.

Enters: a handle, or where a backend says that a value is. Leaves: a text, or a handle like any
other, of a call made there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pymonik.graph.ir import External, NamedValue, Put
from pymonik.graph.value_state import Liveness
from pymonik.record.arguments import ScopeState
from pymonik.record.handle import ResultHandle, handle_to
from pymonik.record.handles import MultiResultHandle
from pymonik.values.location import Location
from pymonik.values.outcome import PENDING, Failure

if TYPE_CHECKING:
    from pymonik.plan.unit import ValueLocation


def named_value(name: str, handle: ResultHandle[Any] | MultiResultHandle[Any]) -> NamedValue:
    """Return which value a name is of: that of a handle, or all of a map."""
    if isinstance(handle, ResultHandle):
        return NamedValue(name, handle._node, handle._index)
    return NamedValue(name, handle._runs[0][0], 0, len(handle))


def handle_of(
    named: ValueLocation, name: str, client: Any
) -> ResultHandle[Any] | MultiResultHandle[Any]:
    """Make the handle of a value, or of several."""
    if named.content is not None:
        return handle_to(Put(named.content, name, External.where), 0, client)
    node = External(name, named.length, Location(named.unit_outputs, named.chunk, named.output))
    if named.length is None:
        return handle_to(node, named.start, client)
    indexes = range(named.start, named.start + named.length)
    return MultiResultHandle.of_run(node, indexes, client, Liveness())


def handles_of(nodes: Iterable[Any], client: Any) -> dict[str, Any]:
    """Return handles of the values that have names, in a graph that was read from a file."""
    handles: dict[str, Any] = {}
    for node in nodes:
        if isinstance(node.label, dict):
            handles.update((name, handle_to(node, i, client)) for i, name in node.label.items())
        elif node.label is not None and type(node) is not Put and node.n is not None:
            indexes = range(node.n)
            handles[node.label] = MultiResultHandle.of_run(node, indexes, client, Liveness())
        elif node.label is not None:
            handles[node.label] = handle_to(node, 0, client)
    return handles


def value_name(node: Any, index: int) -> tuple[str, str]:
    """Return what a value is called, its name or that of its task, and which element it is."""
    label = node.label.get(index) if isinstance(node.label, dict) else node.label
    if type(node) is Put:
        return label or "an object", ""
    name = node.name if type(node) is External else node.spec.name
    return label or name, f"[{index}]" if node.n is not None else ""


# What asking for a value does, by what is known of it: who prints a handle mostly means the value.
_HINTS = {
    "failed": ".get() raises its error",
    "cancelled": ".get() raises Cancelled",
    "never sent": "its client is closed",
}


class HandleViews:
    """How handles of a client show themselves: nothing is sent for it."""

    def __init__(self, state: ScopeState) -> None:
        self._state = state

    def describe(self, handle: ResultHandle[Any], hints: bool = False) -> str:
        """Return which value a handle is of, what is known of it, and hints at what `get` does."""
        node = handle._node
        name, place = value_name(node, handle._index)
        if type(node) is Put:
            state = f"put at {node.where}"
        elif node.location is None:
            state = "never sent" if self._state.is_closed else "not sent yet"
        else:
            state = _state_of(node.location.record(node.offset + handle._index))
        hint = f"; {_HINTS.get(state, '.get() gives its value')}" if hints else ""
        return f"of {name}{place}, {state}{hint}"

    def html(self, text: str, nodes: list[Any]) -> str:
        """Return what a handle shows in a notebook."""
        from pymonik.client.plan_view import handle_html

        return handle_html(text, nodes)


def _state_of(record: Any) -> str:
    if type(record) is Failure:
        return "cancelled" if record.kind == "cancelled" else "failed"
    return "pending" if record is PENDING else "done"
