"""Programs on bad days: one of each kind, 40 if thorough, a thousand by `make faults`.

PYMONIK_SEEDS and PYMONIK_FIRST_SEED say how many, and from which on.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from .conftest import linux_only
from .storm.storm import EMBEDDED, EMULATED, Storm, kind_of

SEEDS = int(os.environ.get("PYMONIK_SEEDS", "40"))
FIRST = int(os.environ.get("PYMONIK_FIRST_SEED", "0"))
AT_ONCE = 10
# On the embedded engine: the client is killed, executors are, memory is short. On a cluster: faults
# of the control plane and of workers, the client is killed, trouble on the line.
EACH_KIND = (0, 2, 16, 1, 5, 7)


def days() -> Iterator[Any]:
    yield pytest.param(EACH_KIND, id="each-kind")
    for first in range(FIRST, FIRST + SEEDS, AT_ONCE):
        some = range(first, min(first + AT_ONCE, FIRST + SEEDS))
        yield pytest.param(some, id=f"{first}", marks=pytest.mark.thorough)


@pytest.fixture(scope="module")
def storm() -> Iterator[Storm]:
    made = Storm()
    yield made
    made.close()


@linux_only
@pytest.mark.parametrize("seeds", list(days()))
@pytest.mark.timeout(540)
def test_a_bad_day_gives_right_values_or_clear_errors_and_leaves_nothing(
    storm: Storm, seeds: Sequence[int]
) -> None:
    for seed in seeds:
        storm.run(seed)
        assert storm.summary.is_good, str(storm.summary)


def test_the_days_of_each_kind_are_of_each_kind() -> None:
    kinds = {(seed % 2, kind_of(seed, random.Random(seed))) for seed in EACH_KIND}
    assert len(kinds) == len(EACH_KIND) == len({*EMBEDDED}) + len({*EMULATED})
