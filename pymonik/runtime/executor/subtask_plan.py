"""Plans of sub-tasks: what the calls of a unit have recorded, compiled where it was recorded.

Enters: a graph, and which outputs of the unit its values stand for. Leaves: a plan, and the same as
plain types, for a host to carry out. Loaded by executors in which tasks make calls: others start
sooner without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pymonik.graph.ir import Graph, inputs
from pymonik.graph.passes import run_passes
from pymonik.graph.target import Target
from pymonik.plan.lower import bind, lower
from pymonik.plan.parts import parts_of_rest
from pymonik.plan.plan import Plan
from pymonik.settings import settings
from pymonik.system.structs import replace

# What the value of a handle stands for: an output of the unit, and the number of an element.
Binding = tuple["int | None", int, Any]


def compile_recorded(
    graph: Graph,
    target: Target,
    optimize: bool | Iterable[str],
    code_for: Callable[[Any], Any],
) -> Plan:
    """Return the plan of a graph, in which calls that cannot be compiled fail.

    code_for: captures a task, once.
    """
    try:
        plan = lower(run_passes(graph, target, optimize))
    except Exception:  # whatever objects of the user do when they are looked at
        from pymonik.plan.culprits import refuse_culprits
        from pymonik.record.builtin_tasks import calling

        refused = refuse_culprits(graph, target, optimize, code_for(calling(False)))
        if refused is None:
            raise
        plan = lower(run_passes(refused, target, optimize))
    bind(plan.graph, plan)
    return plan


def target_of_rest(graph: Graph, target: Target, each: float) -> Target:
    """Return for what calls are compiled that a unit hands back.

    each: seconds that a call takes. A level is cut as the elements of a map are; a unit of several
    levels lasts a beat.
    """
    levels: dict[int, int] = {}
    for node in graph.nodes:
        levels[id(node)] = 1 + max((levels.get(id(s), 0) for s in inputs(node)), default=0)
    width = -(-len(graph.nodes) // max(levels.values()))
    beat = settings().unit_seconds
    slots = parts_of_rest(width, each, beat)
    # No call takes no time at all: one of 1 µs or less is taken for one of 1 µs.
    return replace(target, slots=slots, grain=max(1, int(beat / max(each, 1e-6))))


def as_plain(plan: Plan, bindings: Sequence[Binding]) -> Any:
    """Return a plan and its bindings as plain types: units name others by number."""
    numbers = {id(unit.outputs): number for number, unit in enumerate(plan.units)}
    units = [
        (
            unit.payload,
            [numbers.get(id(i), i) for i in unit.inputs],
            unit.n,
            len(unit.outputs.columns),
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
        location, index = node.location.at(node.offset + handle._index)
        outputs, place = location.locate(index)
        bound.append((output, element, numbers[id(outputs)], location.output, place))
    return units, bound, plan.calls
