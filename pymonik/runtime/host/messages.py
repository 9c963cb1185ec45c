"""What a host and its executors send each other: units, plans of sub-tasks, log records.

Enters: pieces of units, and what tasks recorded. Leaves: plain types for a frame, and units again
on the other side. How frames travel is the business of `frames`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymonik.values.outputs import Outputs

if TYPE_CHECKING:
    from pymonik.plan.unit import Unit
    from pymonik.runtime.host.unit_slice import UnitSlice


def entry_of(piece: UnitSlice, executor: int) -> tuple[Any, ...]:
    """Return what an executor must know to run a piece."""
    unit, gang = piece.running.unit, piece.running.gang
    inputs: list[Any] = []
    if unit.inputs:
        inputs = [source.columns if type(source) is Outputs else source for source in unit.inputs]
    about = (piece.attempts_before, unit.environment, unit.modules, unit.task, unit.surroundings)
    entry = (unit.number, unit.payload, inputs, piece.start, piece.stop, *about)
    return entry if gang is None else (*entry, gang.entry(executor))


def plan_of(wire: Any) -> Any:
    """Make units of the plan that an executor sent."""
    if wire is None:
        return None
    from pymonik.plan.unit import Unit  # executors, which make plans but no units, start without

    units: list[Unit] = []
    unit_outputs = [Outputs(entry[2], entry[3]) for entry in wire[0]]
    for entry, outputs in zip(wire[0], unit_outputs):
        payload, inputs, _, _, options, name, environment, limited, result_id = entry
        sources = tuple(unit_outputs[i] if type(i) is int else i for i in inputs)
        unit = Unit(0, payload, sources, outputs, options, name, environment=environment)
        unit.limited, unit.result_id = limited, result_id
        units.append(unit)
    return units, wire[1]
