"""The verbs of columns and slot values agree with each other, whatever the kind."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik.graph.columns import Column, Const, Gather, Immediates, Range, Same, Values
from pymonik.graph.slots import ListOf, Ref, Template, contents_of, refs_of, spelled, substitute
from pymonik.values.content import Content


class Node:
    """Something whose values are named."""


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


class Names:
    """A spelling by the names of the nodes of these tests."""

    def content(self, content: Content, holes: int) -> Any:
        return bytes(content.data), holes

    def output(self, node: Any, index: int) -> Any:
        return NAMES[id(node)], index

    def outputs(self, node: Any, indexes: range) -> Any:
        return NAMES[id(node)], *indexes

    def immediate(self, value: Any) -> Any:
        return value


def named(runs: Any) -> list[tuple[int, int]]:
    return [(id(node), index) for node, indexes in runs for index in indexes]


def elsewhere(node: Any, index: int) -> tuple[Any, int]:
    """Let the outputs of one node be those of another, ten places on."""
    return (OTHER, index + 10) if node is ONE else (node, index)


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
def test_to_replace_outputs_is_to_replace_those_of_each_element(column: Column) -> None:
    new = column.replaced(elsewhere)
    for i in range(N):
        expected = spelled(substitute(column.at(i), elsewhere), Names())
        assert spelled(new.at(i), Names()) == expected
    same = column.replaced(lambda node, index: (node, index))
    assert spelled(same, Names()) == spelled(column, Names())


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_equal_columns_are_spelled_alike_and_others_are_not(column: Column) -> None:
    alike = [c for c in COLUMNS.values() if spelled(c, Names()) == spelled(column, Names())]
    assert alike == [column]
    hash(spelled(column, Names()))


def test_to_release_lets_go_of_every_value() -> None:
    ref, some, run = Ref(ONE, 0, "a"), ListOf(((ONE, range(2)),), "b"), Range(ONE, 0, 1, "c")
    for column in (Const(Template(FRAME, (ref, 5))), Values([some, BLOB, 1]), run, Immediates([1])):
        column.release()
    assert (ref.liveness, some.liveness_of, run.liveness) == (None, (), None)


def test_a_step_before_stands_for_itself() -> None:
    assert Same(2).at(5).step == 2
    assert spelled(Const(Same(2)), Names()) == (Const, (Same, 2))
    assert list(Same(2).outputs(N)) == []
