"""Repeated plans: those that a template has made, without a graph until somebody looks at it.

Enters: the one unit of a plan, and what its graph would be made of. Leaves: a plan; a program that
waits again and again makes thousands of them, and nobody looks.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from pymonik.graph.ir import Graph, Map
from pymonik.plan.plan import Plan, Source
from pymonik.plan.unit import Unit
from pymonik.system.forks import fork_safe_property
from pymonik.values.content import Content
from pymonik.values.location import Location


class Repetition:
    """What the graph of such a plan is made of; its calls, and where their values will be.

    Its methods are abstract for the type checker alone, as those of `graph.verbs`.
    """

    __slots__ = ("source",)
    calls: int

    def __init__(self) -> None:
        self.source: Callable[[], Source | None] = lambda: None

    @abstractmethod
    def node(self, unit: Unit) -> Map:
        """Return the only node of the graph."""

    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """Return why the graph is as it is."""

    @abstractmethod
    def locations(self) -> list[Location]:
        """Return where the values of each step will be."""

    @abstractmethod
    def bind(self) -> None:
        """Let the recorded calls know where their values will be."""


class RepeatedPlan(Plan):
    """The plan of calls like those of an earlier one: its graph is made when it is asked for."""

    of: ClassVar[Repetition]  # of each its own: no field, since it goes into no other plan

    def __init__(self, of: Repetition, unit: Unit, blobs: tuple[Content, ...]) -> None:
        self.__dict__.update(units=(unit,), blobs=blobs, named={}, calls=of.calls, of=of)

    @fork_safe_property
    def _node(self) -> Map:
        return self.of.node(self.units[0])

    @fork_safe_property  # type: ignore[misc]  # a field of a plan, worked out when it is asked for
    def graph(self) -> Graph:
        """Return what was compiled."""
        return Graph((self._node,), {}, self.of.notes())

    @fork_safe_property  # type: ignore[misc]  # as above
    def locations(self) -> tuple[tuple[Any, list[Location]], ...]:
        """Return where the values will be found."""
        return ((self._node, self.of.locations()),)

    @fork_safe_property  # type: ignore[misc]  # as above
    def source(self) -> Source | None:
        """Return what it was compiled of, and for what."""
        return self.of.source()

    def completed(self, source: Callable[[], Source], **facts: Any) -> Plan:
        """Return it with what its client adds: nobody has seen it yet."""
        self.of.source = source
        self.__dict__.update(facts)
        return self
