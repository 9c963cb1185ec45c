"""Estimates of plans: exact counts, durations and where they come from, and a gate."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.analysis.cost import Cost
from pymonik.analysis.estimate import estimate
from pymonik.analysis.simulate import Overheads

Command = Callable[..., "subprocess.CompletedProcess[str]"]
FREE = Overheads()


@task(cost=2.0)
def load(name: str) -> int:
    return len(name)


@task
def price(book: int, day: int) -> int:
    return book + day


@task
def total(prices: list[int]) -> int:
    return sum(prices)


@pytest.fixture
def client() -> Iterator[Pymonik]:
    client = Pymonik(backend="dry-run", workers=4)
    yield client
    client.cancel()


def recorded(client: Pymonik, days: int = 40) -> Any:
    book = load.invoke("book", pymonik=client)
    return total.invoke(
        price.map_invoke([(book, day) for day in range(days)], pymonik=client), pymonik=client
    )


def test_work_span_and_bound_are_those_of_the_calls(client: Pymonik) -> None:
    handle = recorded(client)
    cost = client.plan().cost(seconds={"price": 0.5, "total": 1.0}, overheads=FREE)
    assert cost.work == pytest.approx(2.0 + 40 * 0.5 + 1.0)
    assert cost.span == pytest.approx(2.0 + 0.5 + 1.0)
    assert cost.bound == pytest.approx(23.0 / 4)
    assert cost.makespan == pytest.approx(2.0 + 10 * 0.5 + 1.0)
    del handle


def test_slots_are_those_it_was_compiled_for_unless_given(client: Pymonik) -> None:
    handle = recorded(client)
    plan = client.plan()
    assert plan.cost().slots == {"": 4}
    one = plan.cost(slots=1, seconds={"price": 0.5, "total": 1.0}, overheads=FREE)
    assert one.makespan == pytest.approx(23.0)
    assert one.use == pytest.approx(1.0)
    del handle


def test_it_says_where_durations_come_from_and_how_sure_it_is(client: Pymonik) -> None:
    handle = recorded(client)
    remembered = {"total": 3.0}
    cost = estimate(
        client.plan(),
        seconds={"unknown": 1.0},
        remembered=lambda spec: remembered.get(spec.name),
        assumed=0.1,
    )
    assert {(d.task, d.seconds, d.calls, d.source) for d in cost.durations} == {
        ("load", 2.0, 1, "cost="),
        ("price", 0.1, 40, "assumed"),
        ("total", 3.0, 1, "measured"),
    }
    assert cost.known == pytest.approx(5.0 / 9.0)
    del handle


def test_pod_hours_are_slots_times_makespan_and_have_a_price(client: Pymonik) -> None:
    handle = recorded(client)
    cost = client.plan().cost(slots=10, price=3.0)
    assert cost.pod_hours[""] == pytest.approx(10 * cost.makespan / 3600)
    assert cost.money == pytest.approx(3.0 * cost.pod_hours[""])
    del handle


def test_partitions_are_costed_apart() -> None:
    client = Pymonik(backend="dry-run", partition=["cpu", "gpu"])
    first = price.map_invoke([(1, day) for day in range(8)], pymonik=client)
    last = total.invoke(first, pmk_partition="gpu", pymonik=client)
    cost = client.plan().cost(slots={"cpu": 8, "gpu": 2})
    assert cost.slots == {"cpu": 8, "gpu": 2}
    assert set(cost.pod_hours) == {"cpu", "gpu"}
    client.cancel()
    del last


def test_the_eager_way_is_a_unit_a_call_and_three_requests_an_invoke(client: Pymonik) -> None:
    book = load.invoke("book", pymonik=client)
    handles = [price.invoke(book, day, pymonik=client) for day in range(40)]
    eager = client.plan().cost().eager
    assert (eager.units, eager.requests) == (41, 3 * 41 + 2)
    assert eager.makespan is not None
    assert eager.makespan >= eager.requests * 0.02
    del handles


def test_tasks_that_gather_the_inputs_of_others_are_counted_and_simulated(client: Pymonik) -> None:
    parts = price.map_invoke([(1, day) for day in range(600)], pmk_chunk_size=1, pymonik=client)
    last = total.invoke(parts, pymonik=client)
    plan, seconds = client.plan(), {"price": 0.5, "total": 1.0}
    cost = plan.cost(slots=1000, seconds=seconds, overheads=Overheads(level=10.0, gathers=True))
    assert (cost.figures.units, cost.figures.tasks) == (601, 601 + 3)
    assert cost.makespan == pytest.approx(0.5 + 10.0 + 10.0 + 1.0)
    here = plan.cost(slots=1000, seconds=seconds, overheads=Overheads(level=10.0))
    assert here.makespan == pytest.approx(0.5 + 10.0 + 1.0)
    assert (cost.work, cost.span) == (here.work, here.span) == (301.0, 1.5)
    del last


def test_sites_name_the_lines_that_cause_it(client: Pymonik) -> None:
    handle = recorded(client)
    cost = client.plan().cost(seconds={"price": 10.0})
    first = cost.sites[0]
    assert (first.task, first.calls) == ("price", 40)
    assert first.site.startswith(__file__)
    assert sum(site.units for site in cost.sites) == cost.figures.units
    del handle


def test_a_submission_over_earlier_values_can_be_costed() -> None:
    with Pymonik(backend="inline") as client:
        first = load.map_invoke(["a", "b"])
        first.wait()
        last = total.invoke(first)
        cost: Cost = client.plan().cost(seconds={"total": 7.0}, overheads=FREE)
        assert cost.makespan == pytest.approx(7.0)
        assert last.get() == 2


SCRIPT = """
from pymonik import Pymonik, task

