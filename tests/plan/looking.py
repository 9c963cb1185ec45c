"""Compiling just so far that units can be looked at."""

from __future__ import annotations

from typing import Any

from pymonik import Pymonik
from pymonik.graph.passes import run_passes
from pymonik.graph.target import Target
from pymonik.plan.lower import lower
from pymonik.plan.plan import Plan
from pymonik.plan.unit import Unit
from tests.graph.programs import recorded


def compiled(client: Pymonik) -> Plan:
    """Batch, and nothing else: chunks are those that the calls ask for."""
    return lower(run_passes(recorded(client), Target(slots=2), ["batch"]))


def units_of(plan: Plan, name: str) -> list[Unit]:
    return [unit for unit in plan.units if unit.name == name]


def columns(unit: Unit, step: int = 0) -> tuple[Any, ...]:
    return unit.program.steps[step].columns


def places(unit: Unit, column: Any, plan: Plan) -> list[tuple[int, int]]:
    """Say which unit, and which place there, each value of a column of runs comes from."""
    numbers = {id(u.outputs): u.number for u in plan.units}
    kind, runs = column
    assert kind in "rb"
    return [
        (numbers[id(unit.inputs[position])], start + k * step)
        for position, _, start, step, count in runs
        for k in range(count)
    ]
