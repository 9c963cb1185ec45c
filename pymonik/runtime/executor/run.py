"""Running a unit, in executors and inline alike: who calls user code is chosen here.

Enters: a program, its inputs, a range of elements. Leaves: `Report`s — records of the elements that
ended, at most every `report_seconds`; the last one says how far the unit came, and which graph was
recorded inside. A unit past its second stops early, and sooner when its elements show that the rest
would take another: it is for the host to place anew.

Knows no socket and no backend. What differs between hosts is in `ExecutionServices` (`calls`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from operator import itemgetter

from pymonik.runtime.executor.calls import Assignment, ExecutionServices, Report
from pymonik.runtime.executor.lone_call import LoneCall
from pymonik.runtime.executor.residual import SAMPLE, SAMPLE_PART
from pymonik.runtime.executor.step_runner import StepRunner
from pymonik.settings import settings
from pymonik.wire.program import StepCode

_name = itemgetter(StepCode._fields.index("name"))


def run(
    assignment: Assignment, hosting: ExecutionServices, made: LoneCall | None = None
) -> Iterator[Report]:
    """Run an assignment; return reports as they are due.

    made: its only call, where that was made already, and what it has made is not plain.
    """
    runner = StepRunner(assignment, hosting)
    if made is not None:
        runner.plain_elements = made
    if assignment.gang is not None:
        from pymonik.runtime.executor.gang_part import run_lanes  # not before the first value

        yield run_lanes(runner, assignment.gang)
        return
    limits, subtasks = settings(), hosting.subtasks
    reported = first = until = time.monotonic()
    began = reported if made is None else made.began
    start = stop = assignment.start
    while stop < assignment.stop:
        stop, is_noted = runner.advance(stop, until)
        if stop == assignment.stop:
            break
        now = time.monotonic()
        # The first element may have imported modules for all: time the others from here.
        if stop == assignment.start + 1:
            first = now
        until = reported + limits.report_seconds
        # In the page, where the host reads it if this process dies: nothing is lost by not
        # reporting yet.
        if is_noted and now < until:
            continue
        # What calls have recorded leaves with the last report, and their values with it: so the
        # unit ends here, and the host places the rest.
        if subtasks.has_work or now - began > limits.unit_seconds:
            break
        done, elapsed = stop - assignment.start, now - began
        if done >= SAMPLE and elapsed > SAMPLE_PART * limits.unit_seconds:
            # The first element is left out: it has imported what the others use.
            seconds = (now - first) / (done - 1) * (assignment.stop - stop)
            if seconds > limits.unit_seconds:
                break
        yield runner.report(start, stop)
        start, reported = stop, now
        until = reported + limits.report_seconds
    elapsed = time.monotonic() - began
    yield runner.report(start, stop, last=True)
    # Behind the report, which is sent by now: a small call is waited for.
    if not runner.has_spread and hosting.lazy is not None:
        seconds = elapsed / max(1, stop - assignment.start)
        names = list(map(_name, assignment.program.shared.codes))
        hosting.durations.observe_element(names, seconds)
