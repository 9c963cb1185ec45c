"""The cost of tasks that a cluster knows, whatever client submitted them.

Enters: the tasks and objects of a session. Leaves: a `Cost`. Tasks that have ended last what they
lasted, the others as long as those of their name; requests are not known any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean

from pymonik.analysis.cost import ASSUMED, Cost, Duration, Eager, Site, cost_of_units
from pymonik.analysis.counts import Figures
from pymonik.analysis.session.tasks import SessionObject, SessionTask, TaskGraph
from pymonik.analysis.simulate import ARMONIK, Overheads, SimulatedUnit


def cost_of_tasks(
    tasks: Sequence[SessionTask],
    objects: Mapping[str, SessionObject],
    *,
    slots: Mapping[str, int],
    seconds: Mapping[str, float] | None = None,
    assumed: float = ASSUMED,
    price: float | None = None,
    overheads: Overheads = ARMONIK,
) -> Cost:
    """Price tasks as if all of them were to be run: see `pymonik.analysis.estimate.estimate`."""
    session = TaskGraph(tasks, objects)
    clock = _SessionClock(session, seconds or {}, assumed)
    figures = _figures(tasks, session)
    return cost_of_units(
        _units(session, clock),
        slots,
        overheads,
        figures=figures,
        durations=_durations(session, clock),
        sites=_sites(session, clock),
        eager=Eager(len(tasks), 0, figures.bytes_raw, None),
        price=price,
    )


class _SessionClock:
    """Says how long a task lasts: as given, as it did, as others of its name did, or as assumed."""

    def __init__(self, session: TaskGraph, given: Mapping[str, float], assumed: float) -> None:
        self.titles = session.titles
        self.given = given
        self.assumed = assumed
        lasted: dict[str, list[float]] = {}
        for task in session.tasks.values():
            if task.seconds is not None:
                lasted.setdefault(self.titles[task.id], []).append(task.seconds)
        self.means = {name: mean(seconds) for name, seconds in lasted.items()}

    def seconds(self, task: SessionTask) -> float:
        name = self.titles[task.id]
        if name in self.given:
            return self.given[name]
        return self.means.get(name, self.assumed) if task.seconds is None else task.seconds

    def source(self, task: SessionTask) -> str:
        name = self.titles[task.id]
        if name in self.given:
            return "given"
        return "measured" if name in self.means else "assumed"


def _units(session: TaskGraph, clock: _SessionClock) -> list[SimulatedUnit]:
    def shape(task: SessionTask) -> tuple[int, str, int]:
        facts = dict(task.facts)
        return 1, facts.get("partition", ""), int(facts.get("priority", "1"))

    return session.dag.in_order().simulated(clock.seconds, shape)


def _figures(tasks: Sequence[SessionTask], session: TaskGraph) -> Figures:
    used = [session.objects[i].size for t in tasks for i in t.inputs if i in session.objects]
    distinct = {i for t in tasks for i in t.inputs if i in session.objects}
    return Figures(
        written=len(tasks),
        calls=len(tasks),
        units=len(tasks),
        depth=session.dag.depth,
        width=session.dag.width,
        unit_depth=session.dag.depth,
        requests=(),
        bytes_raw=sum(used),
        bytes_distinct=sum(session.objects[i].size for i in distinct),
        bytes_sent=sum(stored.size for stored in session.objects.values()),
        slots=0,
    )


def _durations(session: TaskGraph, clock: _SessionClock) -> Iterator[Duration]:
    """Return the mean of each name: those of single tasks would be as many as the tasks."""
    groups = session.dag.groups(lambda task: (session.titles[task.id], clock.source(task)))
    for (name, source), group in groups.items():
        yield Duration(name, mean(map(clock.seconds, group)), len(group), source)


def _sites(session: TaskGraph, clock: _SessionClock) -> Iterator[Site]:
    """Return what each name causes: a cluster does not know the line of a program."""
    for name, group in session.by_title().items():
        ids = {i for task in group for i in task.inputs if i in session.objects}
        size = sum(session.objects[i].size for i in ids)
        work = sum(map(clock.seconds, group))
        yield Site("its client", name, len(group), len(group), size, work)
