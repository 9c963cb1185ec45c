"""What a host and its executors tell each other: units, plans of sub-tasks, log records.

Enters: pieces of units, and what tasks recorded. Leaves: plain types for a frame, and units again
on the other side. How frames travel is the business of `frames`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymonik.values.outputs import Cell

if TYPE_CHECKING:
    from pymonik.plan.plan import Unit
    from pymonik.runtime.host.unit_slice import Piece


def entry_of(piece: Piece) -> tuple[Any, ...]:
    """Give what an executor must know to run a piece."""
    unit = piece.running.unit
    inputs = [source.columns if type(source) is Cell else source for source in unit.inputs]
    about = (piece.extras, unit.environment, unit.modules, unit.task)
    return (unit.number, unit.payload, inputs, piece.start, piece.stop, *about)


def variables_of(unit: Unit) -> dict[str, str]:
    """Give the variables that the environment of a unit sets."""
    return dict(unit.environment.variables) if unit.environment else {}


def wire_plan(subtasks: Any) -> Any:
    """Give the plan of what a unit recorded, as plain types: units name others by number."""
    made = subtasks.plan()
    if made is None:
        return None
    plan, bindings = made
    numbers = {id(unit.cell): number for number, unit in enumerate(plan.units)}
    units = [
        (
            unit.payload,
            [numbers.get(id(i), i) for i in unit.inputs],
            unit.n,
            len(unit.cell.columns),
            unit.options,
            unit.name,
            unit.environment,
            unit.limited,
            unit.result_id,
        )
        for unit in plan.units
    ]
    bound = []
    for output, element, handle in bindings:
        node = handle._node
        cell, place = node.home.locate(node.offset + handle._index)
        bound.append((output, element, numbers[id(cell)], node.home.output, place))
    return units, bound, plan.calls


def plan_of(wire: Any) -> Any:
    """Make units of the plan that an executor sent."""
    if wire is None:
        return None
    from pymonik.plan.plan import Unit  # executors, which make plans but no units, start without

    units: list[Unit] = []
    cells = [Cell(entry[2], entry[3]) for entry in wire[0]]
    for entry, cell in zip(wire[0], cells):
        payload, inputs, _, _, options, name, environment, limited, result_id = entry
        sources = tuple(cells[i] if type(i) is int else i for i in inputs)
        unit = Unit(0, payload, sources, cell, options, name, environment=environment)
        unit.limited, unit.result_id = limited, result_id
        units.append(unit)
    return units, wire[1]
