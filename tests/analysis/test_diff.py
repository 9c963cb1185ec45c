"""What changed between two graphs, why, and what lies downstream."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

BEFORE = '''
from dataclasses import dataclass
from pymonik import Pymonik, task

RATE = 0.5

@dataclass
class Book:
    size: int

    def value(self, day):
        return self.size * day

def helper(x):
    return x + 1

@task
def load(name):
    """Load a book."""
    return Book(len(name))

@task(priority=2)
def price(book, day):
    return helper(book.value(day)) * RATE

@task
def total(prices):
    return sum(prices)

with Pymonik(environment={"pip": ["packaging"]}):
    book = load.invoke("book")
    prices = [price.invoke(book, day) for day in range(10)]
    seen = load.invoke("other")
    print(total.invoke(prices).get())
'''


def changes(command: Command, after: str) -> list[tuple[str, str, list[str], list[str]]]:
    done = command("graph", "diff", "-o", "json", "a.py", "b.py", a=BEFORE, b=after)
    assert done.returncode == 0, done.stderr
    return [
        (change["kind"], change["task"], change["why"], change["downstream"])
        for change in json.loads(done.stdout)["changes"]
    ]


def test_a_graph_is_like_itself(pymonik_command: Command) -> None:
    assert changes(pymonik_command, BEFORE) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("\nRATE", "\n\n\n# a comment\nRATE"), ('"""Load a book."""', '"""Load it."""')],
)
def test_lines_comments_and_docstrings_change_nothing(
    pymonik_command: Command, old: str, new: str
) -> None:
    assert changes(pymonik_command, BEFORE.replace(old, new)) == []


@pytest.mark.parametrize(
    ("old", "new", "task", "why", "downstream"),
    [
        ("sum(prices)", "max(prices)", "total", ["code of total: changed"], []),
        ("x + 1", "x + 2", "price", ["code of helper: changed"], ["total"]),
        ("RATE = 0.5", "RATE = 0.6", "price", ["global RATE: changed"], ["total"]),
        (
            "self.size * day",
            "self.size + day",
            "load",
            ["global Book: changed"],
            ["price", "total"],
        ),
        (
            "@task(priority=2)",
            "@task(priority=3)",
            "price",
            ["option priority: 2 before, 3 now"],
            ["total"],
        ),
    ],
)
def test_the_part_that_changed_is_named(
    pymonik_command: Command, old: str, new: str, task: str, why: list[str], downstream: list[str]
) -> None:
    found = changes(pymonik_command, BEFORE.replace(old, new))
    assert found == [("changed", task, why, downstream)]


def test_an_argument_is_named_with_its_values(pymonik_command: Command) -> None:
    found = changes(pymonik_command, BEFORE.replace('invoke("book")', 'invoke("look")'))
    why = ["argument name of 1 of 2 calls: 'book' before, 'look' now"]
    assert found == [("changed", "load", why, ["price", "total"])]


def test_an_argument_of_all_calls_is_told_once(pymonik_command: Command) -> None:
    before = BEFORE.replace("def price(book, day)", "def price(book, day, rate)")
    before = before.replace("price.invoke(book, day)", "price.invoke(book, day, 2)")
    after = before.replace("day, 2)", "day, 3)")
    args = ("graph", "diff", "-o", "json", "a.py", "b.py")
    done = json.loads(pymonik_command(*args, a=before, b=after).stdout)
    assert done["changes"][0]["why"] == ["argument rate: 2 before, 3 now"]


def test_more_calls_and_new_wiring_are_told(pymonik_command: Command) -> None:
    found = changes(pymonik_command, BEFORE.replace("range(10)", "range(12)"))
    assert found == [
        ("changed", "price", ["count: 10 before, 12 now"], ["total"]),
        (
            "changed",
            "total",
            ["argument prices: 10 values of price before, 12 values of price now"],
            [],
        ),
    ]


SCENARIOS = """
import sys
from pymonik import Pymonik, task

def scaled(x):
    return x * 2

@task(require_context=True)
def simulate(ctx, shift, path):
    return scaled(ctx.rng.random() + shift)

@task
def mean(values):
    return sum(values) / len(values)

with Pymonik(seed=7):
    shifts = [float(text) for text in sys.argv[1:]]
    paths = [simulate.map_invoke([(shift, n) for n in range(4)]) for shift in shifts]
    print([value.get() for value in [mean.invoke(one) for one in paths]])
