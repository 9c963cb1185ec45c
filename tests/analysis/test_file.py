"""Graphs as files: what comes back compiles to the same plan and gives the same values."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task, task
from pymonik.analysis.encode import brief
from pymonik.analysis.file import compiled, load, of_brief, save
from pymonik.client.lookup import handles_of
from pymonik.errors import GraphFileError
from pymonik.graph.show import show
from pymonik.humanize import literal
from pymonik.record.handle import handle_to

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@task
def add(a: Any, b: Any = 1, *, k: Any = 0) -> Any:
    return a + b + k


@task(retries=2, retry_on=KeyError, max_duration=60, priority=4)
def total(values: Any, more: Any = None) -> Any:
    return sum(values) + len(more or ())


@task
def describe(value: Any) -> str:
    return repr(value)


def recorded(client: Pymonik) -> Any:
    """Record one of everything that a graph can have; give the handles."""
    book = client.put(np.arange(5000.0), name="book")
    nameless = client.put([1, 2, 3])
    loop = [add.invoke(i, 0.5, pymonik=client) for i in range(6)]
    mapped = add.map_invoke([(1, 2), (3, 4), (5, 6)], pymonik=client, k=7)
    pair = add.invoke((1, (2, b"x\xff")), (3j, ..., True), k=(), pymonik=client)
    nested = total.invoke(loop, {"a": loop[0], "b": [mapped[1]]}, pymonik=client)
    both = total.invoke([nameless, *mapped][1:], pymonik=client)
    array = describe.invoke(book, pymonik=client, pmk_name="text")
    shared = Task(lambda x: x, func_name="same", pure=True).invoke(mapped[2], pymonik=client)
    puts = describe.invoke([nameless, loop[5]], pymonik=client)
    return loop, mapped, pair, nested, both, array, shared, puts


def test_what_is_loaded_compiles_to_the_same_plan(tmp_path: Path) -> None:
    client = Pymonik(backend="dry-run")
    kept = recorded(client)
    plan = client.plan()
    save(plan, tmp_path / "g.pmk")
    again = compiled(load(tmp_path / "g.pmk"))
    assert show(again.graph) == show(plan.graph)
    assert show(again.source.graph) == show(plan.source.graph)
    assert [r.kind for r in again.requests] == [r.kind for r in plan.requests]
    assert [unit.options for unit in again.units] == [unit.options for unit in plan.units]
    assert sorted(b.digest for b in again.blobs) == sorted(b.digest for b in plan.blobs)
    client.cancel()
    del kept


WIDE = -(1 << 20_000)
ODD = [WIDE, math.inf, -math.inf, math.nan, -0.0, complex(-math.inf, math.nan)]


@pytest.mark.parametrize("is_brief", [False, True], ids=["saved", "kept"])
def test_numbers_that_json_has_not_come_back(tmp_path: Path, is_brief: bool) -> None:
    with Pymonik(backend="inline") as client:
        calls = [add.invoke(*ODD[:2], k=()), add.invoke((WIDE, 2), (math.nan, WIDE), k=())]
        rows = add.map_invoke([(number, 1) for number in ODD])
        plan = client.plan()
        if is_brief:
            text = json.dumps(brief(plan.source), allow_nan=False)
            source = of_brief(json.loads(text))
        else:
            save(plan, tmp_path / "g.pmk")
            source = load(tmp_path / "g.pmk")
        client.cancel()
    one, other, mapped = (node.args for node in source.graph.nodes)
    assert one == (*ODD[:2], ())
    assert other[0] == (WIDE, 2)
    assert math.isnan(other[1][0])
    assert other[1][1] == WIDE
    assert list(map(literal, mapped[0].values)) == list(map(literal, ODD))
    assert len(compiled(source).units) >= 3
    del calls, rows


def test_what_is_loaded_gives_the_same_values(tmp_path: Path) -> None:
    with Pymonik(backend="inline") as client:
        kept = recorded(client)
        save(client.plan(), tmp_path / "g.pmk")
        loop, mapped, _, nested, both, array, shared, puts = kept
        loop_values = [handle.get() for handle in loop]
        wanted = [mapped.get(), nested.get(), both.get(), array.get(), shared.get(), puts.get()]
    source = load(tmp_path / "g.pmk")
    with Pymonik(backend="inline") as other:
        other.pending.extend(source.graph.nodes)
        nodes = [node for node in source.graph.nodes if hasattr(node, "spec")]
        handles = [handle_to(node, 0, other) for node in nodes]
        assert [handle.get() for handle in handles[:6]] == loop_values
        several = [handle_to(nodes[6], index, other).get() for index in range(3)]
        assert [several, *(handle.get() for handle in handles[8:])] == wanted
        assert handles[7].get() == (1, (2, b"x\xff"), 3j, ..., True)


def test_modules_beside_the_script_are_in_the_file(tmp_path: Path) -> None:
    @task
    def use() -> Any:
        from tests.graph import bounds

        return bounds.__name__

    client = Pymonik(backend="dry-run")
    kept = [use.invoke(pymonik=client), add.invoke(1, pymonik=client)]
    plan = client.plan()
    save(plan, tmp_path / "g.pmk")
    again = compiled(load(tmp_path / "g.pmk"))
    digests = [[unit.modules and unit.modules.digest for unit in p.units] for p in (plan, again)]
    assert digests[0] == digests[1]
    assert None not in digests[0]
    assert b"tests.graph.bounds" in plan.units[0].modules.data  # type: ignore[union-attr]
    client.cancel()
    del kept


def run_again(path: Path, **settings: Any) -> tuple[Pymonik, list[Any]]:
    """Run a saved graph; give its client, closed, and the values of its calls."""
    nodes = load(path).graph.nodes
    with Pymonik(**settings) as client:
        client.pending.extend(nodes)
        client.recorder.names.update(handles_of(nodes, client))
        calls = [node for node in nodes if hasattr(node, "spec")]
        return client, [handle_to(node, 0, client).get() for node in calls]


def test_the_working_folder_is_in_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "told.txt").write_text("as it was")
    read = Task(lambda: Path("told.txt").read_text(), func_name="read")
    client = Pymonik(backend="dry-run", environment={"working_dir": str(folder)})
    kept = read.invoke(pymonik=client)
    save(client.plan(), tmp_path / "g.pmk")
    client.cancel()
    shutil.rmtree(folder)
    assert run_again(tmp_path / "g.pmk", backend="local", workers=1)[1] == ["as it was"]
    save(compiled(load(tmp_path / "g.pmk")), tmp_path / "again.pmk")
    assert run_again(tmp_path / "again.pmk", backend="local", workers=1)[1] == ["as it was"]
    del kept


def test_names_come_back_for_calls_maps_and_elements(tmp_path: Path) -> None:
    client = Pymonik(backend="dry-run")
    single = add.invoke(1, pymonik=client, pmk_name="single")
    whole = add.map_invoke([(1, 2), (3, 4)], pymonik=client, pmk_name="whole")
    parts = add.map_invoke([(5, 6), (7, 8)], pymonik=client)
    parts[1].named("part")
    client.put([1], name="kept")
    save(client.plan(), tmp_path / "g.pmk")
    client.cancel()
    again, _ = run_again(tmp_path / "g.pmk", backend="inline")
    found = {name: again.lookup(name).get() for name in ("single", "whole", "part", "kept")}
    assert found == {"single": 2, "whole": [3, 7], "part": 15, "kept": [1]}
    del single, whole


def test_saving_what_was_loaded_writes_the_same(tmp_path: Path) -> None:
    client = Pymonik(backend="dry-run")
    kept = recorded(client)
    save(client.plan(), tmp_path / "one.pmk")
    save(compiled(load(tmp_path / "one.pmk")), tmp_path / "two.pmk")
    one, two = (zipfile.ZipFile(tmp_path / f"{name}.pmk") for name in ("one", "two"))
    with one, two:
        assert {n: one.read(n) for n in one.namelist()} == {n: two.read(n) for n in two.namelist()}
    client.cancel()
    del kept


def test_values_of_an_earlier_submission_cannot_be_saved(tmp_path: Path) -> None:
    with Pymonik(backend="inline") as client:
        first = add.invoke(1, 2)
        first.wait()
        last = add.invoke(first, 3)
        with pytest.raises(GraphFileError, match="earlier submission"):
            save(client.plan(), tmp_path / "g.pmk")
        assert last.get() == 6


@pytest.mark.parametrize("damage", ["text", "zip", "version", "cut"])
def test_what_is_no_graph_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "g.pmk"
    if damage == "text":
        path.write_text("hello")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            if damage == "version":
                archive.writestr("graph.json", json.dumps({"kind": "pymonik-graph", "format": 99}))
            elif damage == "cut":
                archive.writestr("graph.json", '{"kind": "pymonik-graph", "format": 1')
            else:
                archive.writestr("other", "")
    with pytest.raises(GraphFileError, match="format 99" if damage == "version" else "no graph"):
        load(path)


SCRIPT = """
import sys
from pymonik import Pymonik, task

