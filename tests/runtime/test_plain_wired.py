"""Programs that are wired alike run as others do, and their steps are made for who asks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymonik.values.outcome import Failure
from pymonik.wire.program import Program
from pymonik.wire.wired_steps import StepWiring, WiredSteps
from tests.runtime.runs import Page, reports
from tests.runtime.units import step


def total(*given: Any) -> int:
    return sum(one if isinstance(one, int) else len(str(one)) for one in given)


def listed(*given: Any) -> list[Any]:
    return list(given)


def odd_fails(*given: Any) -> int:
    if total(*given) % 2:
        raise ValueError(given)
    return 1


STEPS = [step(total), step(total, name="again"), step(listed), step(odd_fails)]
TRIED = step(odd_fails, name="tried", retries=1)
# Of each step: its task, the distances to steps whose values it takes, a plain value, and whether
# its own is stored.
shapes = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 0, 1, 2, 3]),
        st.lists(st.integers(1, 3), max_size=2),
        st.one_of(st.none(), st.integers(0, 3), st.text(max_size=2)),
        st.booleans(),
    ),
    min_size=2,
    max_size=8,
)


def wired(shape: Any, tasks: Any = STEPS) -> Program:
    sources, values, codes = [], [], []
    for number, (task, distances, plain, _) in enumerate(shape):
        places = [number - by for by in distances if by <= number]
        values.append(plain)
        sources.append((*places, -len(values)))
        codes.append(tasks[task])
    shared = Program(codes, 1).shared
    keep, sites = [kept for *_, kept in shape], [f"here.py:{n}" for n, _ in enumerate(shape)]
    steps = WiredSteps(StepWiring(sources, keep, sites), values, b"root", [*range(len(shape))])
    return Program.of_wired(shared, steps)


def told(program: Any, **how: Any) -> Any:
    page = Page()
    (report,) = reports(program, page=page, **how)
    ended = [_plain(record) for column in report.columns for record in column]
    return ended, list(map(_plain, report.errors)), page.noted, [*map(_plain, page.steps)]


def _plain(record: Any) -> Any:
    if isinstance(record, tuple):
        return tuple(map(_plain, record))
    if isinstance(record, Failure):
        return record.task, record.message, record.site, record.path, record.traceback
    return record.load() if hasattr(record, "load") else record


@pytest.mark.parametrize(
    "most", [30, pytest.param(500, marks=pytest.mark.thorough)], ids=["few", "many"]
)
def test_they_run_as_the_same_steps_do_that_were_made_before(most: int) -> None:
    @settings(max_examples=most, deadline=None)
    @given(shapes)
    def law(shape: Any) -> None:
        program = wired(shape)
        found = told(program)
        assert found == told(list(wired(shape).steps))
        is_plain = all(task < 2 for task, *_ in shape)
        is_chain = all(1 in distances for _, distances, *_ in shape[1:])
        assert program._steps is None or not (is_plain and is_chain)

    law()


def test_what_was_tried_or_has_options_is_run_by_steps() -> None:
    shape = [(0, [], 1, False), (0, [1], 1, True)]
    for program, how in [
        (wired(shape, [TRIED]), {}),
        (wired(shape), {"attempts": {(0, 0): 1}}),
        (wired(shape), {"completed_steps": {(0, 0): (1,)}}),
    ]:
        told(program, **how)
        assert program._steps is not None
    program = wired(shape)
    assert told(program) == ([2], [], [], [(1,), (2,)])
    assert program._steps is None


def test_steps_leave_off_where_others_can_run_beside_them() -> None:
    """A chain has none such; of a tree the steps behind it."""
    from pymonik.runtime.executor.plain_wired import _last_beside
    from pymonik.runtime.executor.residual import last_beside

    for distances in ([[], [1], [1], [1]], [[], [1], [2], [1]], [[], [], [1, 2], [2]], [[], []]):
        shape = [(0, by, 1, True) for by in distances]
        program = wired(shape)
        assert program.wired is not None
        assert _last_beside(program.wired.wiring.sources) == last_beside(program.steps)
