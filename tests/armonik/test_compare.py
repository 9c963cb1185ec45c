"""Sessions compared by their wiring, saved, and checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pymonik import Pymonik, task
from pymonik.analysis.session.check import check_tasks
from pymonik.analysis.session.tasks import SessionTask
from pymonik.cli.app import app
from pymonik.emulator import Emulator
from tests.armonik.conftest import Connect
from tests.emulator.plain_cluster import Client, emulator

SCRIPT = """
from pymonik import Pymonik, task

@task
def load(name):
    return len(name)

@task
def price(book, day):
    return book * day

@task
def total(values):
    return sum(values)

with Pymonik(optimize=False):
    book = load.invoke("book")
    prices = price.map_invoke([(book, day) for day in range(DAYS)])
    print(total.invoke(prices).get())
"""


@task
def load(name: str) -> int:
    return len(name)


@task
def price(book: int, day: int) -> int:
    return book * day


@task
def total(values: list[int]) -> int:
    return sum(values)


@task
def twice(value: int) -> Any:
    return total.invoke([load.invoke("ab"), value])


@pytest.fixture(autouse=True)
def _no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYMONIK_RUNS", "off")


@pytest.fixture(scope="module")
def plain() -> Iterator[Emulator]:
    with emulator(idle_grace=1e9) as started:
        yield started


def pymonik(cluster: Emulator, *words: str) -> Any:
    return CliRunner().invoke(app, ["graph", *words, "--endpoint", cluster.endpoint])


def prices(connect: Connect, days: int, priority: int = 1) -> str:
    with connect(optimize=False) as client:
        book = load.invoke("book")
        some = price.map_invoke([(book, day) for day in range(days)], pmk_priority=priority)
        assert total.invoke(some).get() == 4 * sum(range(days))
        return str(client.session_id)


def test_sessions_differ_in_counts_options_and_wiring(cluster: Emulator, connect: Connect) -> None:
    before, after = prices(connect, 4), prices(connect, 5, priority=2)
    told = pymonik(cluster, "diff", before, after).output.splitlines()
    assert told == [
        "note: only the wiring of a session is known: arguments and code are not compared",
        "changed price",
        "  count: 4 before, 5 now",
        "  option priority: 1 before, 2 now",
        "  downstream: total",
        "changed total",
        "  values of price: 4 before, 5 now",
        "2 changes",
    ]
    again = pymonik(cluster, "diff", before, before, "--exit-code")
    assert (again.exit_code, again.output.splitlines()[-1]) == (0, "0 changes")


def test_a_session_is_compared_with_the_script_it_came_of(
    cluster: Emulator, connect: Connect, tmp_path: Path
) -> None:
    session = prices(connect, 4)
    same, other = tmp_path / "same.py", tmp_path / "other.py"
    same.write_text(SCRIPT.replace("DAYS", "4"))
    other.write_text(SCRIPT.replace("DAYS", "3").replace("total", "whole"))
    assert pymonik(cluster, "diff", session, str(same)).output.endswith("0 changes\n")
    made = json.loads(pymonik(cluster, "diff", session, str(other), "-o", "json").stdout)
    assert [(c["kind"], c["task"], c["why"]) for c in made["changes"]] == [
        ("removed", "total", []),
        ("changed", "price", ["count: 4 before, 3 now"]),
        ("added", "whole", []),
    ]
    assert made["changes"][1]["downstream"] == ["whole"]
    assert any("arguments and code" in note for note in made["notes"])
    assert any("is compiled for 8 slots" in note for note in made["notes"])


def test_sub_tasks_are_compared_between_sessions_and_left_out_of_scripts(
    cluster: Emulator, connect: Connect, tmp_path: Path
) -> None:
    sessions = []
    for count in (1, 2):
        with connect(optimize=False) as client:
            assert twice.map_invoke([(n,) for n in range(count)])[0].get() == 2
            client.flush()
            sessions.append(client.session_id)
    told = pymonik(cluster, "diff", sessions[0], sessions[1], "-o", "json")
    assert {c["task"]: c["why"] for c in json.loads(told.stdout)["changes"]} == {
        "twice": ["count: 1 before, 2 now"],
        "load": ["count: 1 before, 2 now"],
        "total": ["count: 1 before, 2 now"],
    }
    script = tmp_path / "twice.py"
    script.write_text(
        "from pymonik import Pymonik\nfrom tests.armonik.test_compare import twice\n"
        "with Pymonik(optimize=False):\n    twice.map_invoke([(0,)])[0].get()\n"
    )
    told = pymonik(cluster, "diff", str(script), sessions[0])
    assert told.output.endswith("0 changes\n")
    assert "2 sub-tasks of the session are left out" in told.output


def test_objects_of_other_clients_are_compared_by_their_bytes(plain: Emulator) -> None:
    sessions = []
    for data in (b"data", b"more data"):
        with Client(plain.endpoint) as client:
            ended, first = client.run("concat", client.put(data), text="x")
            client.ended(ended)
            client.ended(client.run("concat", first)[0])
            sessions.append(client.session)
    told = pymonik(plain, "diff", *sessions)
    assert "  objects read: 4 B before, 9 B now" in told.output, told.output
    assert told.output.endswith("1 change\n")


def test_a_saved_session_is_shown_priced_and_compared_like_the_session(
    cluster: Emulator, connect: Connect, tmp_path: Path
) -> None:
    session, file = prices(connect, 4), str(tmp_path / "seen.pmk")
    assert (
        pymonik(cluster, "save", file, session).output == f"wrote {file}: the wiring of 6 tasks\n"
    )
    run = CliRunner().invoke
    shown, direct = (
        json.loads(told.stdout)
        for told in (
            run(app, ["graph", "show", file, "-o", "json"]),
            pymonik(cluster, "show", session, "-o", "json"),
        )
    )
    assert shown.pop("file") == file
    assert direct.pop("session") == session
    assert shown == direct
    priced = json.loads(run(app, ["graph", "cost", file, "-o", "json"]).stdout)
    assert (priced["figures"]["units"], priced["known"]) == (6, 1.0)
    assert pymonik(cluster, "diff", file, session).output.endswith("0 changes\n")
    refused = run(app, ["submit", file])
    assert refused.exit_code == 2
    assert "holds only the wiring of a session" in " ".join(refused.output.replace("│", "").split())


def test_a_run_on_a_cluster_is_saved_as_the_cluster_knows_it(
    cluster: Emulator, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYMONIK_RUNS", str(tmp_path))
    with connect() as client:
        assert total.invoke([load.invoke("book")]).get() == 4
        session = client.session_id
    file = str(tmp_path / "seen.pmk")
    assert "wiring" in pymonik(cluster, "save", file, session).output
    priced = json.loads(CliRunner().invoke(app, ["graph", "cost", file, "-o", "json"]).stdout)
    assert priced["known"] == 1.0
    assert priced["figures"]["bytes_sent"] > 0


def test_a_past_run_is_saved_as_its_wiring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYMONIK_RUNS", str(tmp_path))
    with Pymonik(backend="inline", optimize=False):
        assert total.invoke(price.map_invoke([(4, day) for day in range(3)])).get() == 12
    file, run = str(tmp_path / "run.pmk"), CliRunner().invoke
    assert "the wiring of 4 tasks" in run(app, ["graph", "save", file, "last"]).output
    boxes = json.loads(run(app, ["graph", "show", file, "-o", "json"]).stdout)["boxes"]
    assert [(box["titles"], box["count"], box["status"]) for box in boxes] == [
        (["price"], 3, "done"),
        (["total"], 1, "done"),
    ]
    assert json.loads(run(app, ["graph", "cost", file, "-o", "json"]).stdout)["known"] == 1.0
    assert run(app, ["graph", "diff", file, "last"]).output.endswith("0 changes\n")


def test_a_session_is_checked_by_what_its_cluster_knows(plain: Emulator, tmp_path: Path) -> None:
    file = str(tmp_path / "seen.pmk")
    with Client(plain.endpoint) as client:
        wrong, _ = client.run("error", text="why not")
        client.ended(wrong)
        (never,) = client.declare("never")
        client.run("concat", never)
        found = pymonik(plain, "check", client.session)
        assert pymonik(plain, "save", file, client.session).exit_code == 0
    assert found.exit_code == 1
    told = found.output.splitlines()
    assert told[0] == "error: failed at its client"
    assert told[1].startswith("  1 of 1 task of output of error: failed, ")
    assert told[2:4] == [
        "warning: missing result at its client",
        "  1 task of output of concat, not begun: the object 'never' is needed, which is empty, "
        "and which no task makes",
    ]
    assert told[4].endswith("2 findings")
    assert "not known, nor checked" in told[5]
    kept = CliRunner().invoke(app, ["graph", "check", file, "-o", "json"])
    assert [f["rule"] for f in json.loads(kept.stdout)["findings"]] == ["failed", "missing result"]


def test_limits_partitions_and_failed_makers_are_found() -> None:
    gone = (("partition", "gone"),)
    tasks = [
        SessionTask("a", "slow", "done", outputs=("x",), seconds=9.0, limit=10.0),
        SessionTask("b", "slow", "running", limit=5.0),
        SessionTask("c", "bad", "failed", outputs=("y",), error="no", facts=gone),
        SessionTask("d", "last", "waiting", inputs=("x", "y")),
    ]
    found = {finding.rule: finding.text for finding in check_tasks(tasks, {}, ["main"])}
    assert set(found) == {"failed", "missing result", "max_duration", "partition"}
    assert "lasted up to 9 s" in found["max_duration"]
    assert "after 5 s" in found["max_duration"]
    assert "bad wants the partition 'gone'" in found["partition"]
    assert "the result of bad is needed, which failed" in found["missing result"]
    rules = [finding.rule for finding in check_tasks(tasks[:2], {}, None, {"slow": 4.0})]
    assert rules == []