@task
def price(day):
    return 10 * day

@task
def total(prices):
    return sum(prices)

with Pymonik():
    prices = [price.invoke(day) for day in range(int(sys.argv[1]))]
    print(total.invoke(prices, pmk_name="sum").get())
"""


def test_a_saved_graph_is_shown_costed_checked_and_run(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "save", "prices.pmk", "prices.py", "40", prices=SCRIPT)
    assert (done.returncode, done.stdout) == (0, "wrote prices.pmk: 41 calls\n")
    assert "│ price ×40" in pymonik_command("graph", "show", "prices.pmk").stdout
    assert "40     " in pymonik_command("graph", "cost", "prices.pmk").stdout
    assert "0 findings" in pymonik_command("graph", "check", "prices.pmk").stdout
    ran = pymonik_command("submit", "prices.pmk", "--backend", "inline", "-o", "json")
    values = json.loads(ran.stdout)["values"]
    assert values["sum at prices.py:15"] == 7800
    assert values["price at prices.py:14"] == [10 * day for day in range(40)]


def test_a_saved_graph_draws_the_numbers_that_its_script_draws(pymonik_command: Command) -> None:
    source = """
from pymonik import Pymonik, task

@task(require_context=True)
def deeper(ctx, x):
    return x + ctx.rng.random()