@task
def price(day):
    return day

@task
def total(prices):
    return sum(prices)

with Pymonik():
    print(total.invoke(price.map_invoke(range(1000))).get())
"""


def test_the_command_prints_the_estimate(pymonik_command: Command) -> None:
    args = ("graph", "cost", "prices.py", "--slots", "10", "--seconds", "price=2m", "--price", "1")
    done = pymonik_command(*args, prices=SCRIPT)
    assert done.returncode == 0, done.stderr
    rows = dict(line.split("  ", 1) for line in done.stdout.splitlines() if "  " in line.strip())
    assert rows["work"].strip().startswith("33 h 20 min, of which 100%")
    assert rows["slots"].strip() == "10"
    assert "prices.py:13" in done.stdout


def test_slots_of_the_default_partition_are_those_of_calls_that_name_none(
    pymonik_command: Command,
) -> None:
    args = ("graph", "cost", "prices.py", "-o", "json", "--slots", "gpu=4,pymonik=10")
    assert json.loads(pymonik_command(*args, prices=SCRIPT).stdout)["slots"] == {"": 10}
    named = SCRIPT.replace("Pymonik()", 'Pymonik(partition=["cpu", "gpu"])')
    args = ("graph", "cost", "named.py", "-o", "json", "--slots", "gpu=4,cpu=7")
    assert json.loads(pymonik_command(*args, named=named).stdout)["slots"] == {"cpu": 7}


def test_calls_that_tasks_may_make_are_said_not_to_be_counted(pymonik_command: Command) -> None:
    source = SCRIPT.replace("return day", "return total.invoke([day])")
    told = pymonik_command("graph", "cost", "a.py", a=source).stdout
    assert told.endswith(
        "\ncalls made inside price are not counted: --execute runs the script here to count them\n"
    )
    assert "not counted" not in pymonik_command("graph", "cost", "p.py", p=SCRIPT).stdout


def test_json_has_the_same(pymonik_command: Command) -> None:
    args = ("graph", "cost", "prices.py", "-o", "json", "--slots", "10", "--seconds", "price=2m")
    made = json.loads(pymonik_command(*args, prices=SCRIPT).stdout)
    assert made["slots"] == {"": 10}
    assert made["figures"]["written"] == 1001
    assert made["work"] == pytest.approx(120_001.0)
    assert made["over"] == []


def test_a_gate_that_is_broken_ends_with_1_and_names_the_line(pymonik_command: Command) -> None:
    limits = "calls=500,tasks=5,makespan=2h,bytes=1GB"
    done = pymonik_command("graph", "cost", "--fail-over", limits, "prices.py", prices=SCRIPT)
    assert done.returncode == 1
    over = [line for line in done.stderr.splitlines() if line.startswith("over: ")]
    assert [line.split()[1] for line in over] == ["calls", "tasks"]
    assert "calls 1,001, allowed 500; most of it: price at prices.py:13" in over[0]


def test_a_gate_that_holds_ends_with_0(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "cost", "--fail-over", "tasks=1k", "prices.py", prices=SCRIPT)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--fail-over", "moons=3"], "there is no figure 'moons'"),
        (["--fail-over", "bytes=3parsecs"], "'3parsecs' is no number"),
        (["--fail-over", "tasks"], "'tasks' is not of the form tasks=200"),
        (["--fail-over", "money=3"], "money needs the --price of a pod-hour"),
        (["--seconds", "price=soon"], "'soon' is no number"),
        (["--seconds", "prise=3"], "no task 'prise' is called, these are: price, total"),
        (["--seconds", "3"], "'3' names no task: write TASK=3, such as price=3"),
        (["--slots", "0"], "no call can run without a slot: give 1 or more"),
        (["--slots", "-3"], "'-3' is no number from 0"),
        (["--slots", "1.2.3"], "'1.2.3' is no number from 0"),
        (["--slots", "gpu=4"], "calls run on 'pymonik', whose slots are not given"),
        (["--assume", "-1"], "not in the range"),
        (["--price", "-1"], "not in the range"),
    ],
)
def test_wrong_limits_are_wrong_usage(
    pymonik_command: Command, args: list[str], words: str
) -> None:
    done = pymonik_command("graph", "cost", *args, "prices.py", prices=SCRIPT)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"slots": 0}, "slots is a whole number of 1 or more, not 0"),
        ({"slots": "x"}, "slots is a whole number of 1 or more, not 'x'"),
        ({"slots": {"gpu": -1}}, "slots of 'gpu' is a whole number"),
        ({"price": -1}, "price is a number of 0 or more, not -1"),
        ({"price": "x"}, "price is a number"),
        ({"seconds": {"price": float("nan")}}, "seconds of 'price' is a number"),
        ({"seconds": {"pricee": 1.0}}, "no task 'pricee' is called, these are: load, price, total"),
    ],
)
def test_what_cannot_be_is_refused(client: Pymonik, given: dict[str, Any], why: str) -> None:
    recorded(client)
    with pytest.raises(ValueError, match=re.escape(why)):
        client.plan().cost(**given)
