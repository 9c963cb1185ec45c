"""Sessions drawn from what the cluster knows: ours and those of other clients."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pymonik import task
from pymonik.analysis.session.look import look
from pymonik.analysis.session.tasks import SessionObject, SessionTask, without_ids
from pymonik.cli.app import app
from pymonik.draw.tasks import drawing_of_tasks
from pymonik.draw.terminal import terminal
from pymonik.emulator import Emulator
from pymonik.errors import BackendError
from tests.armonik.conftest import Connect
from tests.cli.conftest import pymonik_command
from tests.emulator.conftest import gate
from tests.emulator.plain_cluster import Client, Gate, emulator, eventually
from tests.rows import shortened

__all__ = ["gate", "pymonik_command"]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@task
def load(name: str) -> int:
    return len(name)


@task
def price(book: int, day: int) -> float:
    return book / (day - 3)


@task
def total(values: list[int]) -> int:
    return sum(values)


@task
def count(tree: Any) -> Any:
    if not isinstance(tree, list):
        return 1
    return total.invoke([count.invoke(branch) for branch in tree])


def boxes(endpoint: str, session: str) -> dict[str, Any]:
    drawn = drawing_of_tasks(*look(session, endpoint=endpoint))
    return {f"{box.name} {box.count}": box for box in drawn.boxes}


def links(endpoint: str, session: str) -> list[tuple[str, str, int, str]]:
    drawn = drawing_of_tasks(*look(session, endpoint=endpoint))
    names = [box.name for box in drawn.boxes]
    return [(names[k.source], names[k.target], k.values, k.kind) for k in drawn.links]


def test_a_session_of_ours_is_drawn_with_names_counts_and_status(
    cluster: Emulator, connect: Connect
) -> None:
    with connect(optimize=False) as client:
        book = load.invoke("book")
        prices = price.map_invoke([(book, day) for day in range(4)], pmk_priority=2)
        assert prices[3].exception() is not None
        assert total.invoke(prices[:3]).get() < 0
        found = boxes(cluster.endpoint, client.session_id)
        wires = links(cluster.endpoint, client.session_id)
    assert [(name, box.status) for name, box in found.items()] == [
        ("load 1", "done"),
        ("price 4", "failed"),
        ("total 1", "done"),
    ]
    assert set(found["price 4"].notes[0].split(", ")) == {"3 done", "1 failed"}
    assert ("priority", "2") in found["price 4"].facts
    assert any("ZeroDivisionError" in text for name, text in found["price 4"].facts)
    assert wires == [("load", "price", 4, "values"), ("price", "total", 3, "values")]


def test_sub_tasks_and_what_they_stand_for_are_drawn(cluster: Emulator, connect: Connect) -> None:
    with connect(optimize=False) as client:
        assert count.invoke([1, [2, 3], 4]).get() == 4
        tasks, objects = look(client.session_id, endpoint=cluster.endpoint)
    drawn = drawing_of_tasks(tasks, objects)
    kinds = {link.kind for link in drawn.links}
    assert {"made", "values"} <= kinds
    assert "delegated" in kinds
    root = drawn.boxes[0]
    assert (root.name, root.count, root.status) == ("count", 1, "done")
    assert any("made by count" in box.notes for box in drawn.boxes)
    # Who stands for another is named as itself.
    assert {box.name for box in drawn.boxes if "stands for count" in box.notes} == {"total"}
    assert sum(box.count for box in drawn.boxes if box.kind == "calls") == len(tasks)
    assert "made by count" in terminal(drawn)


@pytest.fixture(scope="module")
def plain() -> Any:
    with emulator(idle_grace=1e9) as started:
        yield started


def test_a_session_of_another_client_is_drawn_while_it_runs(
    plain: Emulator, gate: Gate, pymonik_command: Command
) -> None:
    with Client(plain.endpoint) as client:
        data = client.put(b"data")
        ended, first = client.run("concat", data, text="x")
        client.ended(ended)
        held, second = client.run("wait", first, path=gate.path)
        client.run("concat", second)
        eventually(lambda: client.task_status(held).name == "PROCESSING")
        tasks, objects = look(client.session, endpoint=plain.endpoint)
        drawn = drawing_of_tasks(tasks, objects)
        assert [(box.name, box.kind, box.status, box.reads) for box in drawn.boxes] == [
            ("data", "object", "", 4),
            ("output of concat", "calls", "done", 4),
            ("output of wait", "calls", "running", 0),
            ("output of concat", "calls", "waiting", 0),
        ]
        assert [(k.source, k.target) for k in drawn.links] == [(0, 1), (1, 2), (2, 3)]
        shown = pymonik_command("graph", "show", client.session, "--endpoint", plain.endpoint)
        gate.open()
    assert shown.returncode == 0, shown.stderr
    assert "tasks      3" in shown.stdout
    assert "running" in shown.stdout
    assert "waiting" in shown.stdout


def test_delegation_of_another_client_is_drawn(plain: Emulator) -> None:
    with Client(plain.endpoint) as client:
        parent, output = client.run("delegate")
        client.ended(parent)
        assert client.value(output) == b"leaf+root"
        assert {
            (source, target, kind)
            for source, target, _, kind in links(plain.endpoint, client.session)
        } == {
            ("output of delegate", "middle", "made"),
            ("middle", "output of delegate", "values"),
            ("output of delegate", "output of delegate", "delegated"),
        }


def test_numbered_tasks_are_one_fan_out_and_errors_are_told(plain: Emulator) -> None:
    with Client(plain.endpoint) as client:
        outputs = client.declare(*(f"path-{number}" for number in range(9)))
        payloads = [client.program("concat", text="x") for _ in outputs]
        tasks = [client.submit(*pair) for pair in zip(payloads, outputs, strict=True)]
        wrong, _ = client.run("error", text="why not")
        for ended in (*tasks, wrong):
            client.ended(ended)
        found = boxes(plain.endpoint, client.session)
    assert (found["path 9"].status, found["path 9"].notes) == ("done", ("9 done",))
    failed = found["output of error 1"]
    assert failed.status == "failed"
    assert "why not" in dict(failed.facts)["error"]


def test_a_task_that_was_tried_again_is_one_task(plain: Emulator, tmp_path: Path) -> None:
    with Client(plain.endpoint, options={"max_retries": 3}) as client:
        _, output = client.run("die_once", path=str(tmp_path / "died"), text="x")
        assert client.value(output) == b"x"
        found = boxes(plain.endpoint, client.session)
    assert (found["output of die_once 1"].status) == "done"
    assert dict(found["output of die_once 1"].facts)["attempts"] == "2"


@pytest.mark.parametrize("form", shortened(["svg", "html", "dot", "mermaid", "json", "graphml"]))
def test_every_format_has_the_status(plain: Emulator, pymonik_command: Command, form: str) -> None:
    with Client(plain.endpoint) as client:
        wrong, _ = client.run("error", text="why not")
        client.ended(wrong)
        args = ("graph", "show", client.session, "--endpoint", plain.endpoint, "--format", form)
        shown = pymonik_command(*args)
    assert shown.returncode == 0, shown.stderr
    marks = {
        "svg": 'class="calls failed"',
        "html": '"status":"failed"',
        "dot": 'fillcolor="#fde7e7"',
        "mermaid": "class n0 failed",
        "json": '"status": "failed"',
        "graphml": ">failed</data>",
    }
    assert marks[form] in shown.stdout


def test_akconfig_names_the_cluster_of_a_session(
    plain: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cluster.yaml").write_text(f"endpoint: http://{plain.endpoint}\n")
    monkeypatch.setenv("AKCONFIG", str(tmp_path / "cluster.yaml"))
    with Client(plain.endpoint) as client:
        shown = CliRunner().invoke(app, ["graph", "show", client.session, "-o", "json"])
        assert json.loads(shown.output)["session"] == client.session
        monkeypatch.delenv("AKCONFIG")
        args = ["graph", "show", "-c", str(tmp_path / "cluster.yaml"), client.session]
        named = CliRunner().invoke(app, [*args, "--output", "json"])
        assert json.loads(named.output)["session"] == client.session
    monkeypatch.setenv("AKCONFIG", str(tmp_path / "cluster.yaml"))
    misspelt = CliRunner().invoke(app, ["graph", "show", "prces.py"])
    assert "there is no 'prces.py' here" in " ".join(misspelt.output.split())
    unknown = CliRunner().invoke(app, ["graph", "show", "no-such-session"])
    assert unknown.exit_code == 2
    assert "no session 'no-such-session'" in " ".join(unknown.output.split())


def test_a_session_that_is_not_there_is_said(plain: Emulator) -> None:
    with pytest.raises(BackendError, match="no session 'moon'"):
        look("moon", endpoint=plain.endpoint)


def test_a_session_is_priced_by_what_its_tasks_took(
    plain: Emulator, pymonik_command: Command
) -> None:
    with Client(plain.endpoint) as client:
        data = client.put(b"data")
        first, output = client.run("concat", data)
        client.ended(first)
        for text in "abcd":
            ended, _ = client.run("concat", output, text=text)
            client.ended(ended)
        args = ("--endpoint", plain.endpoint, "--slots", "2", "--price", "7200")
        done = pymonik_command("graph", "cost", client.session, *args, "-o", "json")
        gate = pymonik_command(
            *("graph", "cost", client.session, *args, "--seconds", "output of concat=10"),
            *("--fail-over", "tasks=4,makespan=10s"),
        )
    made = json.loads(done.stdout)
    assert (made["figures"]["units"], made["figures"]["depth"], made["known"]) == (5, 2, 1.0)
    assert made["figures"]["bytes_distinct"] == 8
    assert made["work"] >= made["span"] > 0
    assert made["money"] == pytest.approx(2 * 2 * made["makespan"])
    assert gate.returncode == 1
    assert "50 s, of which 100% has known durations" in gate.stdout
    assert "over: tasks 5, allowed 4; most of it: output of concat" in gate.stderr
    assert "requests" not in gate.stdout


def test_a_session_is_traced_with_a_lane_a_pod(
    plain: Emulator, pymonik_command: Command, tmp_path: Path
) -> None:
    with Client(plain.endpoint) as client:
        first, output = client.run("concat", text="x")
        client.ended(first)
        second, _ = client.run("concat", output)
        client.ended(second)
        done = pymonik_command(
            "trace", client.session, "--endpoint", plain.endpoint, "-o", "t.json"
        )
    assert done.returncode == 0, done.stderr
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    pieces = [event for event in events if event["ph"] == "X"]
    assert [piece["name"] for piece in pieces] == ["output of concat"] * 2
    assert {piece["tid"] for piece in pieces} == {0}
    assert pieces[0]["ts"] == 0.0
    assert pieces[1]["ts"] >= pieces[0]["dur"]


def test_a_past_run_names_its_session_on_the_cluster(
    cluster: Emulator, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYMONIK_RUNS", str(tmp_path))
    with connect() as client:
        assert load.invoke("book").get() == 4
        session = client.session_id
    where = ["--endpoint", cluster.endpoint]
    for name in ("last", session[:13]):
        shown = CliRunner().invoke(app, ["graph", "show", name, *where, "-o", "json"])
        assert json.loads(shown.output)["session"] == session
        priced = CliRunner().invoke(app, ["graph", "cost", name, *where, "-o", "json"])
        assert json.loads(priced.output)["sites"][0]["site"] == "its client"
    told = CliRunner().invoke(app, ["runs", "show", "last"]).output
    assert f"the cluster has the times of its tasks: pymonik graph show {session}" in told


def test_an_operator_sees_the_program_and_the_function_of_a_task(
    cluster: Emulator, connect: Connect
) -> None:
    with connect(optimize=False) as client:  # sub-tasks are tasks of their own
        load.map_invoke(["a", "bc"]).get()
        count.invoke([[1], 2]).get()
        session = client.parts.engine.backend._session  # type: ignore[union-attr]
        options = [task.options for task in session.all_tasks()]
        load.invoke("given", pmk_application_name="pricing").get()
        given = [task.options.application_name for task in session.all_tasks()]
        tasks, _ = look(client.session_id, endpoint=cluster.endpoint)
    assert {o.application_service for o in options} >= {"load", "count", "total"}
    assert len({o.application_name for o in options}) == 1
    assert all(o.application_name and o.application_service for o in options)
    assert given.count("pricing") == 1
    # It is no option that a user has given: a drawing does not repeat what it has for a title.
    facts = [dict(task.facts) for task in tasks if task.name == "total"]
    assert facts
    assert all("application" not in fact for fact in facts)


def test_a_session_of_an_earlier_client_is_drawn_by_function_with_its_width() -> None:
    session = str(uuid.uuid4())
    names = [f"{session}__output__square_all__{uuid.uuid4()}" for _ in range(1000)]
    tasks = [SessionTask(str(n), without_ids(name), "done") for n, name in enumerate(names)]
    drawn = drawing_of_tasks(tasks, {})
    assert [(box.name, box.count) for box in drawn.boxes] == [("square_all", 1000)]
    assert without_ids(f"{session}__function__square_all") == "function square_all"
    assert without_ids("price of 3") == "price of 3"


def test_what_an_earlier_client_has_put_is_drawn_with_its_width() -> None:
    ids = [f"pymonik_put_many_data__{n}__{uuid.uuid4()}" for n in range(200)]
    named = [f"pymonik_put_many_data__{n}__book {n}" for n in range(200)]
    objects = {name: SessionObject(without_ids(name), 10) for name in (*ids, *named)}
    tasks = [SessionTask(str(n), "price", "done", pair) for n, pair in enumerate(zip(ids, named))]
    drawn = drawing_of_tasks(tasks, objects)
    boxes = [(box.name, box.count) for box in drawn.boxes]
    assert boxes == [("object", 200), ("book", 200), ("price", 200)]
    assert without_ids("pymonik_put_data__three") == "three"
    assert without_ids(str(uuid.uuid4())) == ""
