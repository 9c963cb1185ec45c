"""Large drawings made small: runs of like boxes become one, then all boxes of a task.

Enters: a drawing. Leaves: a smaller one, whose groups say how many levels they stand for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from pymonik.draw.model import Box, Drawing, Link, status_of

# A run of fewer like boxes is clearer when each is drawn.
_RUN = 4
# A drawing of more boxes is not read any more, it is searched.
_CLEAR = 40


def summarized(drawing: Drawing, most: int = _CLEAR) -> Drawing:
    """Fold runs of like boxes; if more than `most` are left, fold further, up to one box a task."""
    drawing = _with_runs_folded(drawing, lambda box: (box.kind, box.titles, box.count))
    if len(drawing.boxes) > most:
        drawing = _with_runs_folded(drawing, lambda box: (box.kind, box.titles))
    return drawing if len(drawing.boxes) <= most else _with_tasks_folded(drawing)


def _with_runs_folded(drawing: Drawing, likeness: Callable[[Box], object]) -> Drawing:
    """Fold boxes that stand alike behind one another: `a → a → a → a` is one `a` of four levels."""
    sources: list[set[int]] = [set() for _ in drawing.boxes]
    targets: list[set[int]] = [set() for _ in drawing.boxes]
    for link in drawing.links:
        sources[link.target].add(link.source)
        targets[link.source].add(link.target)
    run_of = list(range(len(drawing.boxes)))
    for number, box in enumerate(drawing.boxes):
        for before in sources[number]:
            first = run_of[before]
            # What else it uses, the first of the run used as well: so it is there before the run.
            alike = likeness(drawing.boxes[before]) == likeness(box)
            if (
                alike
                and sources[number] - {before} <= sources[first]
                and _is_last(before, number, targets[before], drawing, likeness)
            ):
                run_of[number] = first
                break
    sizes = Counter(run_of)
    groups = [first if sizes[first] >= _RUN else number for number, first in enumerate(run_of)]
    return _grouped(drawing, groups)


def _is_last(
    before: int,
    number: int,
    targets: set[int],
    drawing: Drawing,
    likeness: Callable[[Box], object],
) -> bool:
    """Return whether `number` alone, of all boxes alike, was or could be joined behind `before`."""
    like = likeness(drawing.boxes[number])
    return not any(other != number and likeness(drawing.boxes[other]) == like for other in targets)


def _with_tasks_folded(drawing: Drawing) -> Drawing:
    """Fold all boxes of a task; tasks that feed each other in turn become one box."""
    import networkx

    first: dict[object, int] = {}
    groups = [first.setdefault((b.kind, b.titles), n) for n, b in enumerate(drawing.boxes)]
    tasks: networkx.DiGraph[int] = networkx.DiGraph()
    tasks.add_nodes_from(groups)
    tasks.add_edges_from((groups[link.source], groups[link.target]) for link in drawing.links)
    for members in networkx.strongly_connected_components(tasks):
        for member in members:
            first_of_all = min(members)
            groups = [first_of_all if group == member else group for group in groups]
    return _grouped(drawing, groups)


def _grouped(drawing: Drawing, groups: Sequence[int]) -> Drawing:
    """Merge the boxes of each group; the groups' links must not make a circle."""
    members: dict[int, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    links: dict[tuple[int, int, str], int] = {}
    for link in drawing.links:
        ends = groups[link.source], groups[link.target], link.kind
        if ends[0] != ends[1]:
            links[ends] = links.get(ends, 0) + link.values
    order = _sorted(list(members), [(a, b) for a, b, _ in links])
    place = {group: number for number, group in enumerate(order)}
    boxes = [_merged(drawing, members[group]) for group in order]
    renamed = [Link(place[a], place[b], n, kind) for (a, b, kind), n in links.items()]
    return Drawing(tuple(boxes), tuple(renamed))


def _sorted(groups: list[int], links: list[tuple[int, int]]) -> list[int]:
    """Put groups in an order in which they could run."""
    from graphlib import TopologicalSorter

    sorter: TopologicalSorter[int] = TopologicalSorter()
    for group in groups:
        sorter.add(group)
    for source, target in links:
        sorter.add(target, source)
    return list(sorter.static_order())


def _merged(drawing: Drawing, numbers: list[int]) -> Box:
    boxes = [drawing.boxes[number] for number in numbers]
    if len(boxes) == 1:
        return boxes[0]
    return replace(
        boxes[0],
        titles=tuple(dict.fromkeys(title for box in boxes for title in box.titles)),
        count=sum(box.count for box in boxes),
        units=sum(box.units for box in boxes),
        kind="group",
        wanted=any(box.wanted for box in boxes),
        sites=tuple(dict.fromkeys(site for box in boxes for site in box.sites)),
        reads=sum(box.reads for box in boxes),
        levels=_levels(_cut(drawing, numbers)),
        origins=tuple(origin for box in boxes for origin in box.origins),
        members=_part(drawing, numbers),
        status=status_of(Counter(box.status for box in boxes)),
        notes=boxes[0].notes if len({box.notes for box in boxes}) == 1 else (),
    )


def _levels(inside: Drawing) -> int:
    """Count the levels of a group: boxes that stand side by side share one."""
    begins = [0] * len(inside.boxes)
    # Boxes are in an order in which they could run, so each begins where its last source ends.
    for link in sorted(inside.links, key=lambda link: link.target):
        ends = begins[link.source] + inside.boxes[link.source].levels
        begins[link.target] = max(begins[link.target], ends)
    return max(begin + box.levels for begin, box in zip(begins, inside.boxes))


def _part(drawing: Drawing, numbers: list[int]) -> Drawing:
    """Return what is inside a group; many boxes in turn as groups of neighbours in the order."""
    part = _cut(drawing, numbers)
    if len(numbers) <= _CLEAR:
        return part
    # Links go from smaller to larger numbers, so those of consecutive ranges make no circle.
    size = -(-len(numbers) // _CLEAR)
    return _grouped(part, [rank - rank % size for rank in range(len(numbers))])


def _cut(drawing: Drawing, numbers: list[int]) -> Drawing:
    """Return some boxes, and the links between them."""
    place = {number: rank for rank, number in enumerate(numbers)}
    links = (
        replace(link, source=place[link.source], target=place[link.target])
        for link in drawing.links
        if link.source in place and link.target in place
    )
    return Drawing(tuple(drawing.boxes[number] for number in numbers), tuple(links))


def components(drawing: Drawing) -> list[Drawing]:
    """Split a drawing into the parts that no link joins, largest first; lone boxes are one part."""
    group = list(range(len(drawing.boxes)))

    def root(number: int) -> int:
        while group[number] != number:
            group[number] = number = group[group[number]]
        return number

    for link in drawing.links:
        group[root(link.target)] = root(link.source)
    members: dict[int, list[int]] = {}
    for number in range(len(group)):
        members.setdefault(root(number), []).append(number)
    joined = sorted((each for each in members.values() if len(each) > 1), key=len, reverse=True)
    lone = [each[0] for each in members.values() if len(each) == 1]
    return [_cut(drawing, each) for each in (*joined, lone) if each]
