"""What is wrong with a session, by the tasks that its cluster knows, whoever submitted them.

Enters: tasks, objects, and where they are known the partitions of the session. Leaves: findings,
one for all tasks of a name. Arguments, modules and environments are in no task: `check` looks at
those of a script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pymonik.analysis.findings import Finding, errors_first, foreign_partition, past_limit
from pymonik.analysis.session.tasks import SessionObject, SessionTask, TaskGraph
from pymonik.humanize import counted

_SITE = "its client"
# Statuses in which a task has ended without a value, and all in which one has ended.
_STUCK = ("failed", "cancelled")
_ENDED = ("done", *_STUCK)
Groups = Mapping[str, Sequence[SessionTask]]


def check_tasks(
    tasks: Sequence[SessionTask],
    objects: Mapping[str, SessionObject],
    partitions: Sequence[str] | None = None,
    seconds: Mapping[str, float] | None = None,
) -> list[Finding]:
    """Return what is wrong with the tasks of a session, errors first.

    partitions: those of the session, None when they are not known. seconds: expected ones of a
    task, by its name; otherwise the longest that one of its name took.
    """
    session = TaskGraph(tasks, objects)
    groups = session.by_title()
    findings = [
        *_ends(groups),
        *_waits(groups, session),
        *_limits(groups, seconds or {}),
        *(_partitions(groups, partitions) if partitions is not None else ()),
    ]
    return errors_first(findings)


def _ends(groups: Groups) -> Iterator[Finding]:
    for name, tasks in groups.items():
        for level, status in (("error", "failed"), ("warning", "cancelled")):
            ended = [task for task in tasks if task.status == status]
            if ended:
                error = next((task.error for task in ended if task.error), "")
                text = f"{len(ended):,} of {counted(len(tasks), 'task')} of {name}: {status}"
                yield Finding(level, status, f"{text}{f', {error}' if error else ''}", _SITE)


def _waits(groups: Groups, session: TaskGraph) -> Iterator[Finding]:
    """Find what waits for a result that will never come: no task makes it, or its maker failed."""
    for name, tasks in groups.items():
        reasons: dict[tuple[str, str], int] = {}
        for task in (task for task in tasks if task.status == "waiting"):
            for reason in {why for id in task.inputs if (why := _missing(id, session))}:
                reasons[reason] = reasons.get(reason, 0) + 1
        for (level, needed), count in reasons.items():
            text = f"{counted(count, 'task')} of {name}, not begun: {needed}"
            yield Finding(level, "missing result", text, _SITE)


def _missing(id: str, session: TaskGraph) -> tuple[str, str] | None:
    maker = session.tasks.get(session.makers.get(id, ""))
    if maker is not None:
        if maker.status not in _STUCK:
            return None
        return "error", f"the result of {session.titles[maker.id]} is needed, which {maker.status}"
    stored = session.objects.get(id)
    if stored is None or stored.size:
        return None
    name = stored.name or id
    return "warning", f"the object {name!r} is needed, which is empty, and which no task makes"


def _limits(groups: Groups, seconds: Mapping[str, float]) -> Iterator[Finding]:
    for name, tasks in groups.items():
        longest = max((task.seconds for task in tasks if task.seconds is not None), default=None)
        expected, says = seconds.get(name, longest), "is expected to last"
        if name not in seconds:
            says = "lasted up to"
        limits = [t.limit for t in tasks if t.limit and t.status not in _ENDED]
        yield from past_limit(
            f"a task of {name} {says}",
            expected,
            min(limits, default=None),
            "those that have not ended {}",
            _SITE,
        )


def _partitions(groups: Groups, partitions: Sequence[str]) -> Iterator[Finding]:
    for name, tasks in groups.items():
        names = ", ".join(map(repr, partitions)) or "none"
        choices = f"which its session lacks, or its cluster: there are {names}"
        for partition in sorted({dict(task.facts).get("partition", "") for task in tasks}):
            yield from foreign_partition(name, partition, partitions, choices, _SITE)
