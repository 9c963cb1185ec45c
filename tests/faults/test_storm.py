"""Programs on bad days: forty here, a thousand by `make faults`.

PYMONIK_SEEDS and PYMONIK_FIRST_SEED say how many, and from which on.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from .conftest import linux_only
from .storm.storm import EMBEDDED, EMULATED, Storm, kind_of

SEEDS = int(os.environ.get("PYMONIK_SEEDS", "40"))
FIRST = int(os.environ.get("PYMONIK_FIRST_SEED", "0"))
# A test each: processes that share the tests share them, too.
AT_ONCE = 5


@pytest.fixture(scope="module")
def storm() -> Iterator[Storm]:
    made = Storm()
    yield made
    made.close()


@linux_only
@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, AT_ONCE))
@pytest.mark.timeout(540)
def test_a_bad_day_gives_right_values_or_clear_errors_and_leaves_nothing(
    storm: Storm, first: int
) -> None:
    for seed in range(first, min(first + AT_ONCE, FIRST + SEEDS)):
        storm.run(seed)
        assert storm.summary.is_good, str(storm.summary)


def test_forty_days_are_of_all_kinds() -> None:
    kinds = {(seed % 2, kind_of(seed, random.Random(seed))) for seed in range(40)}
    assert len(kinds) == len({*EMBEDDED}) + len({*EMULATED})
