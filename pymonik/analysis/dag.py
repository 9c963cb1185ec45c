"""What waits for what: units of a plan, or tasks of a session, looked at in the same way.

Enters: things, and the places of those that each waits for. Leaves: how deep each stands, how deep
and wide all of them are, groups of one name, what is to be simulated, and what lies downstream.
What a thing is, and what it waits for, is said by who has it: `dag_of_units`, `session.tasks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from pymonik.analysis.simulate import SimulatedUnit
from pymonik.plan.unit import Unit

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Dag(Generic[T]):
    """Things that wait for each other.

    needs: the places of those that each waits for. levels: the depth of each, below all that it
    waits for. Raises ValueError when some wait for each other in a circle.
    """

    def __init__(self, things: Sequence[T], needs: Sequence[Collection[int]]) -> None:
        self.things = things
        self.needs = needs
        self.levels = _levels(needs)

    @property
    def depth(self) -> int:
        """How many there are on the longest path."""
        return 1 + max(self.levels, default=-1)

    @property
    def width(self) -> int:
        """How many there are on the widest level."""
        return max(Counter(self.levels).values(), default=0)

    def in_order(self) -> Dag[T]:
        """Return the same, each behind those that it waits for, level by level."""
        order = sorted(range(len(self.things)), key=self.levels.__getitem__)
        places = {old: new for new, old in enumerate(order)}
        needs = [sorted(places[need] for need in self.needs[old]) for old in order]
        return Dag([self.things[old] for old in order], needs)

    def groups(self, name: Callable[[T], K]) -> dict[K, list[T]]:
        """Return the things of each name, in the order met."""
        groups: dict[K, list[T]] = {}
        for thing in self.things:
            groups.setdefault(name(thing), []).append(thing)
        return groups

    def simulated(
        self, seconds: Callable[[T], float], shape: Callable[[T], tuple[int, str, int]]
    ) -> list[SimulatedUnit]:
        """Return what to simulate; `shape` gives elements, partition and priority of each."""
        units = []
        for thing, needs in zip(self.things, self.needs):
            elements, partition, priority = shape(thing)
            units.append(SimulatedUnit(seconds(thing), elements, tuple(needs), partition, priority))
        return units


def dag_of_units(units: Sequence[Unit]) -> Dag[Unit]:
    """Return what waits for what among units; what earlier submissions made is there already."""
    places = {id(unit.outputs): number for number, unit in enumerate(units)}
    needs = [[places[id(o)] for o in unit.needs if id(o) in places] for unit in units]
    return Dag(units, needs)


def downstream(start: K, things: Mapping[K, T], sources: Callable[[T], Iterable[K]]) -> list[K]:
    """Return what uses a thing, directly or not, in the order of `things`, all of them by keys."""
    reached = {start}
    count = 0
    while len(reached) > count:  # once more than it takes where users stand behind their sources
        count = len(reached)
        for key, thing in things.items():
            if key not in reached and any(source in reached for source in sources(thing)):
                reached.add(key)
    return [key for key in things if key in reached and key != start]


def _levels(needs: Sequence[Collection[int]]) -> list[int]:
    users: list[list[int]] = [[] for _ in needs]
    missing = [len(needed) for needed in needs]
    for number, needed in enumerate(needs):
        for need in needed:
            users[need].append(number)
    levels = [0] * len(needs)
    ready = [number for number, count in enumerate(missing) if not count]
    ended = 0
    while ready:
        number = ready.pop()
        ended += 1
        for user in users[number]:
            levels[user] = max(levels[user], levels[number] + 1)
            missing[user] -= 1
            if not missing[user]:
                ready.append(user)
    if ended < len(needs):
        raise ValueError("some tasks wait for each other in a cycle")
    return levels
