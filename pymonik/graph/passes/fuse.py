"""fuse: merge a map into the only maps that use it, element by element.

A producer joins the chain of its consumers when element i uses element i, when nobody outside the
chain uses the producer, and when all else the chain needs is there before the producer starts: then
no call waits longer than it did, and the span cannot grow. A chain of calls becomes one unit of
many steps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pymonik.graph.columns import FromStep
from pymonik.graph.ir import Graph, Map, Step
from pymonik.graph.rewrite import rewrite, uses
from pymonik.graph.verbs import Replacement
from pymonik.system.structs import replace

if TYPE_CHECKING:
    from pymonik.graph.target import Target

_SIDE = "its consumer needs values that are made at the same time"
# Of a chain of thousands, so many have a note of their own.
_NOTES = 200


def notes_of_chain(names: Sequence[str]) -> tuple[str, ...]:
    """Return the notes of lone calls of such names, each of which takes the one before."""
    notes = [_note_of(one, other) for one, other in pairwise(names[-1 - _NOTES :])]
    return _brief([""] * (len(names) - 1 - len(notes)) + notes)


def _note_of(name: str, into: str) -> str:
    return f"fused {name} into {into}: single consumer"


class _Chain:
    """Maps that run as one, the last of them first, and the maps that its head needs."""

    __slots__ = ("maps", "needs")

    def __init__(self) -> None:
        self.maps: list[Map] = []
        self.needs: Collection[int] = ()


class _Use:
    """Who uses a map: the one chain that does, if all its uses are element by element."""

    __slots__ = ("aligned", "chain", "shared")

    def __init__(self, chain: _Chain) -> None:
        self.chain = chain
        self.shared = False
        self.aligned = True


def fuse(graph: Graph, target: Target) -> Graph:
    """Fuse chains and element-wise maps over maps."""
    fused: list[str] = []
    while True:
        chains, notes, apart = _sweep(graph)
        if not notes:  # all maps stay as they are
            return replace(graph, notes=graph.notes + _brief(fused + apart))
        fused += notes
        changed = {id(chain.maps[0]): _joined(chain) for chain in chains}
        # A map that was kept apart may join once others have: the chain then needs less.
        if not any(_SIDE in note for note in apart):
            return rewrite(graph, changed, graph.notes + _brief(fused + apart))
        graph = rewrite(graph, changed, graph.notes)


def _sweep(graph: Graph) -> tuple[list[_Chain], list[str], list[str]]:
    """Go once from the last map to the first; return the chains, and notes of what was done."""
    chains: list[_Chain] = []
    used: dict[int, _Use] = {}
    fused: list[str] = []
    apart: list[str] = []
    # Consumers before producers, so that all uses of a map are known when it comes.
    for node in reversed(graph.nodes):
        if not isinstance(node, Map):
            continue
        needs = uses(node)
        use = used.get(id(node))
        reason = _reason(node, needs, use) if use is not None else ""
        if use is None or reason:
            chain = _Chain()
            chains.append(chain)
            apart += [f"kept apart {node.name}: {reason}"] if reason else []
        else:
            chain = use.chain
            # Notes cost more than fusing: of a chain of thousands, the rest is a number.
            is_noted = len(fused) < _NOTES
            fused.append(_note_of(node.name, chain.maps[-1].name) if is_noted else "")
        chain.maps.append(node)
        chain.needs = needs
        # What the head needs is used by the whole chain from now on: the next map joins the head.
        for key, aligned in needs.items():
            use = used.get(key)
            if use is None:
                use = used[key] = _Use(chain)
            use.shared = use.shared or use.chain is not chain
            use.aligned = use.aligned and aligned
    return chains, fused[::-1], apart[::-1]


def _reason(node: Map, needs: Collection[int], use: _Use) -> str:
    """Return why a map stays apart from the chain that uses it; nothing if it may join."""
    chain = use.chain
    if not use.aligned:
        return "not used element by element"
    if use.shared:
        return "several consumers"
    # Of most chains the head needs but this one. It is asked of each link: no generators here.
    if len(chain.needs) > 1 and not all(key in needs for key in chain.needs if key != id(node)):
        return _SIDE
    consumer, producer = chain.maps[-1].spec, node.spec
    if consumer is not producer and consumer.affinity != producer.affinity:
        return "other partition, priority or environment"
    for step in node.steps:
        if step.spec.delegates:
            return "it may delegate"
    # Those behind the last one of a chain were looked at when they joined it.
    if _has_ids(node) or (len(chain.maps) == 1 and _has_ids(chain.maps[0])):
        return "an id was handed out for its value"
    return ""


def _has_ids(node: Map) -> bool:
    for step in node.steps:
        if step.ids:
            return True
    return False


def _joined(chain: _Chain) -> Map:
    """Make one map of a chain: values that flow inside it are those of earlier steps."""
    steps: list[Step] = []
    last: dict[int, int] = {}
    inside = _Inside(last)
    for node in reversed(chain.maps):
        inside.first_step = len(steps)
        for step in node.steps:
            columns = tuple([column.replaced(inside, node.n) for column in step.columns])
            steps.append(Step(step.spec, columns, step.origins, step.wanted))
        last[id(node)] = len(steps) - 1
    return chain.maps[0].of_steps(tuple(steps))


class _Inside(Replacement):
    """Steps of one map stand for the outputs of maps that have joined it.

    last: the last steps of these maps, by their ids. They are used element by element.
    """

    __slots__ = ("_last", "first_step")

    def __init__(self, last: Mapping[int, int]) -> None:
        self._last = last
        self.first_step = 0

    def output(self, node: Any, index: int) -> FromStep | None:
        """Return the step; None for what has not joined."""
        step = self._last.get(id(node))
        return None if step is None else FromStep(step)

    def column(self, node: Any, indexes: Sequence[int]) -> FromStep | None:
        """Return the step; None for what has not joined."""
        return self.output(node, 0)

    def covers(self, node: Any) -> bool:
        """Return whether a map has joined: what its steps make are no outputs."""
        return id(node) in self._last


def _brief(notes: list[str]) -> tuple[str, ...]:
    if len(notes) <= _NOTES:
        return tuple(notes)
    shown = [note for note in notes if note][:_NOTES]
    return (*shown, f"… {len(notes) - len(shown)} more of fuse")
