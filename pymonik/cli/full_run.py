"""Run a script on the embedded engine to see its whole graph, also what its tasks made.

Enters: backends of clients of this process, while `trace_execution`. Leaves: what was submitted to
them, and what ran. The values that could be asked for stay in memory until the script has ended:
who wanted what is part of the graph.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pymonik import backend as backends
from pymonik.analysis.file import compiled
from pymonik.analysis.session.tasks import SessionTask
from pymonik.backend.traits import TRAITS
from pymonik.capture.text.fingerprint import fingerprint
from pymonik.client.engine import OBSERVERS
from pymonik.graph.ir import Call, Graph
from pymonik.graph.target import Target
from pymonik.plan.plan import Plan, Source
from pymonik.plan.unit import Unit
from pymonik.runtime.host.observer import Observer
from pymonik.settings import settings, steered
from pymonik.values.outcome import Failure


@dataclass
class ExecutionTrace(Observer):
    """What was submitted, and what ran."""

    sources: list[Source] = field(default_factory=list)
    submissions: list[Plan] = field(default_factory=list)
    handles: list[Any] = field(default_factory=list)
    units: list[tuple[Unit, Unit | None]] = field(default_factory=list)
    # By the outputs of units: the tail units that make some of their values, and the seconds spent.
    tail_units: dict[int, set[int]] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    # When each submission began, and when the last piece of it ended.
    times: list[list[float]] = field(default_factory=list)

    def ended(self, executor: int, unit: Unit, elements: int, seconds: float) -> None:
        """Note what a piece took."""
        self.seconds[id(unit.outputs)] = self.seconds.get(id(unit.outputs), 0.0) + seconds
        if self.times:
            self.times[-1][1] = time.perf_counter()

    def made(self, unit: Unit, units: Sequence[Unit], bindings: Sequence[Any]) -> None:
        """Note what calls of a unit recorded."""
        self.units += [(made, unit) for made in units]
        self.tail_units.setdefault(id(unit.outputs), set()).update(
            id(units[number].outputs) for _, _, number, *_ in bindings
        )

    def submitted(self, plan: Plan) -> None:
        """Note a plan, and hold what can be asked for."""
        if plan.source is None:
            return
        self.sources.append(plan.source)
        self.submissions.append(plan)
        self.times.append([time.perf_counter()] * 2)
        self.units += [(unit, None) for unit in plan.units]
        self.handles += [node() for node in plan.source.graph.nodes if isinstance(node, Call)]

    @property
    def makespan(self) -> float:
        """Seconds from the beginning of each submission to the end of its last unit, summed."""
        return sum(end - began for began, end in self.times)

    def durations(self) -> dict[str, float]:
        """Return the mean seconds of a call, by the fingerprint of its function."""
        sums: dict[str, list[float]] = {}
        for plan in self.submissions:
            for node, locations in plan.locations:
                spent = sum(
                    self.seconds.get(id(outputs), 0.0) for outputs in locations[0].unit_outputs
                )
                for step in node.steps:  # a fused unit does not time its steps
                    name = fingerprint(step.spec.code.function, packages=False)
                    entry = sums.setdefault(name, [0.0, 0.0])
                    entry[0] += spent / len(node.steps)
                    entry[1] += node.n
        return {name: spent / calls for name, (spent, calls) in sums.items() if calls}

    @property
    def plans(self) -> list[Plan]:
        """What each submission would send to a cluster."""
        return [compiled(_for_cluster(source)) for source in self.sources]

    @property
    def whole(self) -> Plan | None:
        """All submissions as if they had been one; None without any."""
        if not self.sources:
            return None
        graphs = [source.graph for source in self.sources]
        nodes = tuple(node for graph in graphs for node in graph.nodes)
        aliases = {original: call for graph in graphs for original, call in graph.aliases.items()}
        return compiled(replace(_for_cluster(self.sources[0]), graph=Graph(nodes, aliases)))

    def tasks(self) -> list[SessionTask]:
        """Return the units that ran, as a cluster would tell of them."""
        parents = {id(unit.outputs): parent for unit, parent in self.units}
        return [self._task(unit, parents) for unit, _ in self.units]

    def _task(self, unit: Unit, parents: dict[int, Unit | None]) -> SessionTask:
        ancestors: list[Unit] = []
        above = parents[id(unit.outputs)]
        while above is not None:
            ancestors.insert(0, above)
            above = parents.get(id(above.outputs))
        # What makes values of its parent promises the parent's own output, as on a cluster.
        made = [unit.outputs]
        if ancestors and id(unit.outputs) in self.tail_units.get(id(ancestors[-1].outputs), ()):
            made.append(ancestors[-1].outputs)
        records = [record for column in unit.outputs.columns for record in column]
        failures = [*(r for r in records if type(r) is Failure), *unit.outputs.errors]
        return SessionTask(
            id=str(id(unit.outputs)),
            name=unit.name,
            status=_status(failures, unit.outputs.missing),
            inputs=tuple(dict.fromkeys(str(id(outputs)) for outputs in unit.needs)),
            outputs=tuple(str(id(outputs)) for outputs in made),
            ancestors=tuple(str(id(one.outputs)) for one in ancestors),
            seconds=self.seconds.get(id(unit.outputs)),
            facts=tuple(
                (name, str(value))
                for name, value in (
                    ("partition", unit.options.partition_id),
                    ("priority", unit.options.priority),
                )
                if value is not None
            ),
            error=failures[0].message if failures else "",
        )


def _status(failures: Sequence[Failure], missing: int) -> str:
    if any(failure.kind != "cancelled" for failure in failures):
        return "failed"
    return "cancelled" if failures else "waiting" if missing else "done"


def _for_cluster(source: Source) -> Source:
    slots = backends.workers(None) or settings().default_slots
    target = Target(slots=slots, isolates_delegating=True, grain=TRAITS["armonik"].grain)
    return replace(source, target=target)


class _Between:
    """A backend, and the trace that notes what is submitted to it."""

    def __init__(self, backend: backends.Backend, trace: ExecutionTrace) -> None:
        self._backend = backend
        self._trace = trace
        self.traits = backend.traits
        # Bound here, not wrapped: a wait in the script costs no call more.
        self.want, self.progress = backend.want, backend.progress
        self.cancel, self.close = backend.cancel, backend.close
        if backend.traits.pieces is not None:
            backend.traits.pieces.observe(trace)

    def submit(self, plan: Plan) -> None:
        self._trace.submitted(plan)
        self._backend.submit(plan)


@contextmanager
def trace_execution() -> Iterator[ExecutionTrace]:
    """Run clients on the embedded engine, and keep what they submit."""
    trace = ExecutionTrace()
    OBSERVERS.append(lambda backend: _Between(backend, trace))
    try:
        with steered("backend", "local"):
            yield trace
    finally:
        OBSERVERS.pop()
