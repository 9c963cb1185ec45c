"""The drawing of tasks as a cluster knows them, whatever client submitted them.

Enters: tasks with what they need and make, and the objects of their session. Leaves: a `Drawing`,
in which tasks of one name, depth, origin and options are one box, with the status of its tasks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pymonik.graph.draw.model import Box, Drawing, Link, status_of

# Of more names side by side, those that differ in their numbers only are one fan-out.
_NUMBERED = 6
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24,}", re.IGNORECASE)
_ERRORS, _ERROR_LENGTH = 3, 200


@dataclass(frozen=True)
class Task:
    """One task of a session.

    inputs and outputs: ids of objects. ancestors: the tasks that led to it, the one that submitted
    it last; none for those of a client. status: waiting, running, done, failed or cancelled.
    seconds: what it took, once it has ended. facts: its options. error: why it failed. attempts:
    how often it was tried. worker: where it ran, from `started` on (s since 1970). limit: the
    seconds that its cluster gives it.
    """

    id: str
    name: str
    status: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    ancestors: tuple[str, ...] = ()
    seconds: float | None = None
    facts: tuple[tuple[str, str], ...] = ()
    error: str = ""
    attempts: int = 1
    worker: str = ""
    started: float = 0.0
    limit: float | None = None


@dataclass(frozen=True)
class Stored:
    """An object of a session: its name and its bytes, 0 before it is there."""

    name: str
    size: int


def drawing_of_tasks(tasks: Sequence[Task], objects: Mapping[str, Stored]) -> Drawing:
    """Draw tasks; what they use and none of them makes is an object of its own."""
    return Session(tasks, objects).drawing()


def with_subtasks(drawing: Drawing, tasks: Sequence[Task]) -> Drawing:
    """Add what tasks made themselves to the drawing of what was recorded, below their makers."""
    whole = drawing_of_tasks(tasks, {})
    inner = {link.target for link in whole.links if link.kind != "values"}
    known = {title: n for n, box in reversed([*enumerate(drawing.boxes)]) for title in box.titles}
    boxes, places = [*drawing.boxes], {}
    for number, box in enumerate(whole.boxes):
        if number in inner:
            places[number] = len(boxes)
            boxes.append(box)
        elif box.titles[-1] in known:
            places[number] = known[box.titles[-1]]
    links = (
        replace(link, source=places[link.source], target=places[link.target])
        for link in whole.links
        if link.source in places and link.target in inner
    )
    return Drawing(tuple(boxes), (*drawing.links, *links))


class Session:
    """What leads to what, and the boxes made so far, in an order in which they could run."""

    def __init__(self, tasks: Sequence[Task], objects: Mapping[str, Stored]) -> None:
        self.tasks = {task.id: task for task in tasks}
        self.objects = objects
        # Of the tasks that promised an output, the last descendant makes it: it was delegated to.
        order = sorted(tasks, key=lambda task: len(task.ancestors))
        self.makers = {output: task.id for task in order for output in task.outputs}
        self.levels = self._levels()
        self.titles = self._titles()
        self.boxes: list[Box] = []
        self.links: Counter[tuple[int, int, str]] = Counter()
        # The box of a task, and that of an object, by their ids.
        self.places: dict[str, int] = {}
        self.shelves: dict[str, int] = {}

    def parent(self, task: Task) -> Task | None:
        return self.tasks.get(task.ancestors[-1]) if task.ancestors else None

    def is_heir(self, task: Task) -> bool:
        """Tell whether a sub-task makes what the task that submitted it had promised."""
        parent = self.parent(task)
        outputs = parent.outputs if parent is not None else ()
        return any(self.makers[output] == task.id for output in outputs)

    def _levels(self) -> dict[str, int]:
        """Give the depth of each task: below what it uses, and below who submitted it."""
        users: dict[str, list[str]] = {id: [] for id in self.tasks}
        missing: dict[str, int] = {}
        for id, task in self.tasks.items():
            sources = {self.makers[i] for i in task.inputs if i in self.makers}
            parent = self.parent(task)
            sources |= {parent.id} if parent is not None else set()
            missing[id] = len(sources)
            for source in sources:
                users[source].append(id)
        levels = {id: 0 for id, count in missing.items() if not count}
        ready = list(levels)
        while ready:
            id = ready.pop()
            for user in users[id]:
                levels[user] = max(levels.get(user, 0), levels[id] + 1)
                missing[user] -= 1
                if not missing[user]:
                    ready.append(user)
        return levels

    def _titles(self) -> dict[str, str]:
        """Name tasks so that a fan-out has one name: many that differ in numbers lose these."""
        names: dict[object, set[str]] = {}
        for id, task in self.tasks.items():
            names.setdefault((self.levels[id], task.facts), set()).add(task.name)
        many = {key for key, some in names.items() if len(some) > _NUMBERED}
        return {
            id: plain(task.name) if (self.levels[id], task.facts) in many else task.name
            for id, task in self.tasks.items()
        }

    def drawing(self) -> Drawing:
        groups: dict[object, list[Task]] = {}
        for task in sorted(self.tasks.values(), key=lambda task: self.levels[task.id]):
            parent = self.parent(task)
            origin = parent and (self.levels[parent.id], self.titles[parent.id])
            heir = self.is_heir(task)
            key = (self.levels[task.id], self.titles[task.id], task.facts, origin, heir)
            groups.setdefault(key, []).append(task)
        for group in groups.values():
            self._shelve(group)
            self.places.update((task.id, len(self.boxes)) for task in group)
            self.boxes.append(self._box(group))
            for task in group:
                self._link(task)
        links = (Link(a, b, count, kind) for (a, b, kind), count in self.links.items())
        return Drawing(tuple(self.boxes), tuple(links))

    def _outer(self, group: Sequence[Task]) -> list[str]:
        """Give the objects that a group uses and no task makes."""
        ids = (id for task in group for id in task.inputs if id not in self.makers)
        return list(dict.fromkeys(ids))

    def _shelve(self, group: Sequence[Task]) -> None:
        """Make boxes for objects that are used for the first time, one a name."""
        names: dict[str, list[str]] = {}
        for id in self._outer(group):
            if id not in self.shelves:
                stored = self.objects.get(id)
                names.setdefault(stored.name if stored else "", []).append(id)
        for name, some in names.items():
            self.shelves.update(dict.fromkeys(some, len(self.boxes)))
            size = self._size(some)
            self.boxes.append(Box((name or "object",), len(some), kind="object", reads=size))

    def _size(self, ids: Sequence[str]) -> int:
        return sum(self.objects[id].size for id in ids if id in self.objects)

    def _box(self, group: Sequence[Task]) -> Box:
        counts = Counter(task.status for task in group)
        notes = [
            ", ".join(f"{n:,} {name}" if len(group) > 1 else name for name, n in counts.items())
        ]
        parent = self.parent(group[0])
        if parent is not None:
            words = "stands for" if self.is_heir(group[0]) else "made by"
            notes.append(f"{words} {self.titles[parent.id]}")
        spent = [task.seconds for task in group if task.seconds is not None]
        attempts = sum(task.attempts for task in group)
        errors = dict.fromkeys(task.error[:_ERROR_LENGTH] for task in group if task.error)
        return Box(
            tuple(self.titles[group[0].id].split("; ")),
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

    def _link(self, task: Task) -> None:
        place = self.places[task.id]
        for id in task.inputs:
            source = self.places.get(self.makers.get(id, ""), self.shelves.get(id))
            if source is not None:
                self.links[source, place, "values"] += 1
        parent = self.parent(task)
        if parent is not None:
            kind = "delegated" if self.is_heir(task) else "made"
            self.links[self.places[parent.id], place, kind] += 1


def plain(name: str) -> str:
    """Give a name without the numbers at its end."""
    return "task" if _GUID.fullmatch(name) else re.sub(r"[\W_]*\d+\W*$", "", name) or "task"
