"""What waits for what: the same of units and of tasks."""

from __future__ import annotations

import pytest

from pymonik.analysis.dag import Dag, downstream

# d waits for b and c, both of them for a; e for none.
DIAMOND = Dag("dbcae", [[1, 2], [3], [3], [], []])


def test_a_thing_stands_below_all_that_it_waits_for() -> None:
    assert DIAMOND.levels == [2, 1, 1, 0, 0]
    assert (DIAMOND.depth, DIAMOND.width) == (3, 2)
    assert (Dag([], []).depth, Dag([], []).width) == (0, 0)


def test_in_order_each_stands_behind_those_it_waits_for() -> None:
    ordered = DIAMOND.in_order()
    assert [*ordered.things] == ["a", "e", "b", "c", "d"]
    assert ordered.needs == [[], [], [0], [0], [2, 3]]


def test_a_circle_has_no_order() -> None:
    with pytest.raises(ValueError, match="in a cycle"):
        Dag("ab", [[1], [0]])


def test_what_is_simulated_waits_as_the_things_do() -> None:
    units = DIAMOND.in_order().simulated(lambda thing: ord(thing), lambda thing: (2, thing, 1))
    assert [(unit.seconds, unit.elements, unit.partition) for unit in units[:2]] == [
        (97, 2, "a"),
        (101, 2, "e"),
    ]
    assert units[4].needs == (2, 3)


def test_downstream_is_all_that_uses_a_thing_whatever_the_order() -> None:
    feeds = {"c": ["b"], "b": ["a"], "a": [], "x": ["y"], "y": ["x"]}
    assert downstream("a", feeds, lambda sources: sources) == ["c", "b"]
    assert downstream("x", feeds, lambda sources: sources) == ["y"]
    assert downstream("c", feeds, lambda sources: sources) == []
