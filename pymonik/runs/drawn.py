"""The drawing of a past run: what it submitted, with what it took and what failed.

Enters: the record of a run. Leaves: a `Drawing` whose boxes have a status.
"""

from __future__ import annotations

from dataclasses import replace

from pymonik.graph.draw.model import Box, Drawing, Link
from pymonik.runs.watch import Record


def drawing_of(record: Record) -> Drawing:
    """Draw all submissions of a run, side by side."""
    failed = {failure["task"] for failure in record.failures}
    work: dict[str, list[float]] = {}
    for _, name, _, seconds, elements in record.spans:
        entry = work.setdefault(name, [0.0, 0.0])
        entry[0] += seconds
        entry[1] += elements
    boxes: list[Box] = []
    links: list[Link] = []
    for data in record.drawings:
        part = Drawing.of(data)
        first = len(boxes)
        links += [Link(a.source + first, a.target + first, a.values) for a in part.links]
        boxes += [_told(box, failed, work.get("; ".join(box.titles))) for box in part.boxes]
    return Drawing(tuple(boxes), tuple(links))


def _told(box: Box, failed: set[str], work: list[float] | None) -> Box:
    status = "failed" if failed & set(box.titles) else "done"
    if not work or not work[1]:
        return replace(box, status=status)
    facts = (("seconds", f"{work[0]:.4g}"), ("seconds each", f"{work[0] / work[1]:.4g}"))
    return replace(box, status=status, facts=facts)
