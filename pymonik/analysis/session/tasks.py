"""Tasks as a cluster knows them, whatever client submitted them.

Enters: tasks with what they need and make, and the objects of their session. Leaves: who makes
what, how deep each stands, and what a group of them is called.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pymonik.analysis.dag import Dag

# Of more names side by side, those that differ in their numbers only are one fan-out.
_NUMBERED = 6
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# How clients of earlier versions name results: by session, kind, function and an id of its own.
_EARLIER = re.compile(rf"{_ID}__(output|payload|function)__(.+?)(?:__{_ID})?", re.IGNORECASE)
_PUT = re.compile(r"pymonik_put(?:_data|_many_data__\d+)__(.+)")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24,}", re.IGNORECASE)


@dataclass(frozen=True)
class SessionTask:
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
class SessionObject:
    """An object of a session: its name and its bytes, 0 before it is there."""

    name: str
    size: int


class TaskGraph:
    """What leads to what among the tasks of a session."""

    def __init__(self, tasks: Sequence[SessionTask], objects: Mapping[str, SessionObject]) -> None:
        self.tasks = {task.id: task for task in tasks}
        self.objects = objects
        # Of the tasks that promised an output, the last descendant makes it: it was delegated to.
        order = sorted(tasks, key=lambda task: len(task.ancestors))
        self.makers = {output: task.id for task in order for output in task.outputs}
        self.dag = self._dag()
        self.levels = dict(zip(self.tasks, self.dag.levels))
        self.titles = self._titles()

    def parent(self, task: SessionTask) -> SessionTask | None:
        """Return the task that submitted another, when it is in the graph."""
        return self.tasks.get(task.ancestors[-1]) if task.ancestors else None

    def is_tail(self, task: SessionTask) -> bool:
        """Return whether a sub-task makes what the task that submitted it had promised.

        As a tail call does: it stands for that task.
        """
        parent = self.parent(task)
        outputs = parent.outputs if parent is not None else ()
        return any(self.makers[output] == task.id for output in outputs)

    def by_title(self) -> dict[str, list[SessionTask]]:
        """Return the tasks of each title."""
        return self.dag.groups(lambda task: self.titles[task.id])

    def _dag(self) -> Dag[SessionTask]:
        """Return what waits for what: a task for what it uses, and for who submitted it."""
        tasks = list(self.tasks.values())
        places = {task.id: place for place, task in enumerate(tasks)}
        needs = []
        for task in tasks:
            sources = {places[self.makers[i]] for i in task.inputs if i in self.makers}
            parent = self.parent(task)
            needs.append(sources | ({places[parent.id]} if parent is not None else set()))
        return Dag(tasks, needs)

    def _titles(self) -> dict[str, str]:
        """Name tasks so that a fan-out has one name: many that differ in numbers lose these."""
        names: dict[object, set[str]] = {}
        for id, task in self.tasks.items():
            names.setdefault((self.levels[id], task.facts), set()).add(task.name)
        many = {key for key, numbers in names.items() if len(numbers) > _NUMBERED}
        return {
            id: plain(task.name) if (self.levels[id], task.facts) in many else task.name
            for id, task in self.tasks.items()
        }


def plain(name: str, nameless: str = "task") -> str:
    """Return a name without the numbers at its end; `nameless` for one that is nothing else."""
    return nameless if _GUID.fullmatch(name) else re.sub(r"[\W_]*\d+\W*$", "", name) or nameless


def object_titles(names: Collection[str]) -> dict[str, str]:
    """Return what objects are called that are used side by side, by their names."""
    is_many = len(names) > _NUMBERED
    return {name: plain(name, "object") if is_many else name or "object" for name in names}


def without_ids(name: str) -> str:
    """Return what a name says besides ids; clients of earlier versions give each result some."""
    match = _EARLIER.fullmatch(name)
    if match:
        return f"function {match[2]}" if match[1] == "function" else match[2]
    put = _PUT.fullmatch(name)
    name = put[1] if put else name
    return "" if _GUID.fullmatch(name) else name
