"""Repeated plans: those that a template has made, without a graph until somebody looks at it.

Enters: the one unit of a plan, and what its graph would be made of. Leaves: a plan; a program that
waits again and again makes thousands of them, and nobody looks.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pymonik.graph.columns import Const, FromStep
from pymonik.graph.ir import Call, CallSpec, Graph, Map, Step
from pymonik.plan.plan import Outline, Plan, Source, bind_calls
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
    def specs(self) -> list[CallSpec]:
        """Return the specs of the calls."""

    @abstractmethod
    def where(self) -> str:
        """Return "file:line" of the first call."""

    @abstractmethod
    def locations(self) -> list[Location]:
        """Return where the values of each step will be."""

    @abstractmethod
    def bind(self) -> None:
        """Let the recorded calls know where their values will be."""


class CallsOfUnit(Repetition):
    """Calls of one unit, in the order of its steps, which make a map of one element."""

    __slots__ = ("_calls", "_chunk", "_depth", "_locations", "calls")

    def __init__(
        self, calls: Sequence[Call], locations: list[Location], chunk: int, depth: int
    ) -> None:
        super().__init__()
        self._calls, self._locations, self.calls = calls, locations, len(calls)
        self._chunk, self._depth = chunk, depth

    def steps(self, unit: Unit) -> tuple[Step, ...]:
        """Return the steps, whose columns are those of the unit."""
        return tuple([
            Step(call.spec, tuple(map(_column, own[0])), (call,), own[1])
            for call, own in zip(self._calls, unit.program.own)
        ])  # fmt: skip

    def node(self, unit: Unit) -> Map:
        """Return a map of one element."""
        return Map(self.steps(unit), 1, self._chunk, self._depth)

    def specs(self) -> list[CallSpec]:
        """Return the specs of the calls."""
        return [call.spec for call in self._calls]

    def where(self) -> str:
        """Return "file:line" of the first call."""
        return self._calls[0].where

    def locations(self) -> list[Location]:
        """Return where the value of each call will be."""
        return self._locations

    def bind(self) -> None:
        """Let the calls know where their values will be."""
        bind_calls(self._calls, self._locations)


def _column(filled: tuple[str, Any]) -> Any:
    """Return the column of a graph that a program fills so."""
    kind, what = filled
    return FromStep(what) if kind == "p" else Const(what)


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

    @property
    def outlines(self) -> list[Outline]:
        """Return what is to be known of its only map, without making it."""
        (unit,), of = self.units, self.of
        return [Outline(unit.name, of.specs(), unit.n, 1, unit.wanted, of.where())]

    def completed(self, source: Callable[[], Source], **facts: Any) -> Plan:
        """Return it with what its client adds: nobody has seen it yet."""
        self.of.source = source
        self.__dict__.update(facts)
        return self


def plan_of_unit(of: Repetition, unit: Unit, spec: CallSpec) -> Plan:
    """Return the plan of a unit without inputs, whose calls run where those of a spec do."""
    unit.surroundings = spec.surroundings
    blobs: tuple[Content, ...] = ()
    if spec.snapshot is not None:
        unit.modules = spec.snapshot.content()
        if unit.modules is not None:
            blobs = (unit.modules,)
    return RepeatedPlan(of, unit, blobs)
