"""A past run is a graph like others: priced, checked, compared; but not run again."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pymonik import Pymonik, task
from pymonik.analysis.diff import diff
from pymonik.analysis.encode import brief
from pymonik.analysis.file import of_brief

Command = Callable[..., "subprocess.CompletedProcess[str]"]

SCRIPT = """
import sys
import numpy as np
from pymonik import Pymonik, task

class Book:
    size = 3

@task(retries=2, retry_on=KeyError)
def price(book, curve, day):
    return 2 * day

@task
def total(prices):
    return sum(prices)

with Pymonik(backend="inline"):
    book, curve = Book(), np.ones(5000)
    prices = [price.invoke(book, curve, day) for day in range(int(sys.argv[1]))]
    print(total.invoke(prices).get())
"""


def ran(command: Command, days: str = "10") -> None:
    assert command("run", "p.py", days, p=SCRIPT).returncode == 0


def test_numbers_that_are_not_finite_do_no_harm_to_a_run(
    runs: Path, pymonik_command: Command, command_here: Command
) -> None:
    given = 'price.invoke(book, curve, float("nan") if day else float("inf"))'
    odd = SCRIPT.replace("price.invoke(book, curve, day)", given)
    assert pymonik_command("run", "p.py", "3", p=odd).returncode == 0
    assert json.loads(command_here("runs", "show", "-o", "json").stdout)["calls"] == 4
    priced = json.loads(pymonik_command("graph", "cost", "-o", "json", "last").stdout)
    assert priced["figures"]["written"] == 4


def test_a_run_that_is_damaged_is_not_said_to_be_missing(
    runs: Path, pymonik_command: Command
) -> None:
    ran(pymonik_command)
    with closing(sqlite3.connect(runs / "runs.sqlite")) as database, database:
        database.execute("UPDATE runs SET detail = ?", (zlib.compress(b"[NaN]"),))
    told = pymonik_command("graph", "cost", "last").stderr
    assert "is damaged" in told.replace("│", " ")


def test_a_run_is_priced(runs: Path, pymonik_command: Command) -> None:
    ran(pymonik_command)
    args = ("graph", "cost", "-o", "json")
    script = json.loads(pymonik_command(*args, "p.py", "10").stdout)
    past = json.loads(pymonik_command(*args, "--slots", "8", "last").stdout)
    assert past["known"] == 1.0
    assert past["figures"]["calls"] == script["figures"]["calls"] == 11
    # Code names its file, which the command line has made shorter.
    distinct = script["figures"]["bytes_distinct"]
    assert past["figures"]["bytes_distinct"] == pytest.approx(distinct, rel=0.02)


def test_a_run_is_compared_with_the_script_of_today(runs: Path, pymonik_command: Command) -> None:
    ran(pymonik_command)
    same = pymonik_command("graph", "diff", "last", "p.py 10")
    assert same.stdout == "0 changes\n", same.stderr
    changed = SCRIPT.replace("2 * day", "3 * day").replace("np.ones(5000)", "np.zeros(5000)")
    done = pymonik_command("graph", "diff", "-o", "json", "last", "p.py 12", p=changed)
    why = json.loads(done.stdout)["changes"][0]["why"]
    assert [reason.partition(":")[0] for reason in why] == [
        "code of price",
        "count",
        "argument curve",
    ]


def test_a_run_is_checked(runs: Path, pymonik_command: Command) -> None:
    ran(pymonik_command)
    assert "0 findings" in pymonik_command("graph", "check", "last").stdout


def test_of_a_run_the_wiring_is_saved_which_cannot_be_submitted(
    runs: Path, pymonik_command: Command
) -> None:
    ran(pymonik_command)
    done = pymonik_command("graph", "save", "x.pmk", "last")
    assert done.returncode == 0, done.stderr
    refused = pymonik_command("submit", "x.pmk")
    assert refused.returncode == 2
    assert "without arguments and code" in " ".join(refused.stderr.replace("│", " ").split())


def test_a_large_run_keeps_its_drawing_only(
    runs: Path, pymonik_command: Command, command_here: Command
) -> None:
    ran(pymonik_command, "600")
    done = pymonik_command("graph", "cost", "last")
    assert done.returncode == 2
    assert "only the drawing was kept" in " ".join(done.stderr.replace("│", " ").split())
    assert "│ price ×600" in command_here("graph", "show", "last").stdout


@task
def add(a: object, b: object) -> object:
    return a


def test_what_nobody_kept_may_be_anything_and_the_rest_is_compared() -> None:
    client = Pymonik(backend="dry-run")
    kept = add.invoke(lambda: 1, "x" * 20_000, pymonik=client)
    before = of_brief(brief(client.plan().source)).graph
    client.cancel()
    client = Pymonik(backend="dry-run")
    other = add.invoke(lambda: 2, "y" * 20_000, pymonik=client)
    (change,) = diff(before, client.plan().source.graph)
    assert len(change.why) == 1
    assert change.why[0].startswith("argument b: 20,0")
    client.cancel()
    del kept, other


@pytest.mark.parametrize("digest", ["", "ab" * 20])
def test_a_stand_in_is_as_large_as_what_it_stands_for(digest: str) -> None:
    client = Pymonik(backend="dry-run")
    kept = [add.invoke(bytes(10_000), bytes(5), pymonik=client)]
    data = brief(client.plan().source)
    for entry in data["contents"]:
        entry["digest"] = digest or entry["digest"]
    sizes = [entry["size"] for entry in data["contents"]]
    node = of_brief(data).graph.nodes[0]
    assert node.spec.code.content.size in sizes
    client.cancel()
    del kept
