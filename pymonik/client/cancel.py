"""Cancelling: which calls do not run when somebody gives one up.

Enters: a call that is pending, or one that was sent. Leaves: calls dropped with a failure for their
value, or whether anybody still wants what a unit makes. Stopping a unit is left to its backend.
"""

from __future__ import annotations

from typing import Any

from pymonik.graph.columns import Each, slot_at
from pymonik.graph.ir import Call, inputs
from pymonik.values.outcome import PENDING, Failure
from pymonik.values.outputs import known_at


def cancel_pending(pending: list[Any], node: Call, index: int) -> None:
    """Drop a call that was not sent, and those that depend on it."""
    failure = Failure(
        "cancelled", "it was cancelled before it was sent", node.spec.name, node.where
    )
    if node.n is not None and node.n > 1:
        _give_up_element(node, index, failure)
        return
    gone = {id(node): node}
    for later in pending:
        if type(later) is Call and any(id(source) in gone for source in inputs(later)):
            gone[id(later)] = later
    for dropped in gone.values():
        # In this order: another thread that finds it pending no more finds its value.
        dropped.home = known_at(failure if dropped is node else failure.below(dropped.spec.name))
        pending.remove(dropped)


def _give_up_element(node: Call, index: int, failure: Failure) -> None:
    """Return an element of a map the failure for an argument: it stays, and will not run.

    Nor will what depends on it. The column is made once, since all elements may be given up.
    """
    first, *others = node.args
    slots = first.values if type(first) is Each else None
    if type(slots) is not list:
        slots = [slot_at(first, i) for i in range(node.n or 0)]
        node.args = (Each(slots), *others)
    slots[index] = failure


def renounce(node: Any, index: int) -> bool:
    """Note that a value of a sent call is not wanted; tell whether nothing else of its unit is.

    Equal pure calls share a value: it is wanted until all of them were cancelled.
    """
    home, offset = node.home.at(node.offset + index)
    cell, place = home.locate(offset)
    renounced = cell.renounced.setdefault((home.output, place), set())
    renounced.add(id(node))
    if len(renounced) < home.claims.get(node.offset, 1):
        return False
    # What a unit makes of this value later is cancelled with it: its steps are a chain.
    cell.unwanted.update((later, place) for later in range(home.output, len(cell.columns)))
    return all(
        record is not PENDING or (stored, other) in cell.unwanted
        for stored, records in enumerate(cell.columns)
        for other, record in enumerate(records)
    )
