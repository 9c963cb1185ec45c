"""The benchmarks give right values on every installed peer, notice wrong ones, and count right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from benchmarks import metg, table
from benchmarks.budgets import Budget
from benchmarks.calm import TRIES, Cores
from benchmarks.measures import WrongValue
from benchmarks.peers import PEERS, Peer, installed
from benchmarks.programs import PROGRAMS
from benchmarks.runner import Outputs, PeerProcess

ROOT = Path(__file__).parent.parent
# What only PymoniK has a word for, or a reason to measure.
RECORDED = {
    *("record-map", "record-handles", "memory-map"),
    *("chain-record", "chain-compile", "chain-run"),
    *("memmap", "masked", "record", "matrix"),
    *(name for name in PROGRAMS if name.startswith("compile-")),
}
CALLS = {"record-call", "memory-call"}
BLOCKS = {"block", "unequal"}
# Tasks that make tasks, where a pool of two would wait for itself; and graphs of rows.
SUBTASKS = {"subtasks"}
PATTERNS = {name for name in PROGRAMS if name.startswith("metg-")}
HANDLES = {"broadcast-put", "broadcast-loop", "compare"}
LEFT_OUT = {
    "pymonik": set(),
    "threads": RECORDED | CALLS | HANDLES | SUBTASKS,
    "processes": RECORDED | CALLS | HANDLES | SUBTASKS,
    "pool": RECORDED | CALLS | HANDLES | BLOCKS | SUBTASKS | PATTERNS,
    "joblib": RECORDED | CALLS | HANDLES | BLOCKS | {"loop", "single"} | SUBTASKS | PATTERNS,
    "dask": RECORDED | HANDLES | BLOCKS | SUBTASKS | PATTERNS,
}


# Each other peer takes as long as ours.
@pytest.mark.parametrize(
    "peer",
    [
        pytest.param(peer, marks=[] if peer == "pymonik" else [pytest.mark.thorough])
        for peer in PEERS
    ],
)
def test_every_program_gives_right_values(peer):
    if not installed(peer):
        pytest.skip(f"{peer} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--peers", peer, "-o", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    rows = {row["program"]: row for row in json.loads(done.stdout)["rows"]}
    assert {name: row["errors"] for name, row in rows.items() if row["errors"]} == {}
    assert done.returncode == 0
    silent = {name for name, row in rows.items() if not row["samples"] and not row["notes"]}
    assert silent - {"copies"} == LEFT_OUT[peer]  # copies: Linux only
    assert rows.keys() == PROGRAMS.keys()


def test_a_peer_that_dies_is_an_error_of_its_cell_and_comes_back_for_the_next(tmp_path):
    with (tmp_path / "log").open("w+") as log, PeerProcess("threads", 2, log) as driver:
        os.kill(driver.pid, signal.SIGKILL)
        assert "ended" in driver.measure(PROGRAMS["map"], quick=True)["error"]
        assert driver.measure(PROGRAMS["map"], quick=True)["figure"] > 0


def test_a_peer_that_cannot_start_says_why(tmp_path):
    with (tmp_path / "log").open("w+") as log, PeerProcess("nobody", 2, log) as driver:
        for _ in range(2):
            assert "KeyError: 'nobody'" in driver.measure(PROGRAMS["map"], quick=True)["error"]


class Liar(Peer):
    """Gives plausible values of the right shape that are wrong in one place."""

    def map(self, function, items):
        return [*map(function, items[:-1]), -1]

    loop = map

    def chain(self, function, value, length):
        return length - 1

    def stencil(self, function, row, steps, work):
        return row

    def broadcast(self, array, tasks):
        return [float(array.sum())] * tasks

    broadcast_put = broadcast_loop = broadcast

    def roundtrip(self, function, arrays):
        return [*map(function, arrays[:-1]), arrays[-1]]


@pytest.mark.parametrize(
    "name",
    [
        "map",
        "loop",
        "chain",
        "stencil",
        "broadcast",
        "broadcast-put",
        "broadcast-loop",
        "roundtrip",
    ],
)
def test_a_wrong_value_is_noticed(name):
    program = PROGRAMS[name]
    with pytest.raises(WrongValue):
        program.measure(Liar("liar", 2), program.quick)


@pytest.mark.parametrize("overhead", [3e-6, 50e-6, 4e-3])
def test_metg_is_twice_the_overhead_of_a_task_that_costs_the_same_at_every_size(overhead):
    kernel = metg.Kernel(2e-6, 0.25e-6)

    def sample(work):
        granularity = kernel.time(work) + overhead
        return metg.Sample(work, kernel.time(work) / granularity, granularity)

    assert metg.search(sample, kernel) == pytest.approx(2 * overhead, rel=0.05)


def test_metg_gives_up_on_a_system_that_never_uses_half_its_cores():
    kernel = metg.Kernel(2e-6, 0.25e-6)
    with pytest.raises(metg.Unsteady, match="40% efficient"):
        metg.search(lambda work: metg.Sample(work, 0.4, kernel.time(work) / 0.4), kernel)


def test_metg_judges_a_run_by_a_kernel_that_was_timed_beside_it():
    quick, slow = metg.Kernel(0.0, 1e-6), metg.Kernel(0.0, 2e-6)

    def sampled(*kernels):  # half of the granularity is the kernel's, where the cores are slow
        return metg.measure(
            lambda work: 100 * work * 4e-6 / 2, 1_000, 100, 2, iter(kernels).__next__
        )

    assert sampled(slow, slow, slow, slow).efficiency == pytest.approx(0.5)
    assert sampled(quick, slow, slow, slow).efficiency == pytest.approx(0.375)
    assert sampled(slow, slow, slow, slow).granularity == pytest.approx(4e-3)


def disturbed(*factors):
    """Return what looks at cores that are this many times slower, look by look, and then calm."""
    looks = iter([1.0, *factors])
    times = [1e-3]
    cores = Cores(lambda: times[0])

    def look():
        times[0] = 1e-3 * next(looks, 1.0)
        return Cores.disturbance(cores)

    cores.disturbance = look
    look()
    return cores


def test_a_figure_is_kept_where_the_next_try_gives_none():
    def figures():
        yield 30.0
        raise metg.Unsteady("no end of the search")

    measure = figures().__next__
    assert disturbed(1.0, 1.9).undisturbed(measure) == (30.0, 1.9)
    with pytest.raises(metg.Unsteady, match="never"):
        disturbed().undisturbed(Mock(side_effect=metg.Unsteady("never")))


def test_a_figure_waits_for_a_calm_moment_and_is_taken_again_if_it_was_disturbed():
    figures = iter([30.0, 20.0, 10.0])
    # Slow when it is asked for, calm before the first figure and slow behind it.
    assert disturbed(1.9, 1.0, 1.8).undisturbed(figures.__next__) == (20.0, 1.0)
    assert next(figures) == 10.0


def test_the_least_disturbed_figure_counts_where_none_was_calm():
    figures = iter([1.0, 2.0, 3.0, 4.0])
    cores = disturbed(1.0, 1.9, 1.0, 1.5, 1.0, 1.7)
    assert cores.undisturbed(figures.__next__) == (2.0, 1.5)
    assert next(figures) == TRIES + 1


def test_a_table_says_how_many_figures_were_disturbed():
    cells = {("map", "pymonik"): Outputs([1.0, 2.0], [1.0, 1.83]), ("map", "pool"): Outputs()}
    assert table.disturbed(cells) == "1 of 2, up to 1.8 times slower"


def test_a_row_holds_medians_ratios_and_the_verdict():
    cells = {
        ("map", "pymonik"): Outputs([600_000.0, 900_000.0, 700_000.0], size=100_000),
        ("map", "pool"): Outputs([1_120_000.0], size=100_000),
        ("chain", "pymonik"): Outputs([20.0], size=1_000),
        ("chain", "threads"): Outputs([30.0], size=1_000),
    }
    mapped, chained = table.rows(cells, judge=True)
    assert mapped.medians == {"pymonik": 700_000.0, "pool": 1_120_000.0}
    assert mapped.ratios == {"pool": 0.625}
    assert mapped.met is True
    assert chained.ratios == {"threads": 1.5}
    assert chained.met is False
    assert table.rows(cells, judge=False)[0].met is None


def test_a_relative_budget_needs_the_figures_it_stands_on():
    budget = Budget(1.3, of=("broadcast", "threads"), plus=("compare", "pymonik"))
    figures = {("broadcast", "threads"): 0.3, ("compare", "pymonik"): 0.8}
    assert budget.value(figures) == pytest.approx(1.19)
    assert budget.value({("broadcast", "threads"): 0.3}) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(2_912_345.0, "2 910 000"), (12.345, "12.3"), (0.04567, "0.0457"), (0, "0"), (999.6, "1 000")],
)
def test_numbers_have_three_digits(value, text):
    assert table.number(value) == text


def test_an_unknown_program_is_refused_with_the_list_of_programs():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "nothing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no program 'nothing'" in done.stderr
    assert "roundtrip" in done.stderr
