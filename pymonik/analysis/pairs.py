"""Which nodes of two graphs stand for one another.

Enters: the nodes of both, calls of one task and depth folded into one. Leaves: pairs, and what only
one of them has. Nodes of one name are matched in order, first those that were given the same: so a
scenario more, at either end of a loop, is one node that is new, and not as many that have changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from pymonik.capture.text.fingerprint import content_digest
from pymonik.graph.ir import Put
from pymonik.graph.spelling import Spelling
from pymonik.humanize import literal
from pymonik.values.content import Content

Pair = tuple[Any, Any]


def name_of(node: Any) -> str:
    """Return what a node is called by."""
    return node.label or "object" if isinstance(node, Put) else str(node.name)


def paired(old: Sequence[Any], new: Sequence[Any]) -> list[Pair]:
    """Return pairs of nodes in the order of `new`; None stands where one graph has no such node.

    Those that only `old` has come first.
    """
    pairs: list[Pair] = []
    ours, theirs = _by_name(old), _by_name(new)
    for key in dict.fromkeys([*ours, *theirs]):
        pairs += _aligned(ours.get(key, []), theirs.get(key, []))
    places = {id(node): place for place, node in enumerate(new)}
    return sorted(pairs, key=lambda pair: places.get(id(pair[1]), -1))


def _by_name(nodes: Sequence[Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for node in nodes:
        groups.setdefault((name_of(node), isinstance(node, Put)), []).append(node)
    return groups


def _aligned(old: list[Any], new: list[Any]) -> Iterator[Pair]:
    if len(old) == len(new) == 1:
        yield old[0], new[0]
        return
    before, after = [*map(_given, old)], [*map(_given, new)]
    start = 0  # so that the long comparison is only of what differs
    while start < min(len(old), len(new)) and before[start] == after[start]:
        start += 1
    yield from zip(old[:start], new[:start])
    old, new = old[start:], new[start:]
    matcher = SequenceMatcher(None, before[start:], after[start:], autojunk=False)
    for _, a, b, c, d in matcher.get_opcodes():
        yield from zip_longest(old[a:b], new[c:d])


def _given(node: Any) -> Any:
    """Return what is equal for nodes that are given the same, values of tasks by their names."""
    if isinstance(node, Put):
        return content_digest(node.content)
    return tuple(column.accept(_GIVEN, node.n) for step in node.steps for column in step.columns)


class _Given(Spelling):
    """What nodes are given: values of tasks have the names of these."""

    def content(self, content: Content, holes: int = 0) -> Any:
        """Return what is equal for equal contents of two graphs."""
        return content_digest(content, holes)

    def output(self, node: Any, index: int) -> Any:
        """Return whose value it is, and which."""
        return name_of(node), index

    def part(self, node: Any, indexes: range) -> Any:
        """Return whose values they are, and how many."""
        return name_of(node), len(indexes)

    def immediate(self, value: Any) -> Any:
        """Return what is equal for equal values of one type."""
        return type(value), literal(value)


_GIVEN = _Given()
