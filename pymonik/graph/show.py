"""The text of a graph: one line a node. Golden tests, errors and the command line use it.

    %2 = map[50] step(%1[0:50], 0.5) *
    %4 = map[100/25] { %3 = add(0:100, 1); square(%3) }
    %5 = total([%4[0:100]]) *

`%2` is the node's place, `[50]` its length, `/25` the elements a unit takes; `*` marks wanted
values, `?` some of them. `@name` is a value of another program, `%ext` one of an earlier
submission. Immediates stand as themselves, shortened; a content as `#bytes`.
"""

from __future__ import annotations

from typing import Any

from pymonik.graph.ir import Call, External, Graph, Map, Put
from pymonik.values.foreign import harmless


def show(graph: Graph) -> str:
    """Print a graph, one line a node."""
    numbers = {id(node): f"%{place}" for place, node in enumerate(graph.nodes)}
    for other, target in graph.aliases.items():
        numbers[id(other)] = numbers.get(id(target), "%?")
    return "\n".join(harmless(_line(node, numbers)) for node in graph.nodes)


def _line(node: Any, numbers: dict[int, str]) -> str:
    if isinstance(node, (Call, External, Map, Put)):
        return node.line(numbers)
    return f"{numbers[id(node)]} = {node!r:.80}"  # no node at all: `verify` is about to say so
