"""What changed between two programs of which only the tasks are known, and what lies downstream.

Enters: tasks as a cluster knows them, or those that a plan would send. Leaves: `Change`s. Tasks of
one name are compared as one: how many, with which options, fed by what. Arguments and code are in
no task that a stranger may read, and are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from pymonik.analysis.dag import downstream
from pymonik.analysis.diff import Change
from pymonik.analysis.session.tasks import SessionObject, SessionTask, TaskGraph, plain
from pymonik.humanize import size_text
from pymonik.plan.fan_in import bounded
from pymonik.plan.placement import placement_of
from pymonik.plan.plan import Plan
from pymonik.plan.requests import APPLICATION, Placement
from pymonik.settings import settings

Wiring = tuple[Sequence[SessionTask], Mapping[str, SessionObject]]


def facts_of(placement: Placement) -> tuple[tuple[str, str], ...]:
    """Return the options of a task that a cluster is sent, those that are set."""
    is_named = placement.application_namespace != APPLICATION
    shown = {
        "partition": placement.partition,
        "priority": str(placement.priority),
        "application": " ".join(filter(None, placement[2:6])) if is_named else "",
        "engine": placement.engine_type,
        **dict(placement.labels),
    }
    return tuple((name, text) for name, text in shown.items() if text)


def tasks_of_plans(plans: Sequence[Plan]) -> list[SessionTask]:
    """Return the tasks that plans would send."""
    return [task for plan in plans for task in _tasks(plan)]


def _tasks(plan: Plan) -> Iterator[SessionTask]:
    source = plan.source
    partitions = source.partitions if source is not None else ()
    for unit in bounded(plan.units, source.optimize if source is not None else True):
        placement = placement_of(unit.options)
        if not placement.partition:
            placement = placement._replace(partition=(*partitions, settings().partition)[0])
        yield SessionTask(
            id=str(id(unit.outputs)),
            name=unit.name,
            status="waiting",
            inputs=tuple(dict.fromkeys(str(id(outputs)) for outputs in unit.needs)),
            outputs=(str(id(unit.outputs)),),
            facts=facts_of(placement),
        )


@dataclass
class _Group:
    """The tasks of one name: their options by value, what feeds them, the bytes they read."""

    count: int = 0
    options: dict[str, Counter[str]] = field(default_factory=dict)
    # By what it is ("values of price", "made by count"): how many, and the name of the source.
    feeds: Counter[tuple[str, str]] = field(default_factory=Counter)
    objects: set[str] = field(default_factory=set)


def compare(before: Wiring, after: Wiring) -> list[Change]:
    """Compare two programs by their tasks; bytes of objects where both know objects."""
    sessions = [TaskGraph(tasks, objects) for tasks, objects in (before, after)]
    # A fan-out whose names have lost their numbers on one side has lost them on the other.
    folded = {
        plain(task.name)
        for session in sessions
        for task in session.tasks.values()
        if session.titles[task.id] != task.name
    }
    old, new = (_groups(session, folded) for session in sessions)
    changes = [
        Change("removed", name, "", (), _users(name, old)) for name in old if name not in new
    ]
    for name, group in new.items():
        if name not in old:
            changes.append(Change("added", name, "", (), _users(name, new)))
            continue
        why = (*_reasons(old[name], group), *_sizes(old[name], group, before[1], after[1]))
        if why:
            changes.append(Change("changed", name, "", why, _users(name, new)))
    return changes


def _groups(session: TaskGraph, folded: set[str]) -> dict[str, _Group]:
    def name_of(task: SessionTask) -> str:
        short = plain(task.name)
        return short if short in folded else task.name

    groups: dict[str, _Group] = {}
    for task in sorted(session.tasks.values(), key=lambda task: session.levels.get(task.id, 0)):
        group = groups.setdefault(name_of(task), _Group())
        group.count += 1
        for name, text in task.facts:
            group.options.setdefault(name, Counter())[text] += 1
        for id in task.inputs:
            if id in session.makers:
                group.feeds["values of", name_of(session.tasks[session.makers[id]])] += 1
            else:
                group.objects.add(id)
        parent = session.parent(task)
        if parent is not None:
            group.feeds["stands for" if session.is_tail(task) else "made by", name_of(parent)] += 1
    return groups


def _reasons(old: _Group, new: _Group) -> Iterator[str]:
    if old.count != new.count:
        yield f"count: {old.count:,} before, {new.count:,} now"
    for name in dict.fromkeys([*old.options, *new.options]):
        was, now = (group.options.get(name, Counter()) for group in (old, new))
        if _shares(was, old) != _shares(now, new):
            yield f"option {name}: {_text(was)} before, {_text(now)} now"
    for kind, name in dict.fromkeys([*old.feeds, *new.feeds]):
        before, after = old.feeds[kind, name], new.feeds[kind, name]
        if Fraction(before, old.count) != Fraction(after, new.count):
            yield f"{kind} {name}: {before:,} before, {after:,} now"


def _shares(values: Counter[str], group: _Group) -> dict[str, Fraction]:
    """Return the part of the tasks that has each value: twice as many tasks are no other option."""
    return {text: Fraction(count, group.count) for text, count in values.items()}


def _text(values: Counter[str]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return ", ".join(f"{text} ({count:,})" for text, count in sorted(values.items())) or "none"


def _sizes(
    old: _Group, new: _Group, ours: Mapping[str, SessionObject], theirs: Mapping[str, SessionObject]
) -> Iterator[str]:
    if ours and theirs:
        was = sum(ours[id].size for id in old.objects if id in ours)
        now = sum(theirs[id].size for id in new.objects if id in theirs)
        if was != now:
            yield f"objects read: {size_text(was)} before, {size_text(now)} now"


def _users(name: str, groups: Mapping[str, _Group]) -> tuple[str, ...]:
    """Return the names of what a group leads to, directly or not, in order."""
    return tuple(downstream(name, groups, lambda group: [source for _, source in group.feeds]))
