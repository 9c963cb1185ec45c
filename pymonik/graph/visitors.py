"""Visitors: how formats are written of slot values and columns, whatever their kind.

A format stands where it is used: text in `lines`, JSON in `analysis.encode`, columns of a program
in `plan.inputs`, keys in `cache.keys`. It says what it makes of each kind; which kind an argument
is, the argument says (`accept` in `verbs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pymonik.values.content import Content

# Outputs of a node, by their indexes.
NodeRun = tuple[Any, range]


class SlotVisitor(Protocol):
    """A format of slot values: says how each kind is written. See `visit`."""

    def immediate(self, value: Any) -> Any:
        """Write a plain value, or a failure that stands for one."""

    def content(self, content: Content) -> Any:
        """Write a captured value."""

    def output(self, node: Any, index: int) -> Any:
        """Write one output of a node."""

    def outputs(self, runs: Sequence[NodeRun]) -> Any:
        """Write a list of outputs."""

    def template(self, content: Content, slots: Sequence[Any]) -> Any:
        """Write a captured value with the slot values that go into its holes."""

    def earlier(self, step: int) -> Any:
        """Write the value of an earlier step of the same element, in a fused map."""


class ColumnVisitor(Protocol):
    """A format of columns: says how each kind is written."""

    def earlier(self, step: int) -> Any:
        """Write, for every element, the value of an earlier step of the same one."""

    def const(self, slot: Any) -> Any:
        """Write the same slot value for every element."""

    def immediates(self, values: Sequence[Any]) -> Any:
        """Write an immediate for each element."""

    def each(self, slots: Sequence[Any]) -> Any:
        """Write a slot value for each element."""

    def run(self, node: Any, indexes: range) -> Any:
        """Write outputs of a node at equal distances, one for each element."""

    def gather(self, node: Any, indexes: Sequence[int]) -> Any:
        """Write outputs of a node in any order, one for each element."""


class ArgumentVisitor(SlotVisitor, ColumnVisitor, Protocol):
    """A format of the arguments of calls and of maps."""
