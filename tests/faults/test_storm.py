"""Programs on bad days: forty here, a thousand by `make faults`.

PYMONIK_SEEDS and PYMONIK_FIRST_SEED say how many, and from which on.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pymonik.errors import StaleError
from tests.rows import shortened

from .conftest import linux_only
from .storm import program
from .storm.storm import EMBEDDED, EMULATED, Storm, Summary, kind_of

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
@pytest.mark.parametrize("first", shortened(range(FIRST, FIRST + SEEDS, AT_ONCE), 2))
@pytest.mark.timeout(540)
def test_a_bad_day_gives_right_values_or_clear_errors_and_leaves_nothing(
    storm: Storm, first: int
) -> None:
    storm.summary = Summary()
    for seed in range(first, min(first + AT_ONCE, FIRST + SEEDS)):
        storm.run(seed)
        assert storm.summary.is_good, str(storm.summary)


def no_session() -> None:
    raise StaleError("control plane 127.0.0.1:1, SubmitTasks: no session 'x'")


def bug() -> None:
    raise KeyError("a bug of ours")


@pytest.mark.parametrize(("end", "clear"), [(no_session, 1), (bug, 0)])
def test_what_ends_a_program_is_judged_as_what_ends_a_value_and_hides_no_wrong_one(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    end: Callable[[], None],
    clear: int,
) -> None:
    """A byte of a session's id may be bent on its way: then there is no such session."""

    class Ended:
        """A client that gives a wrong value, and whose end raises."""

        def __init__(self, **given: Any) -> None: ...

        def __enter__(self) -> None: ...

        def __exit__(self, *raised: object) -> None:
            end()

        def get(self) -> int:
            return 5

    monkeypatch.setattr(program, "Pymonik", Ended)
    monkeypatch.setattr(program, "WORK", 3 * [lambda chance: [(Ended(), 4)]])
    program.main(1, None)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    wrong = told["wrong"] if clear else told["wrong"][:-1]
    assert wrong
    assert set(wrong) == {"5 instead of 4"}
    assert told["clear"] == clear
    assert clear or told["wrong"][-1].startswith("KeyError: 'a bug of ours' at ")


def test_forty_days_are_of_all_kinds() -> None:
    kinds = {(seed % 2, kind_of(seed, random.Random(seed))) for seed in range(40)}
    assert len(kinds) == len({*EMBEDDED}) + len({*EMULATED})
