"""What is left of graphs and units that have run in part: recorded anew, to be handed out.

Enters: activations, the outermost first; or a step of a unit. Leaves: calls recorded in `subtasks`,
and the handle of the value that they are to make. What has ended is given to them as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymonik.graph.slots import Template
from pymonik.record.handle import ResultHandle
from pymonik.runtime.executor.activations import (
    Activation,
    Argument,
    RecordedCall,
    sources,
    value_of,
)
from pymonik.runtime.executor.inheriting_specs import spec_of_step
from pymonik.runtime.executor.subtasks import Subtasks
from pymonik.values import seeds
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.wire.program import StepCode


def record_again(stack: Sequence[Activation], subtasks: Subtasks, ended: Sequence[Any] = ()) -> Any:
    """Record the steps that have not run; return the outermost value: a handle, or its record.

    ended: what stands for the value of the innermost step that has run, where that is not noted.
    """
    inner = list(ended)
    for activation in reversed(stack):
        entries = [*activation.values, *inner]
        for number in range(len(entries), len(activation.steps)):
            is_needed = number not in activation.unneeded
            step = activation.steps[number]
            entries.append(_recorded(step, entries, subtasks) if is_needed else None)
        inner = [activation.value if activation.root is None else entries[activation.root]]
    return inner[0]


def _recorded(step: RecordedCall, entries: list[Any], subtasks: Subtasks) -> Any:
    """Return the handle of a step, or its failure, where inputs of it have failed and none is left.

    A call fails of all inputs that fail: where some are left, it is to know of those that did here.
    """
    needed = [number for argument in step.args for number in sources(argument)]
    failed = [entries[number] for number in needed if type(entries[number]) is Failure]
    if failed and not any(type(entries[number]) is ResultHandle for number in needed):
        return failed[0].below(step.callee.name, failed)
    for number in needed:
        if type(entries[number]) is Failure:
            entries[number] = subtasks.failed_call(entries[number])
    slots = tuple([_slot(argument, entries, subtasks) for argument in step.args])
    # An element of a map has a seed of its own, which the key of a single call has not.
    key = step.spawn_keys if step.base is None else seeds.seed_at(step.spawn_keys, 0, step.base)
    callee = step.callee
    if callee.call_spec is None:  # it was made where another executor has died
        callee.call_spec = spec_of_step(step.code(), callee.function.content, len(slots))
        callee.call_spec.pure = callee.pure
    return subtasks.record_again(callee.call_spec, slots, step.site, key)


def _slot(argument: Argument, entries: list[Any], subtasks: Subtasks) -> Any:
    """Return an argument as the slot value of a call."""
    kind, what = argument[0], argument[1]
    if kind in "vc":
        return what
    if kind == "n":
        return Template(what, tuple([_slot(item, entries, subtasks) for item in argument[2]]))
    if kind == "l":
        return subtasks.arguments.argument([_object(i, entries) for i in what], "an argument")
    entry = entries[what]
    return entry if type(entry) is Content else subtasks.arguments.argument(entry, "an argument")


def _object(argument: Argument, entries: list[Any]) -> Any:
    entry = entries[argument[1]]
    return entry if type(entry) is ResultHandle else value_of(argument, entries)


def record_step(
    subtasks: Subtasks,
    step: StepCode,
    content: Content,
    args: Sequence[Any],
    site: str,
    seed: bytes | None,
    element: int | None,
) -> Any:
    """Record a step of a unit that others are to run; return the handle of its value.

    seed: its own, wherever it runs.
    """
    spec = spec_of_step(step, content, len(args))
    slots = tuple([subtasks.arguments.argument(value, "an argument") for value in args])
    return subtasks.record_again(spec, slots, site, seed, element)