@task(require_context=True)
def draw(ctx, n):
    return deeper.invoke(ctx.rng.random() + n, delegate=True)

@task
def listed(values):
    return list(values)

with Pymonik(seed=7):
    drawn = listed.invoke([draw.invoke(n) for n in range(5)])
    alone = draw.invoke(9)
    print([*drawn.get(), alone.get()])
"""
    expected = json.loads(pymonik_command("run", "--backend", "inline", "a.py", a=source).stdout)
    pymonik_command("graph", "save", "a.pmk", "a.py")
    for backend in ("inline", "local"):
        done = pymonik_command("submit", "a.pmk", "--backend", backend, "-o", "json")
        values = json.loads(done.stdout)["values"]
        assert [*values["listed at a.py:17"], values["draw at a.py:18"]] == expected


def test_values_that_json_does_not_know_are_told_in_what_it_knows(
    pymonik_command: Command,
) -> None:
    source = """
import numpy as np
from pymonik import Pymonik, task

@task
def made():
    return {"grid": np.arange(4).reshape(2, 2), (1, 2): np.float64(0.5), "kinds": (1, {"x"})}

with Pymonik():
    made.invoke().get()
"""
    pymonik_command("graph", "save", "a.pmk", "a.py", a=source)
    done = pymonik_command("submit", "a.pmk", "--backend", "inline", "-o", "json")
    assert json.loads(done.stdout)["values"] == {
        "made at a.py:10": {"grid": [[0, 1], [2, 3]], "(1, 2)": 0.5, "kinds": [1, ["x"]]}
    }


def test_saving_over_a_script_is_refused(pymonik_command: Command) -> None:
    pymonik_command("graph", "save", "prices.pmk", "prices.py", "4", prices=SCRIPT)
    done = pymonik_command("graph", "save", "prices.py", "prices.pmk")
    assert done.returncode == 2
    assert "prices.py exists and is not a saved graph" in done.stderr
    # What is a graph may be written again, and the script is as it was.
    again = pymonik_command("graph", "save", "prices.pmk", "prices.py", "5")
    assert again.stdout == "wrote prices.pmk: 6 calls\n"


def test_a_submitted_graph_that_fails_ends_with_1(pymonik_command: Command) -> None:
    source = SCRIPT.replace("10 * day", "1 / day")
    pymonik_command("graph", "save", "prices.pmk", "prices.py", "3", prices=source)
    done = pymonik_command("submit", "prices.pmk", "--backend", "inline")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_a_file_that_is_no_graph_is_wrong_usage(pymonik_command: Command) -> None:
    done = pymonik_command("submit", "hello.py", hello="x = 1\n")
    assert done.returncode == 2
    assert "is no graph" in done.stderr
