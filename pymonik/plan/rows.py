"""Rows: what a step of a map gives to the units of the map.

Enters: a step, its columns not cut yet. Leaves: the fields of a `StepCode` that all units of the
map share (`shared_fields`), and those that are a unit's own, cut along with its elements (`Row`).
"""

from __future__ import annotations

from typing import Any

from pymonik.capture.freeze import pickled_types
from pymonik.graph.ir import (
    Call,
    CallSpec,
    Step,
)
from pymonik.plan.inputs import Inputs
from pymonik.system.structs import replace
from pymonik.values import seeds
from pymonik.values.content import Content
from pymonik.values.options import DEFAULTS, TaskOptions


class Row:
    """What one step of a map gives to each unit: its columns and the rest, cut along."""

    __slots__ = ("based", "columns", "elements", "keep", "n", "spawn_keys", "sites")

    def __init__(self, step: Step, n: int, keep: bool | bytes, sites: str | list[str]) -> None:
        self.n = n
        self.columns = step.columns
        self.keep = keep
        self.sites = sites
        first, origins = step.origins[0], step.origins
        self.based = first.n is not None
        self.elements: list[int | None] | None = None
        is_plain = type(first) is Call and (len(origins) == 1 or set(map(type, origins)) == {Call})
        if not self.based and not is_plain:
            # Elements of maps that became single calls keep their numbers.
            self.elements = [getattr(origin, "element", None) for origin in origins]
        self.spawn_keys = _spawn_keys(step)

    def own(self, inputs: Inputs, start: int, stop: int) -> tuple[Any, ...]:
        """Return the part of a step that is a unit's own: see `StepCode`."""
        if stop - start == self.n:  # the only unit: nothing is cut
            columns = tuple([column.accept(inputs, stop) for column in self.columns])
            base = self.elements or (start if self.based else None)
            return columns, self.keep, self.sites, base, self.spawn_keys
        return (
            tuple([inputs.column(column, start, stop) for column in self.columns]),
            self.keep if isinstance(self.keep, bool) else self.keep[start:stop],
            self.sites if isinstance(self.sites, str) else self.sites[start:stop],
            self.elements[start:stop] if self.elements else start if self.based else None,
            seeds.cut(self.spawn_keys, start, stop),
        )


def shared_fields(spec: CallSpec, function: Any, retry_on: Content | None) -> tuple[Any, ...]:
    """Return the part of a step that it shares with others of its spec: see `StepCode`."""
    options = spec.options
    return (
        function,
        spec.name,
        spec.keywords,
        spec.context,
        options.seconds,
        options.retries or 0,
        options.max_retries or 0,
        retry_on,
        inherited(options) if _may_ask(spec) else None,
    )


def retried_types(kinds: Any) -> Content | None:
    """Return exception types as a content; None where they are those of calls without options."""
    return None if kinds is None or kinds == DEFAULTS.retry_on else pickled_types(kinds)


def inherited(options: TaskOptions) -> TaskOptions:
    """Return options that can be pickled anywhere: exception types go as contents instead."""
    if options.retry_on is None or options.retry_on == DEFAULTS.retry_on:
        return options
    return replace(options, retry_on=None)


def _may_ask(spec: CallSpec) -> bool:
    """Return whether a call may look at its options: sub-tasks inherit them, contexts show them."""
    return spec.delegates or spec.context or spec.code.asks


def _spawn_keys(step: Step) -> Any:
    """Return where the seeds of a step come from; a pure task has none."""
    if step.spec.pure:
        return None
    if len(step.origins) == 1:
        return seeds.of_call(step.spec.root_seed, step.origins[0].spawn_key)
    return seeds.compressed(step.spec.root_seed, [origin.spawn_key for origin in step.origins])
