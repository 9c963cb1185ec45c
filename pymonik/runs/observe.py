"""Watching a run: what was submitted, which worker ran what when, what failed.

Enters: plans, ends of pieces, failures. Leaves: one record in the database when the client closes.
Keeps no graph and no value: a run must not hold what its user has dropped. A run never fails, nor
waits noticeably, because it is watched.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from pymonik.humanize import counted, seconds_text
from pymonik.plan.plan import Plan, Source
from pymonik.plan.unit import Unit
from pymonik.runs.record import GUEST, OFF, RunRecord
from pymonik.runtime.host.observer import Observer
from pymonik.settings import steering
from pymonik.values.outcome import Failure

if TYPE_CHECKING:
    from pymonik.backend import Backend
    from pymonik.values.outputs import Outputs

logger = logging.getLogger("pymonik")

# Of a run with more, the first are kept; sums are of all.
_SPANS, _SUBMISSIONS, _FAILURES = 20_000, 20, 100
# Names in a summary.
_TOLD = 5


class ObservedBackend(Observer):
    """A backend, watched: does what the backend does, and takes notes."""

    def __init__(
        self, backend: Backend, records: bool = True, reports: bool = False, is_guest: bool = False
    ) -> None:
        self._backend = backend
        self._records = records
        self._reports = reports
        self._began = time.perf_counter()
        # By the unit's name: the specs of its steps, the seconds spent on it, the elements run.
        self._work: dict[str, list[Any]] = {}
        self.traits = traits = backend.traits
        script = sys.argv[0] or "python"
        # A session has one record of its own, and one of each that joins it.
        id = traits.session_id + (f"{GUEST}{os.urandom(2).hex()}" if is_guest else "")
        self._record = RunRecord(id, time.time(), script, traits.name, traits.slots)
        # What the graph of the first submission will be made of, behind its value.
        self._deferred: Source | None = None
        # Calls that a cluster has refused to take.
        self._refused = 0
        # Looked up without a detour.
        self.want, self.progress = backend.want, backend.progress
        if traits.pieces is not None:
            traits.pieces.observe(self)

    def submit(self, plan: Plan) -> None:
        """Note a plan, and submit it."""
        record = self._record
        record.submissions += 1
        record.calls += plan.calls
        # Counted before: no call between reading and writing, where the thread of an engine, which
        # adds what tasks make, would have its turn.
        count = len(plan.units)
        record.units += count
        if record.submissions <= _SUBMISSIONS:
            for outline in plan.outlines:
                self._work.setdefault(outline.name, [outline.specs, 0.0, 0])
        try:
            self._backend.submit(plan)
        except BaseException as error:
            cut = [unit.n for unit in plan.units if _was_cut_off(unit)]
            if isinstance(error, Exception):
                self._refused += sum(cut)
            else:  # Ctrl-C, where calls run in this very thread
                record.unfinished += len(cut)
            self._draw(plan)
            raise
        if record.submissions <= _SUBMISSIONS:
            self._draw(plan)  # while it runs

    def _draw(self, plan: Plan) -> None:
        record = self._record
        if record.submissions <= _SUBMISSIONS:
            try:
                from pymonik.runs.sketch import deferred, sketch, small_graph

                record.drawings.append(sketch(plan))
                if record.submissions == 1:
                    self._deferred = deferred(plan)
                    if self._deferred is not None:
                        return
                self._draw_deferred()
                graph = small_graph(plan.source)
                record.graphs += [graph] if graph is not None else []
            except Exception:
                logger.warning("this submission will not be drawn in `pymonik runs`", exc_info=True)

    def _draw_deferred(self) -> None:
        source, self._deferred = self._deferred, None
        if source is not None:
            from pymonik.runs.sketch import deferred_graph

            graph = deferred_graph(source)
            self._record.graphs += [graph] if graph is not None else []

    def ended(self, worker: int, unit: Unit, elements: int, seconds: float) -> None:
        """Note a piece that ended."""
        record, name = self._record, unit.name
        if len(record.spans) < _SPANS:
            begin = time.perf_counter() - self._began - seconds
            record.spans.append((worker, name, begin, seconds, elements))
        work = self._work.get(name)
        if work is not None:
            work[1] += seconds
            work[2] += elements

    def made(self, unit: Unit, units: Sequence[Unit], bindings: Sequence[Any]) -> None:
        """Note units that a task made."""
        count = len(units)  # as in `submit`
        self._record.units += count

    def cancel(self, outputs: Outputs | None = None) -> Callable[[], bool]:
        """Note what will not run to its end where all is cancelled, and cancel it."""
        if outputs is None:
            done, total = self._backend.progress()
            self._record.unfinished += total - done
        return self._backend.cancel(outputs)

    def close(self) -> None:
        """Close the backend, and keep the record of what was submitted to it."""
        self._backend.close()
        record = self._record
        if not record.submissions:
            return
        record.seconds = time.perf_counter() - self._began
        # One failure is reported wherever it had an effect, by its mark.
        record.failed = self.traits.arrivals.failures.count + self._refused
        if self._reports:
            sys.stderr.write(f"{summary(record)}\n")
        try:
            if self._records:
                self._keep()
        except Exception as error:  # a full disk, a locked or broken database
            logger.warning(
                "this run will not appear in `pymonik runs`; it is not affected otherwise: %s",
                error,
            )
        record.submissions = 0

    def _keep(self) -> None:
        from pymonik.capture.text.fingerprint import fingerprint
        from pymonik.runs.store import RunStore

        record = self._record
        try:
            self._draw_deferred()
        except Exception:
            logger.warning("a submission will not be drawn in `pymonik runs`", exc_info=True)
        # Not sooner: it would take a hundredth of what a small call does.
        record.spans = [(w, name, round(b, 6), round(s, 6), n) for w, name, b, s, n in record.spans]
        reported = list(self.traits.arrivals.failures.first)
        # Of what was cancelled, one of each name tells it; what failed goes first.
        failures = [failure for failure in reported if not _is_cancel(failure)]
        failures += {failure.task: failure for failure in reported if _is_cancel(failure)}.values()
        record.failures = [
            {
                "task": f.task,
                "site": f.site,
                "element": f.element,
                "kind": f.kind,
                "text": f.message,
            }
            for f in failures[:_FAILURES]
        ]
        durations = [
            (fingerprint(spec.code.function, packages=False), spec.name, each, count)
            for specs, seconds, count in self._work.values()
            # A fused unit does not time its steps: each gets an equal share.
            for spec, each in ((spec, seconds / max(1, count) / len(specs)) for spec in specs)
            if count
        ]
        with RunStore.open() as store:
            store.keep(record, durations)


def _was_cut_off(unit: Unit) -> bool:
    """Return whether a unit has not run to its end, since its submission was cut short."""
    records = chain(*unit.outputs.columns, unit.outputs.errors)
    return any(type(record) is Failure and _is_cancel(record) for record in records)


def _is_cancel(failure: Failure) -> bool:
    return failure.kind == "cancelled"


def watched(backend: Backend, is_guest: bool) -> Backend:
    """Watch a backend, unless `PYMONIK_RUNS` is "off" and no summary is wanted.

    is_guest: it has joined the session of another program.
    """
    records = steering("runs") != OFF
    reports = steering("verbose") not in ("", "0")
    return ObservedBackend(backend, records, reports, is_guest) if records or reports else backend


def failures_text(record: RunRecord) -> str:
    """Return how many calls failed, and how many units were interrupted, in words."""
    cut = f", {counted(record.unfinished, 'unit')} interrupted" if record.unfinished else ""
    return f"{record.failed:,}{cut}"


def summary(record: RunRecord) -> str:
    """Return in a few lines what a run did."""
    busy = sum(span[3] for span in record.spans)
    # No share of nothing: a run may end before the clock has moved.
    slots = max(1, record.workers) * max(record.seconds, 1e-9)
    work: dict[str, list[float]] = {}
    for _, name, _, seconds, elements in record.spans:
        entry = work.setdefault(name, [0.0, 0])
        entry[0] += seconds
        entry[1] += elements
    most = sorted(work.items(), key=lambda item: -item[1][0])[:_TOLD]
    lines = [
        f"pymonik: {counted(record.calls, 'call')} in {counted(record.units, 'unit')} and "
        f"{counted(record.submissions, 'submission')}, {failures_text(record)} failed; "
        f"{seconds_text(record.seconds)} with {counted(record.workers, 'worker')} on "
        f"{record.backend}",
    ]
    if busy:
        lines.append(f"  work {seconds_text(busy)}, workers {busy / slots:.0%} busy")
    lines += [
        f"  {name} ×{elements:,.0f}: {seconds_text(seconds)}, "
        f"{seconds_text(seconds / max(1, elements))} each"
        for name, (seconds, elements) in most
    ]
    return "\n".join(lines)
