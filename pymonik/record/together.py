"""Arguments of one call, captured together: those that hold the same objects become one.

Enters: the values of a call, or the columns of a map. Leaves: slot values, and whether they share:
then all of them are one argument, a pickle in which shared objects stay shared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pymonik.capture.sharing import do_share, noting
from pymonik.graph.columns import Values
from pymonik.graph.slots import CAPTURED, Template, tuple_of_holes
from pymonik.record.arguments import Arguments
from pymonik.record.handle import ResultHandle
from pymonik.record.handles import MultiResultHandle
from pymonik.values.content import SMALL

# What holds nothing that two arguments could share, or is no object yet.
_LIGHT = SMALL | CAPTURED | {str, bytes, ResultHandle, MultiResultHandle}


def _plain_slots(capture: Arguments, values: Sequence[Any]) -> tuple[Any, ...] | None:
    """Return the slot values of numbers and handles; None where there is anything else."""
    slots = []
    for value in values:
        kind = type(value)
        if kind is ResultHandle:
            slots.append(capture.slot_of_handle(value))
        elif kind in SMALL:
            slots.append(value)
        else:
            return None
    return tuple(slots)


def captured(
    capture: Arguments, values: Sequence[Any], named: Callable[[], Sequence[str]]
) -> tuple[Any, bool]:
    """Capture the arguments of a call; return whether two of them share objects.

    named: gives what the arguments are called in errors.
    """
    plain = _plain_slots(capture, values)
    if plain is not None:
        return plain, False
    names = named()
    heavy = [value for value in values if type(value) not in _LIGHT]
    if len(heavy) < 2:
        return tuple(map(capture.argument, values, names)), False
    with noting() as reaches:
        slots = tuple(map(capture.argument, values, names))
    return slots, do_share([reaches.get(id(value)) for value in heavy])


def captured_columns(
    capture: Arguments, arguments: Sequence[Any], names: Sequence[str]
) -> tuple[tuple[Any, ...], Any]:
    """Capture the arguments of a map; return their columns, and one of whole rows where some share.

    A row whose arguments share nothing is put together of what was captured of each.
    """
    kinds = [set(map(type, column)) for column in arguments]
    heavy = [column for column, met in zip(arguments, kinds) if not met <= _LIGHT]
    if len(heavy) < 2:
        return tuple(map(capture.column, arguments, names, kinds)), None
    with noting() as reaches:
        columns = tuple(map(capture.column, arguments, names, kinds))
    rows: dict[int, Any] = {}
    for number, row in enumerate(zip(*heavy)):
        if do_share([reaches.get(id(value)) for value in row]):
            whole = tuple(column[number] for column in arguments)
            rows[number] = capture.argument(whole, f"element {number}")
    return columns, whole_rows(capture, columns, rows, len(arguments[0])) if rows else None


def whole_rows(capture: Arguments, columns: Sequence[Any], rows: dict[int, Any], n: int) -> Any:
    """Return a column of whole rows: `rows`, and the others out of their columns."""
    return Values([
        rows[i] if i in rows else row_of(capture, [column.at(i) for column in columns])
        for i in range(n)
    ])  # fmt: skip


def row_of(capture: Arguments, slots: Sequence[Any]) -> Template:
    """Return a row whose values are captured already."""
    filled = [
        slot if type(slot) in CAPTURED else capture.interner.freeze(slot, "an argument")[0]
        for slot in slots
    ]
    return Template(tuple_of_holes(len(filled)), tuple(filled))
