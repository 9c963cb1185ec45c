"""The part of one executor in a unit that several run: what it does where there is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pymonik.runtime.executor.lane import run_lanes
from pymonik.wire.shared_cells import AGAIN, Gang, SharedCells

LANES = b"\0\1"


@pytest.mark.parametrize("member", [0, 1])
def test_who_comes_when_all_have_stopped_says_nothing_of_the_unit(member: int) -> None:
    file = SharedCells.new_file(len(LANES), 2)
    before = SharedCells(file.fd, len(LANES), 2)
    for place in range(len(LANES)):
        assert before.put(place, place)
    before.stop(AGAIN)
    # The unit has begun again in other memory: what is in this one counts no more.
    runner: Any = SimpleNamespace(outputs=(1,), steps=(), hosting=None)
    report = run_lanes(runner, Gang(file, LANES, 2, member, 2, False))
    assert report.is_late
    assert (report.start, report.stop) == (0, 0)