"""


@pytest.mark.parametrize("shifts", ["0.5 1 2 3", "1 2 3 0.5", "1 2 0.5 3"])
def test_a_scenario_more_is_one_that_is_new(pymonik_command: Command, shifts: str) -> None:
    args = ("graph", "diff", "a.py 1 2 3", f"a.py {shifts}")
    told = pymonik_command(*args, a=SCENARIOS).stdout
    assert told.count("added simulate at a.py:18\n") == 1
    assert "changed simulate" not in told
    back = pymonik_command("graph", "diff", f"a.py {shifts}", "a.py 1 2 3", a=SCENARIOS).stdout
    assert back.count("removed simulate at a.py:18\n") == 1
    assert "changed simulate" not in back


def test_what_changed_in_a_loop_is_told_once(pymonik_command: Command) -> None:
    after = SCENARIOS.replace("x * 2", "x * 3")
    done = pymonik_command("graph", "diff", "a.py 1 2 3", "b.py 1 2 3", a=SCENARIOS, b=after)
    assert done.stdout.splitlines() == [
        "changed simulate at b.py:18, 3 times",
        "  code of scaled: changed",
        "  downstream: mean",
        "1 change",
    ]


def test_another_seed_is_told_where_numbers_may_be_drawn_from_it(pymonik_command: Command) -> None:
    after = SCENARIOS.replace("seed=7", "seed=8")
    pymonik_command("graph", "save", "a.pmk", "a.py", "1", "2", a=SCENARIOS)
    told = pymonik_command("graph", "diff", "a.pmk", "b.py 1 2", b=after).stdout
    assert "changed simulate at b.py:18, 2 times\n  seed: 7 before, 8 now\n" in told
    assert "changed mean" not in told
    unset = SCENARIOS.replace("seed=7", "")
    told = pymonik_command("graph", "diff", "b.py 1", "a.pmk", b=unset).stdout
    assert "seed: none before, 7 now" in told


STENCIL = """
from pymonik import Pymonik, task

@task
def heat(left, here):
    return here

with Pymonik():
    row = [heat.invoke(n, n) for n in range(8)]
    for _ in range(3):
        row = [heat.invoke(row[i - 1], row[i]) for i in range(8)]
    row[0].get()
"""


def test_a_stencil_is_like_itself_and_its_wiring_is_compared(pymonik_command: Command) -> None:
    same = pymonik_command("graph", "diff", "a.py", "a.py", a=STENCIL)
    assert (same.returncode, same.stdout) == (0, "0 changes\n"), same.stderr
    other = STENCIL.replace("row[i - 1]", "row[i - 2]")
    done = pymonik_command("graph", "diff", "-o", "json", "a.py", "b.py", b=other)
    changed = json.loads(done.stdout)["changes"]
    assert sum(change["times"] for change in changed) == 3
    assert changed[0]["why"] == ["argument left: heat[7] before, heat[6] now"]


def test_the_environment_is_told(pymonik_command: Command) -> None:
    found = changes(pymonik_command, BEFORE.replace('["packaging"]', '["packaging>=1"]'))
    assert {why for _, _, reasons, _ in found for why in reasons} == {
        "environment: Environment(packaging) before, Environment(packaging>=1) now"
    }


def test_new_and_gone_calls_are_told(pymonik_command: Command) -> None:
    after = BEFORE.replace("total.invoke(prices)", "total.invoke([total.invoke(prices)])")
    assert ("added", "total") in [found[:2] for found in changes(pymonik_command, after)]
    gone = BEFORE.replace("print(total.invoke(prices).get())", "prices[0].get()")
    assert changes(pymonik_command, gone) == [("removed", "total", [], [])]


def test_a_saved_graph_is_compared_with_the_script_of_today(pymonik_command: Command) -> None:
    pymonik_command("graph", "save", "a.pmk", "a.py", a=BEFORE)
    same = pymonik_command("graph", "diff", "--exit-code", "a.pmk", "a.py")
    assert (same.returncode, same.stdout) == (0, "0 changes\n")
    after = BEFORE.replace("RATE = 0.5", "RATE = 0.6")
    other = pymonik_command("graph", "diff", "--exit-code", "a.pmk", "a.py", a=after)
    assert other.returncode == 1
    assert "changed price at a.py:" in other.stdout
    assert "  global RATE: changed\n  downstream: total\n" in other.stdout
