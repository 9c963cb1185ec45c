"""Which steps of an element run again after a death: those whose values are gone and needed."""

from __future__ import annotations

import pytest

from pymonik.runtime.executor.resume import CompletedSteps, over
from pymonik.wire.journal import GONE

from .units import step

# first ─> second ─> third, and third takes first once more, inside a list.
CHAIN = [
    step(abs, ("v", 1), keep=False),
    step(abs, ("p", 0), keep=False),
    step(abs, ("p", 1), ("n", b"", [("p", 0)])),
]


@pytest.mark.parametrize(
    ("noted", "failed_calls", "expected"),
    [
        ([], set(), set()),
        ([(1,)], set(), {0}),
        ([(1,), (2,)], set(), {0, 1}),
        ([GONE, (2,)], set(), {1}),
        ([(1,), GONE], set(), {0}),
        ([GONE, GONE], set(), set()),
        ([GONE, GONE], {(5, 2)}, {0, 1}),
        ([GONE], {(5, 1)}, set()),
    ],
)
def test_a_step_is_over_when_its_value_is_there_or_nobody_needs_it(
    noted: list[tuple[int, ...]], failed_calls: set[tuple[int, int]], expected: set[int]
) -> None:
    known: CompletedSteps = {(5, place): entry for place, entry in enumerate(noted)}
    assert set(over(CHAIN, 5, known, failed_calls)) == expected


def test_a_value_that_is_kept_and_gone_is_made_again() -> None:
    chain = [CHAIN[0]._replace(keep=b"\0\1"), step(abs, ("p", 0))]
    known: CompletedSteps = {(element, place): GONE for element in (0, 1) for place in (0,)}
    failed_calls = {(0, 1), (1, 1)}
    assert [set(over(chain, element, known, failed_calls)) for element in (0, 1)] == [{0}, set()]
