"""Spelling: what is equal for equal arguments, whoever says what equal means.

Enters: slot values and columns. Leaves: tuples that can be compared, and hashed where all parts
can. When contents, outputs and immediates are equal is said by who compares: calls of one graph, or
nodes of two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from pymonik.graph.verbs import visit
from pymonik.graph.visitors import NodeRun
from pymonik.values.content import Content


class Spelling(ABC):
    """A visitor that keeps the shape of what it visits, and leaves the parts to who inherits."""

    @abstractmethod
    def immediate(self, value: Any) -> Any:
        """Spell a plain value."""

    @abstractmethod
    def content(self, content: Content, holes: int = 0) -> Any:
        """Spell a content that has so many holes."""

    @abstractmethod
    def output(self, node: Any, index: int) -> Any:
        """Spell one output of a node."""

    @abstractmethod
    def part(self, node: Any, indexes: range) -> Any:
        """Spell outputs of a node that stand in a list."""

    def outputs(self, runs: Sequence[NodeRun]) -> Any:
        """Spell a list of outputs."""
        return ("list", *(self.part(node, indexes) for node, indexes in runs))

    def template(self, content: Content, slots: Sequence[Any]) -> Any:
        """Spell a content with what goes into its holes."""
        return ("nested", self.content(content, len(slots)), *self._all(slots))

    def earlier(self, step: int) -> Any:
        """Spell an earlier step."""
        return ("step", step)

    def const(self, slot: Any) -> Any:
        """Spell what is the same for all elements."""
        return ("const", visit(slot, self))

    def immediates(self, values: Sequence[Any]) -> Any:
        """Spell the values of all elements."""
        return ("immediates", *self._all(values))

    def each(self, slots: Sequence[Any]) -> Any:
        """Spell the slot values of all elements."""
        return ("each", *self._all(slots))

    def run(self, node: Any, indexes: range) -> Any:
        """Spell outputs at equal distances, however many: what both have is compared."""
        return ("run", self.output(node, indexes.start), indexes.step)

    def gather(self, node: Any, indexes: Sequence[int]) -> Any:
        """Spell outputs in any order."""
        return ("gather", self.output(node, 0), *indexes)

    def _all(self, slots: Sequence[Any]) -> list[Any]:
        return [visit(slot, self) for slot in slots]
