"""The elements of some maps, one by one, and what each needs of the others.

Enters: maps, in an order in which they could run. Leaves: numbers for their elements, in that order
too, and for each the numbers that it needs, how deep it lies, and where it stands in the order in
which a single worker that goes for one end after the other would come by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymonik.graph.columns import NAMELESS
from pymonik.graph.ir import Map
from pymonik.graph.verbs import refs_of


class NumberedElements:
    """NumberedElements by number.

    first: the number of the first element of each map, by its id. of: map and index of each.
    """

    def __init__(self, maps: Sequence[Map]) -> None:
        self.first: dict[int, int] = {}
        self.of: list[tuple[Map, int]] = []
        for node in maps:
            self.first[id(node)] = len(self.of)
            self.of += [(node, index) for index in range(node.n)]

    def __len__(self) -> int:
        return len(self.of)


class ElementGraph(NumberedElements):
    """NumberedElements, and what they need of each other.

    needs: the numbers that each needs, some twice. levels: 0 for those that need none, else one
    more than the deepest of these. calls, seconds: what each is worth; a second where nothing is
    known.
    """

    def __init__(self, maps: Sequence[Map]) -> None:
        super().__init__(maps)
        self.calls: list[int] = []
        self.seconds: list[float] = []
        for node in maps:
            self.calls += [len(node.steps)] * node.n
            seconds = sum(step.spec.options.cost or 1.0 for step in node.steps)
            self.seconds += [seconds] * node.n
        self.needs: list[list[int]] = [[] for _ in self.of]
        for node in maps:
            for step in node.steps:
                for column in step.columns:
                    self._note(node, column)
        self.levels: list[int] = []
        for needed in self.needs:
            self.levels.append(1 + max([self.levels[one] for one in needed], default=-1))

    def _note(self, node: Map, column: Any) -> None:
        first = self.first[id(node)]
        if column.is_constant:
            numbers = self._numbers(column.at(0))
            for index in range(node.n if numbers else 0):
                self.needs[first + index] += numbers
        elif type(column) not in NAMELESS:
            for index in range(node.n):
                self.needs[first + index] += self._numbers(column.at(index))

    def _numbers(self, slot: Any) -> list[int]:
        """Return the elements that a slot value names."""
        first = self.first
        return [
            first[id(node)] + index
            for node, indexes in refs_of(slot)
            if id(node) in first
            for index in indexes
        ]

    def places(self) -> list[int]:
        """Return when each would be met by who works for one end after the other, depth first.

        Those that meet soon have places close to each other: what a tree adds up, neighbours.
        """
        is_used = bytearray(len(self))
        for needed in self.needs:
            for one in needed:
                is_used[one] = 1
        place_of, place = [-1] * len(self), 0
        for end in range(len(self)):
            if is_used[end]:
                continue
            stack = [(end, iter(self.needs[end]))]
            while stack:
                number, rest = stack[-1]
                further = next((one for one in rest if place_of[one] < 0), None)
                if further is not None:
                    stack.append((further, iter(self.needs[further])))
                    continue
                stack.pop()
                if place_of[number] < 0:
                    place_of[number] = place
                    place += 1
        return place_of
