"""A run as a trace: for chrome://tracing and Perfetto, and as a page of its own.

Enters: the record of a run. Leaves: text. One lane a worker; time starts when the client did.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from itertools import cycle

from pymonik.draw.svg import hues
from pymonik.humanize import counted
from pymonik.runs.record import RunRecord
from pymonik.values.foreign import harmless

Span = tuple[int, str, float, float, int]

# Pixels: the height of the row of a worker, and of a bar in it; where times begin; the picture.
_LANE, _BAR, _LEFT, _WIDTH = 30, 22, 70, 1000
_STYLE = """
:root{--paper:#f7f8fa;--ink:#1c2430;--soft:#5b6675;--line:#d9dee6;--l:58%}
@media(prefers-color-scheme:dark){:root{--paper:#12161c;--ink:#e6ebf2;--soft:#9aa7b8;--line:#2b3440}}
body{margin:24px;background:var(--paper);color:var(--ink);font:13px/1.5 system-ui,sans-serif}
h1{font-size:16px;margin:0}p{color:var(--soft);margin:4px 0 16px}svg{width:100%;height:auto}
text{fill:var(--soft);font-size:11px}line{stroke:var(--line)}rect{fill:hsl(var(--h) 55% var(--l))}
rect:hover{stroke:var(--ink)}li{display:inline-block;margin-right:18px}ul{padding:0}
li::before{content:"";display:inline-block;width:11px;height:11px;margin-right:6px;
background:hsl(var(--h) 55% var(--l));border-radius:2px}
"""


def without_overlaps(spans: Sequence[Span]) -> list[Span]:
    """Let no two spans of a worker overlap, which runs one at a time, in the order of `spans`.

    Pieces are recorded when the host reads of their end: of several in one message, all but the
    last ended before that. So each ends, at the latest, when the next one of its worker begins.
    """
    limits: dict[int, float] = {}
    moved: list[Span] = []
    for worker, name, begin, seconds, elements in reversed(spans):
        begin = min(begin, limits.get(worker, math.inf) - seconds)
        limits[worker] = begin
        moved.append((worker, name, max(0.0, begin), seconds, elements))
    return moved[::-1]


def chrome(record: RunRecord) -> str:
    """Write the trace event format of Chromium: microseconds, a thread a worker."""
    lanes = sorted({worker for worker, *_ in record.spans})
    events: list[dict[str, object]] = [
        {"name": "process_name", "ph": "M", "pid": 1, "args": {"name": record.script}}
    ]
    for lane in lanes:
        named = {"name": f"worker {lane}"}
        events.append({"name": "thread_name", "ph": "M", "pid": 1, "tid": lane, "args": named})
    for worker, name, begin, seconds, elements in without_overlaps(record.spans):
        place = {"pid": 1, "tid": worker, "ts": begin * 1e6, "dur": seconds * 1e6}
        details = {"args": {"elements": elements}}
        events.append({"name": name, "cat": "unit", "ph": "X", **place, **details})
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, indent=1)


def timeline(record: RunRecord) -> str:
    """Write a page that shows which worker ran what when, and needs nothing else."""
    spans = without_overlaps(record.spans)
    colours = hues(name for _, name, *_ in record.spans)
    lanes = {lane: row for row, lane in enumerate(sorted({worker for worker, *_ in record.spans}))}
    end = max((begin + seconds for _, _, begin, seconds, _ in record.spans), default=1.0) or 1.0
    scale = (_WIDTH - _LEFT) / end
    height = _LANE * len(lanes) + 26
    bars = "".join(
        f'<rect x="{_LEFT + begin * scale:.2f}" y="{lanes[worker] * _LANE + 4}" rx="2" '
        f'width="{max(0.6, seconds * scale):.2f}" height="{_BAR}" style="--h:{colours[name]}">'
        f"<title>{_escaped(name)}: {counted(elements, 'call')}, "
        f"{seconds:.4g} s from {begin:.4g} s</title>"
        "</rect>"
        for worker, name, begin, seconds, elements in spans
    )
    names = "".join(
        f'<text x="0" y="{row * _LANE + 19}">worker {lane}</text>' for lane, row in lanes.items()
    )
    key = "".join(
        f'<li style="--h:{hue}">{_escaped(name)}</li>' for name, hue in list(colours.items())[:24]
    )
    what = f"{counted(record.calls, 'call')} in {counted(record.units, 'unit')}"
    summary = f"{what}, {record.seconds:.3g} s, {record.id}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{_escaped(record.script)}</title><style>{_STYLE}</style><h1>{_escaped(record.script)}</h1><p>{_escaped(summary)}</p>"
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img">{_axis(end, scale, height)}{names}{bars}'
        f"</svg><ul>{key}</ul></html>"
    )


def _escaped(text: str) -> str:
    return escape(harmless(text))


def _axis(end: float, scale: float, height: int) -> str:
    """Draw upright lines at round times."""
    step, factors = 1e-6, cycle((2.0, 2.5, 2.0))
    while end / step > 8:
        step *= next(factors)
    marks = [(step * number, _LEFT + step * number * scale) for number in range(9)]
    return "".join(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 18}"/>'
        f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle">{time:.4g} s</text>'
        for time, x in marks
        if time <= end
    )
