"""The drawing of a past run: what it submitted, with what it took and what failed.

Enters: the record of a run. Leaves: a `Drawing` whose boxes have a status, or tasks that have one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pymonik.analysis.session.diff import tasks_of_plans
from pymonik.analysis.session.tasks import SessionTask
from pymonik.draw.model import Box, Drawing, Link, status_of
from pymonik.plan.plan import Plan
from pymonik.runs.record import RunRecord


def drawing_of(record: RunRecord) -> Drawing:
    """Draw all submissions of a run, side by side."""
    ends, work = _ends(record), _work(record)
    boxes: list[Box] = []
    links: list[Link] = []
    for data in record.drawings:
        part = Drawing.of(data)
        first = len(boxes)
        links += [Link(a.source + first, a.target + first, a.values) for a in part.links]
        boxes += [_with_outcome(box, ends, work.get("; ".join(box.titles))) for box in part.boxes]
    return Drawing(tuple(boxes), tuple(links))


def tasks_of_run(record: RunRecord, plans: Sequence[Plan]) -> list[SessionTask]:
    """Return the tasks of the plans of a run, each with the mean of what those of its name took."""
    tasks = tasks_of_plans(plans)
    ends, work = _ends(record), _work(record)
    counts = Counter(task.name for task in tasks)
    return [
        replace(
            task,
            status=_status(task.name.split("; "), ends),
            seconds=work[task.name][0] / counts[task.name] if task.name in work else None,
        )
        for task in tasks
    ]


def _ends(record: RunRecord) -> dict[str, str]:
    """Return how tasks have ended that did not end well, by their names: failed, or cancelled."""
    ends: dict[str, str] = {}
    for failure in record.failures:
        how = "cancelled" if failure.get("kind") == "cancelled" else "failed"
        for name in failure["task"].split("; "):
            if ends.get(name) != "failed":
                ends[name] = how
    return ends


def _status(names: Iterable[str], ends: dict[str, str]) -> str:
    return status_of({ends[name]: 1 for name in names if name in ends}) or "done"


def _work(record: RunRecord) -> dict[str, list[float]]:
    """Return the seconds and the elements of all units of a name."""
    work: dict[str, list[float]] = {}
    for _, name, _, seconds, elements in record.spans:
        entry = work.setdefault(name, [0.0, 0.0])
        entry[0] += seconds
        entry[1] += elements
    return work


def _with_outcome(box: Box, ends: dict[str, str], work: list[float] | None) -> Box:
    status = _status(box.titles, ends)
    if not work or not work[1]:
        return replace(box, status=status)
    facts = (("seconds", f"{work[0]:.4g}"), ("seconds each", f"{work[0] / work[1]:.4g}"))
    return replace(box, status=status, facts=facts)
