"""The drawing of tasks as a cluster knows them.

Enters: the tasks of a session, and its objects. Leaves: a `Drawing`, in which tasks of one name,
depth, origin and options are one box, with the status of its tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pymonik.analysis.session.tasks import SessionObject, SessionTask, TaskGraph, object_titles
from pymonik.draw.model import Box, Drawing, Link, status_of

# Errors that are shown of a group of tasks, and characters of each.
_ERRORS, _ERROR_LENGTH = 3, 200


def drawing_of_tasks(tasks: Sequence[SessionTask], objects: Mapping[str, SessionObject]) -> Drawing:
    """Draw tasks; what they use and none of them makes is an object of its own."""
    return _Boxes(TaskGraph(tasks, objects)).drawing()


def with_subtasks(drawing: Drawing, tasks: Sequence[SessionTask]) -> Drawing:
    """Add what tasks made themselves to the drawing of what was recorded, below their makers."""
    whole = drawing_of_tasks(tasks, {})
    inner = {link.target for link in whole.links if link.kind != "values"}
    numbers = {title: n for n, box in reversed([*enumerate(drawing.boxes)]) for title in box.titles}
    boxes, places = [*drawing.boxes], {}
    for number, box in enumerate(whole.boxes):
        if number in inner:
            places[number] = len(boxes)
            boxes.append(box)
        elif box.titles[-1] in numbers:
            places[number] = numbers[box.titles[-1]]
    links = (
        replace(link, source=places[link.source], target=places[link.target])
        for link in whole.links
        if link.source in places and link.target in inner
    )
    return Drawing(tuple(boxes), (*drawing.links, *links))


class _Boxes:
    """The boxes made so far of a session, in an order in which they could run."""

    def __init__(self, graph: TaskGraph) -> None:
        self.graph = graph
        self.boxes: list[Box] = []
        self.links: Counter[tuple[int, int, str]] = Counter()
        # The box of a task, and that of an object, by their ids.
        self.places: dict[str, int] = {}
        self.shelves: dict[str, int] = {}

    def drawing(self) -> Drawing:
        groups: dict[object, list[SessionTask]] = {}
        for task in sorted(self.graph.tasks.values(), key=lambda task: self.graph.levels[task.id]):
            parent = self.graph.parent(task)
            origin = parent and (self.graph.levels[parent.id], self.graph.titles[parent.id])
            title, is_tail = self.graph.titles[task.id], self.graph.is_tail(task)
            key = (self.graph.levels[task.id], title, task.facts, origin, is_tail)
            groups.setdefault(key, []).append(task)
        for group in groups.values():
            self._shelve(group)
            self.places.update((task.id, len(self.boxes)) for task in group)
            self.boxes.append(self._box(group))
            for task in group:
                self._link(task)
        links = (Link(a, b, count, kind) for (a, b, kind), count in self.links.items())
        return Drawing(tuple(self.boxes), tuple(links))

    def _outer(self, group: Sequence[SessionTask]) -> list[str]:
        """Return the objects that a group uses and no task makes."""
        ids = (id for task in group for id in task.inputs if id not in self.graph.makers)
        return list(dict.fromkeys(ids))

    def _shelve(self, group: Sequence[SessionTask]) -> None:
        """Make boxes for objects that are used for the first time, one a name."""
        names: dict[str, list[str]] = {}
        for id in self._outer(group):
            if id not in self.shelves:
                stored = self.graph.objects.get(id)
                names.setdefault(stored.name if stored else "", []).append(id)
        titles: dict[str, list[str]] = {}
        for name, title in object_titles(names).items():
            titles.setdefault(title, []).extend(names[name])
        for title, ids in titles.items():
            self.shelves.update(dict.fromkeys(ids, len(self.boxes)))
            size = self._size(ids)
            self.boxes.append(Box((title,), len(ids), kind="object", reads=size))

    def _size(self, ids: Sequence[str]) -> int:
        return sum(self.graph.objects[id].size for id in ids if id in self.graph.objects)

    def _box(self, group: Sequence[SessionTask]) -> Box:
        counts = Counter(task.status for task in group)
        notes = [
            ", ".join(f"{n:,} {name}" if len(group) > 1 else name for name, n in counts.items())
        ]
        parent = self.graph.parent(group[0])
        if parent is not None:
            words = "stands for" if self.graph.is_tail(group[0]) else "made by"
            notes.append(f"{words} {self.graph.titles[parent.id]}")
        spent = [task.seconds for task in group if task.seconds is not None]
        attempts = sum(task.attempts for task in group)
        errors = dict.fromkeys(task.error[:_ERROR_LENGTH] for task in group if task.error)
        return Box(
            tuple(self.graph.titles[group[0].id].split("; ")),
            len(group),
            reads=self._size(self._outer(group)),
            facts=(
                *group[0].facts,
                *([("seconds", f"{sum(spent):.4g}")] if spent else []),
                *([("longest", f"{max(spent):.4g} s")] if len(spent) > 1 else []),
                *([("attempts", f"{attempts:,}")] if attempts > len(group) else []),
                *(("error", error) for error in list(errors)[:_ERRORS]),
            ),
            status=status_of(counts),
            notes=tuple(notes),
        )

    def _link(self, task: SessionTask) -> None:
        place = self.places[task.id]
        for id in task.inputs:
            source = self.places.get(self.graph.makers.get(id, ""), self.shelves.get(id))
            if source is not None:
                self.links[source, place, "values"] += 1
        parent = self.graph.parent(task)
        if parent is not None:
            kind = "delegated" if self.graph.is_tail(task) else "made"
            self.links[self.places[parent.id], place, kind] += 1
