"""The benchmark of clusters: both sides give right values, and each follows its pattern."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.cluster.__main__ import main, render
from benchmarks.cluster.measure import Figure, measure
from benchmarks.cluster.programs import PROGRAMS, WrongValue, check
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def figures() -> dict[tuple[str, str], Figure]:
    """Every program at a small size, without latency."""
    return {(f.program, f.side): f for f in measure(list(PROGRAMS), [0.0], quick=True)}


@pytest.mark.thorough
def test_an_eager_call_is_three_requests_and_its_value_two(
    figures: dict[tuple[str, str], Figure],
) -> None:
    # The session is opened and closed, the function stored; three calls; a wait and a download.
    assert figures["chain", "eager"].requests == 2 + 1 + 3 * 3 + 1 + 1
    assert figures["chain", "eager"].tasks == 3


def test_a_call_more_costs_no_request_more(figures: dict[tuple[str, str], Figure]) -> None:
    more = next(measure(["stencil"], [0.0], sides=["pymonik"]))
    assert more.requests - figures["stencil", "pymonik"].requests in range(-3, 9)
    assert figures["stencil", "eager"].requests > 20 * figures["stencil", "pymonik"].requests


def test_an_array_passed_to_every_call_travels_once(
    figures: dict[tuple[str, str], Figure],
) -> None:
    size = 8 << 17
    assert size < figures["shared", "pymonik"].bytes < 1.1 * size
    assert figures["shared", "eager"].bytes > 3 * size


def test_the_table_has_a_row_for_each_program(figures: dict[tuple[str, str], Figure]) -> None:
    assert render(list(figures.values())).row_count == len(PROGRAMS)


def test_wrong_values_are_noticed() -> None:
    with pytest.raises(WrongValue, match=r"3, where 4"):
        check(3, 4)


def test_an_unknown_program_is_answered_with_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "nothing"])
    assert "no program 'nothing'; there are map, stencil" in capsys.readouterr().err


@pytest.mark.thorough
def test_the_command_line_prints_plain_data() -> None:
    options = ["--quick", "--only", "chain", "--latency", "0", "-o", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cluster", *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [row["side"] for row in json.loads(done.stdout)] == ["pymonik", "eager"], done.stderr
