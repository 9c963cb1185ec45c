"""cluster: make several levels of a graph of small calls one unit.

Where a level of a graph has few calls, such as a row of a stencil, units of one level are small,
and each waits for those of the level before: the way there and back then costs more than the calls.
Levels are taken together in bands, and bands cut into strips (`bands`), as high as the loss of
parallelism allows: no path of units is longer than max(span, work / slots) where durations are
given, and, where they are not, than span + work / slots, the length of any greedy schedule (Brent
1974). A unit of such calls that turns out to be long hands back what it has not begun.

Wide maps stay maps, which are cheaper a call, and so do calls that need a unit of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pymonik.graph.bands import Cluster, Grain, clusters
from pymonik.graph.blocks import Clustered, in_blocks
from pymonik.graph.elements import ElementGraph
from pymonik.graph.ir import Graph, Map, inputs
from pymonik.graph.phases import WIDE, affinity_of, groups_of, phases_of
from pymonik.settings import settings
from pymonik.system.structs import replace

if TYPE_CHECKING:
    from pymonik.graph.target import Target

# Of fewer levels there is nothing to win: a map and what gathers it have two.
_LEVELS = 3
# Blocks are worth it where there are a quarter fewer of them than units of single levels.
_FEWER = 0.75
# So many elements tell how high the bands of a large graph may be.
_SAMPLE = 200
# Of a graph of more elements, of which some stay apart, nobody looks for the longest path.
_MOST = 20_000
# Levels a band. Each try costs a look at the sample: steps of a half to a third lose no more of it.
_HEIGHTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


def cluster(graph: Graph, target: Target) -> Graph:
    """Make units of small calls of several levels."""
    if not target.grain or any(isinstance(node, Map) and node.is_block for node in graph.nodes):
        return graph
    phases, is_given = phases_of(graph, lambda node: _affinity(node, target)), _is_given(graph)
    blocks: list[Clustered] = []
    notes: list[str] = []
    for (phase, _), maps in groups_of(graph, phases).items():
        elements = ElementGraph(maps)
        dealt = _clusters(elements, target, is_given)
        if dealt is not None:
            blocks.append(Clustered(elements, dealt, phase))
            notes.append(
                f"clustered {sum(elements.calls)} calls of {max(elements.levels) + 1} levels "
                f"into {len(set(dealt.values()))} units"
            )
    if not blocks:
        return graph
    made = in_blocks(graph, blocks, {key: phase for key, (phase, _) in phases.items()})
    if len(blocks[0].elements.first) < len(phases) and not _is_short(graph, made, target, is_given):
        return graph
    return replace(made, notes=(*graph.notes, *notes))


def _is_given(graph: Graph) -> bool:
    """Return whether somebody has said how long a call takes."""
    maps = (node for node in graph.nodes if isinstance(node, Map))
    return any(step.spec.options.cost is not None for node in maps for step in node.steps)


def _is_short(graph: Graph, made: Graph, target: Target, is_given: bool) -> bool:
    """Return whether the longest path of a graph keeps the bound that each of its parts keeps."""
    maps = [node for node in graph.nodes if isinstance(node, Map)]
    work = sum(seconds_of(node) * node.n for node in maps)
    if sum(node.n for node in maps) > _MOST:
        return False
    before = ElementGraph(maps)
    longest = path(before, range(len(before)))
    return longest_of(made) <= _bound(longest, work, target, is_given)


def _bound(longest: float, work: float, target: Target, is_given: bool) -> float:
    share = work / max(1, target.slots)
    # The same sum in another order may differ in its last digits.
    return (max(longest, share) if is_given else longest + share) * (1 + 1e-9)


def _affinity(node: Map, target: Target) -> Any:
    """Return what calls must agree on to share a block; None for calls that stay as they are."""
    if not node.n or node.n * len(node.steps) > min(target.grain, WIDE) * max(1, target.slots):
        return None
    seconds = target.durations.get(node.name)
    if seconds is not None and seconds > settings().unit_seconds / target.grain:
        return None
    return affinity_of(node, target)


def _clusters(elements: ElementGraph, target: Target, is_given: bool) -> dict[int, Cluster] | None:
    """Return the cluster of each element, None where units of single levels are as good."""
    if max(elements.levels) + 1 < _LEVELS:
        return None
    # Neighbours as they were recorded, as in the rows of a grid, or as they are used together.
    orders = (range(len(elements)), elements.places())
    cuts = [_Cut(elements, places, target, is_given).coarsest() for places in orders]
    counted = [(len(set(cut.values())), cut) for cut in cuts if cut is not None]
    count, chosen = min(counted, key=lambda one: one[0], default=(0, None))
    return chosen if count <= _FEWER * _apart(elements, target) else None


class _Cut:
    """The ways to cut some elements into clusters that keep the limits."""

    def __init__(
        self, elements: ElementGraph, places: Sequence[int], target: Target, is_given: bool
    ) -> None:
        self._elements, self._target, self._is_given = elements, target, is_given
        self._places = places
        self._grain = Grain(max(1, target.slots), target.grain)

    def coarsest(self) -> dict[int, Cluster] | None:
        """Return the clusters of the highest bands that are allowed, None where none are."""
        for height in self.heights():
            # The sample was allowed; the whole may still break a limit, where it looks different
            # further on.
            cluster_of = self.clusters(range(len(self._elements)), height)
            if cluster_of is not None:
                return cluster_of
        return None

    def heights(self) -> list[int]:
        """Return heights of bands to try, the highest first that a part of the graph allows."""
        sample = self._sample()
        allowed, failed = [1], 0
        for height in _HEIGHTS:
            # One failure may be chance, as of a band that ends amid a row; two in a row are taken
            # for the end.
            if failed > 1 or height > 2 * max(self._elements.levels):
                break
            if self.clusters(sample, height) is None:
                failed += 1
            else:
                failed = 0
                allowed.append(height)
        return sorted(set(allowed), reverse=True)

    def _sample(self) -> list[int]:
        """Return the first elements of a graph by their levels, some hundreds of a large one."""
        levels = self._elements.levels
        counts = [0] * (max(levels) + 1)
        for level in levels:
            counts[level] += 1
        left, last = max(_SAMPLE, 4 * max(counts)), 0
        while last < len(counts) and left > 0:
            left -= counts[last]
            last += 1
        return [number for number, level in enumerate(levels) if level < last]

    def clusters(self, numbers: Sequence[int], height: int) -> dict[int, Cluster] | None:
        """Return the clusters of bands so high, None where they break a limit."""
        elements = self._elements
        cluster_of = clusters(elements, numbers, self._places, height, self._grain)
        sizes: dict[Cluster, int] = {}
        for number, cluster in cluster_of.items():
            sizes[cluster] = sizes.get(cluster, 0) + elements.calls[number]
        single = max(elements.calls[number] for number in numbers)
        if max(sizes.values()) > max(self._grain.calls, single):
            return None
        work = sum(elements.seconds[number] for number in numbers)
        bound = _bound(path(elements, numbers), work, self._target, self._is_given)
        return cluster_of if span(elements, cluster_of) <= bound else None


def _apart(elements: ElementGraph, target: Target) -> int:
    """Return how many units the maps of the elements would make, one a slot."""
    slots = max(1, target.slots)
    maps = {id(node): node for node, _ in elements.of}.values()
    return sum(-(-node.n // max(1, node.n // slots)) for node in maps)


def span(elements: ElementGraph, cluster_of: Mapping[int, Cluster]) -> float:
    """Return the longest path through clusters, in seconds."""
    lasting: dict[Cluster, float] = {}
    needed: dict[Cluster, set[Cluster]] = {}
    for number, cluster in cluster_of.items():
        lasting[cluster] = lasting.get(cluster, 0.0) + elements.seconds[number]
        sources = needed.setdefault(cluster, set())
        sources.update([cluster_of[one] for one in elements.needs[number] if one in cluster_of])
    ends: dict[Cluster, float] = {}
    for cluster in sorted(lasting):
        start = max([ends[one] for one in needed[cluster] if one != cluster], default=0.0)
        ends[cluster] = start + lasting[cluster]
    return max(ends.values(), default=0.0)


def path(elements: ElementGraph, numbers: Iterable[int]) -> float:
    """Return the longest path through some elements, in seconds."""
    ends: dict[int, float] = {}
    for number in numbers:
        start = max([ends.get(one, 0.0) for one in elements.needs[number]], default=0.0)
        ends[number] = start + elements.seconds[number]
    return max(ends.values(), default=0.0)


def longest_of(graph: Graph) -> float:
    """Return the longest path through maps, each as long as an element, and blocks, in seconds."""
    ends: dict[int, float] = {}
    for node in graph.nodes:
        if isinstance(node, Map):
            start = max([ends.get(id(source), 0.0) for source in inputs(node)], default=0.0)
            ends[id(node)] = start + seconds_of(node)
    return max(ends.values(), default=0.0)


def seconds_of(node: Map) -> float:
    """Return the seconds of an element.

    A call of which nothing is known counts as a second: paths compare by their length then.
    """
    return sum(step.spec.options.cost or 1.0 for step in node.steps)
