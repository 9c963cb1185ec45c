"""The verbs of columns and slot values agree with each other, whatever the kind."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik.graph.columns import Const, FromStep, Gather, Immediates, Range, Values
from pymonik.graph.compact import Moves, column_of, compacted
from pymonik.graph.slots import ListOf, Ref, Template
from pymonik.graph.spelling import Spelling
from pymonik.graph.verbs import (
    Column,
    Replacement,
    contents_of,
    refs_of,
    steps_of,
    substitute,
    visit,
)
from pymonik.graph.visitors import NodeRun
from pymonik.values.content import Content


class Node:
    """Something whose values are named."""

    n: int


ONE, TWO, OTHER = Node(), Node(), Node()
BLOB, FRAME = Content(b"blob"), Content(b"frame")
SLOTS: dict[str, Any] = {
    "immediate": 7,
    "content": BLOB,
    "ref": Ref(ONE, 2),
    "list": ListOf(((ONE, range(3)), (TWO, range(1, 2)))),
    "nested": Template(FRAME, (Ref(TWO, 0), BLOB, 5, ListOf(((ONE, range(1, 3)),)))),
}
N = 3
COLUMNS: dict[str, Column] = {
    **{f"the same {name}": Const(slot) for name, slot in SLOTS.items()},
    "immediates": Immediates([1, 2, 3]),
    "each": Values([SLOTS["ref"], SLOTS["nested"], SLOTS["content"]]),
    "range": Range(ONE, 4, 2),
    "gather": Gather(TWO, [2, 0, 2]),
}


NAMES = {id(ONE): "one", id(TWO): "two", id(OTHER): "other"}


class Names(Spelling):
    """A spelling by the names of the nodes of these tests."""

    def content(self, content: Content, holes: int = 0) -> Any:
        return bytes(content.data), holes

    def output(self, node: Any, index: int) -> Any:
        return NAMES[id(node)], index

    def part(self, node: Any, indexes: range) -> Any:
        return NAMES[id(node)], *indexes

    def immediate(self, value: Any) -> Any:
        return value


def named(runs: Any) -> list[tuple[int, int]]:
    return [(id(node), index) for node, indexes in runs for index in indexes]


# The outputs of one node are those of another, ten places on.
MOVES = Moves({id(ONE): (OTHER, 10)})


class Turned(Replacement):
    """The outputs of one node are those of another, the other way round."""

    def output(self, node: Any, index: int) -> Ref | None:
        return Ref(OTHER, 99 - index) if node is ONE else None

    def column(self, node: Any, indexes: Any) -> Values | None:
        return Values([Ref(OTHER, 99 - index) for index in indexes]) if node is ONE else None

    def covers(self, node: Any) -> bool:
        return node is ONE

    def outputs(self, node: Any, indexes: range) -> list[NodeRun]:
        return [(OTHER, range(99 - index, 100 - index)) for index in indexes]


class Inside(Replacement):
    """The outputs of one node are what step 3 makes for the same element."""

    def output(self, node: Any, index: int) -> FromStep | None:
        return FromStep(3) if node is ONE else None

    def column(self, node: Any, indexes: Any) -> FromStep | None:
        return self.output(node, 0)

    def covers(self, node: Any) -> bool:
        return node is ONE


def spelled(slot: Any) -> Any:
    return visit(slot, Names())


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_column_needs_what_its_elements_need(column: Column) -> None:
    elements = {output for i in range(N) for output in named(refs_of(column.at(i)))}
    assert set(named(column.outputs(N))) == elements
    found: dict[int, Any] = {}
    column.add_sources(found)
    assert set(found) == {node for node, _ in elements}
    assert column.length in (None, N)


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_what_is_captured_in_a_column_is_what_its_elements_capture(column: Column) -> None:
    in_elements = [content for i in range(N) for content in contents_of(column.at(i))]
    counted = [content for content, times in column.contents(N) for _ in range(times)]
    assert sorted(map(id, counted)) == sorted(map(id, in_elements))


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("by", [MOVES, Turned(), Inside()], ids=["moves", "turned", "inside"])
def test_to_replace_outputs_is_to_replace_those_of_each_element(
    column: Column, by: Replacement
) -> None:
    new = column.replaced(by, N)
    for i in range(N):
        assert spelled(new.at(i)) == spelled(substitute(column.at(i), by))


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_column_in_which_nothing_is_replaced_is_the_same_object(column: Column) -> None:
    assert column.replaced(Replacement(), N) is column


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_part_of_a_column_has_the_elements_of_that_part(column: Column) -> None:
    part = column.take(1, 3)
    assert [spelled(part.at(i)) for i in range(2)] == [spelled(column.at(i)) for i in (1, 2)]
    assert part.length in (None, 2)


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_the_compact_column_of_slot_values_has_these_slot_values(column: Column) -> None:
    slots = [column.at(i) for i in range(N)]
    expected = [spelled(substitute(slot, MOVES)) for slot in slots]
    for made in (column_of(slots, MOVES), compacted(column, MOVES, N)):
        assert [spelled(made.at(i)) for i in range(N)] == expected


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_the_uses_of_a_column_are_the_nodes_that_it_needs(column: Column) -> None:
    found: dict[int, Any] = {}
    column.add_sources(found)
    assert {id(node) for node, _ in column.uses(N)} == set(found)


def test_elements_in_step_are_those_that_use_the_output_of_their_own_place() -> None:
    node = Node()
    node.n = N
    in_step = [Range(node, 0, 1), Values([Ref(node, 0), Template(FRAME, (Ref(node, 1),)), 5])]
    others = [
        Range(node, 1, 1),
        Gather(node, [0, 1, 2]),
        Const(Ref(node, 0)),
        Values([ListOf(((node, range(2)),)), Ref(node, 1), Ref(node, 2)]),
    ]
    assert [all(aligned for _, aligned in column.uses(N)) for column in in_step] == [True] * 2
    assert [all(aligned for _, aligned in column.uses(N)) for column in others] == [False] * 4
    node.n = 1
    assert list(Const(Ref(node, 0)).uses(1)) == [(node, True)]


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_equal_columns_are_spelled_alike_and_others_are_not(column: Column) -> None:
    mine = column.accept(Names(), N)
    assert [c for c in COLUMNS.values() if c.accept(Names(), N) == mine] == [column]
    hash(mine)


def test_to_release_lets_go_of_every_anchor() -> None:
    ref, some, run = Ref(ONE, 0, "a"), ListOf(((ONE, range(2)),), "b"), Range(ONE, 0, 1, "c")
    for column in (Const(Template(FRAME, (ref, 5))), Values([some, BLOB, 1]), run, Immediates([1])):
        column.release()
    assert (ref.liveness, some.liveness_of, run.liveness) == (None, (), None)


def test_a_step_before_stands_for_itself() -> None:
    assert FromStep(2).at(5).step == 2
    assert Const(FromStep(2)).accept(Names(), N) == ("const", ("step", 2))
    assert list(FromStep(2).outputs(N)) == []


def test_the_steps_of_a_column_are_found_at_any_depth() -> None:
    assert list(FromStep(2).steps()) == list(steps_of(FromStep(2))) == [2]
    assert list(Values([5, BLOB, Template(FRAME, (FromStep(1), FromStep(4)))]).steps()) == [1, 4]
