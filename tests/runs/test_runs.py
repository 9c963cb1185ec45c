"""Runs are recorded, listed, shown, traced and remembered; and never in the way."""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, Task, task
from pymonik.capture.text.fingerprint import fingerprint
from pymonik.emulator import Emulator
from pymonik.errors import RunNotFound, StaleError
from pymonik.runs.drawing import drawing_of
from pymonik.runs.record import RunRecord
from pymonik.runs.store import RunStore
from pymonik.runs.trace import chrome, timeline, without_overlaps
from tests.conformance.programs import pass_gate
from tests.conftest import PATIENCE, Gate, script_environment

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def inverse(x: float) -> float:
    return 1 / x


@task
def total(values: list[int]) -> int:
    return sum(values)


def last() -> RunRecord:
    with RunStore.open() as store:
        return store.find("last")


@pytest.mark.parametrize("backend", ["inline", "local"])
def test_a_run_leaves_a_record(runs: Path, backend: str) -> None:
    with Pymonik(backend=backend, workers=2) as client:
        assert total.invoke([add.invoke(i, 1) for i in range(20)]).get() == 210
        session = client.session_id
    record = last()
    assert (record.id, record.backend, record.workers) == (session, backend, 2)
    assert (record.submissions, record.calls, record.failed) == (1, 21, 0)
    assert sum(elements for _, _, _, _, elements in record.spans) == 21
    assert {name for _, name, *_ in record.spans} == {"add", "total"}
    assert all(
        0 <= begin <= begin + seconds <= record.seconds for *_, begin, seconds, _ in record.spans
    )
    assert [box["titles"] for box in record.drawings[0]["boxes"]] == [["add"], ["total"]]
    assert record.drawings[0]["links"] == [{"source": 0, "target": 1, "values": 20}]


def test_failures_are_kept_with_their_place(runs: Path) -> None:
    with Pymonik(backend="inline"):
        assert inverse.invoke(0).exception() is not None
    record = last()
    assert record.failed == 1
    assert record.failures[0]["task"] == "inverse"
    assert record.failures[0]["site"].startswith(__file__)


def test_a_run_without_calls_leaves_none(runs: Path) -> None:
    with Pymonik(backend="inline"):
        pass
    with RunStore.open() as store:
        assert store.list(10) == []


def test_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with Pymonik(backend="inline"):
        assert add.invoke(1, 2).get() == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("obstacle", ["file", "garbage", "locked", "full", "newer"])
def test_a_database_that_cannot_be_used_is_no_reason_to_fail(
    runs: Path, obstacle: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = None
    if obstacle == "file":
        runs.write_text("a file where the folder should be")
    elif obstacle == "full":
        with RunStore.open() as store:
            pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        opened = sqlite3.connect

        def small(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection = opened(*args, **kwargs)
            connection.execute(f"PRAGMA max_page_count = {pages}")
            return connection

        monkeypatch.setattr(sqlite3, "connect", small)
    elif obstacle == "newer":
        with RunStore.open() as store:
            store._db.execute("DROP TABLE runs")
            store._db.execute("PRAGMA user_version = 99")
    elif obstacle == "garbage":
        runs.mkdir()
        (runs / "runs.sqlite").write_bytes(b"no database" * 1000)
    else:
        held = RunStore.open()
        held._db.execute("BEGIN EXCLUSIVE")
    with caplog.at_level("WARNING"), Pymonik(backend="inline"):
        assert add.invoke(1, 2).get() == 3
        if obstacle == "full":  # so that the record needs pages that there are not
            named = [Task(add.func, func_name=os.urandom(3000).hex()) for _ in range(20)]
            assert [task.invoke(1, 2).get() for task in named] == [3] * 20
    # Clients of earlier tests may say something, too.
    said = [record.getMessage() for record in caplog.records]
    assert sum("this run will not appear" in message for message in said) == 1
    if held is not None:
        with held:
            held._db.execute("ROLLBACK")
            assert held.list(10) == []


def test_many_writers_lose_nothing(runs: Path) -> None:
    def write(number: int) -> None:
        with RunStore.open() as store:
            for turn in range(5):
                record = RunRecord(f"{number}-{turn}", float(turn), "s", "local", 1)
                store.keep(record, [("f", "task", 1.0, 1)])

    with RunStore.open():
        pass
    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with RunStore.open() as store:
        assert len(store.list(100)) == 20


WRITER = """
import sys
from pymonik import Pymonik, task
from pymonik.runs import store

store._PATIENCE = 60.0  # who writes may be stopped for a while on a loaded machine

@task
def double(x):
    return 2 * x

print("ready", flush=True)
sys.stdin.readline()
for _ in range(10):
    with Pymonik(backend="inline"):
        assert double.invoke(4).get() == 8
"""


def test_programs_that_end_at_once_lose_nothing(runs: Path, tmp_path: Path) -> None:
    script = tmp_path / "writer.py"
    script.write_text(WRITER)
    writers = [
        subprocess.Popen(
            [sys.executable, str(script)],
            env=script_environment(PYMONIK_RUNS=str(runs)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    ended = []
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        ended.append((writer.communicate(timeout=PATIENCE)[1], writer.returncode))
    assert ended == [("", 0)] * 3
    with RunStore.open() as store:
        assert len(store.list(100)) == 30
        assert store._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_programs_that_make_the_database_at_once_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymonik.runs.store._PATIENCE", float(PATIENCE))
    ready = threading.Barrier(4)

    def make(path: Path) -> int:
        ready.wait(PATIENCE)
        with RunStore(path) as store:
            return len(store.list(1))

    with ThreadPoolExecutor(4) as pool:
        for number in range(50):
            path = tmp_path / f"{number}.sqlite"
            assert list(pool.map(make, [path] * 4)) == [0] * 4


def test_the_oldest_runs_are_dropped(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pymonik.runs.store._KEPT", 3)
    with RunStore.open() as store:
        for number in range(5):
            store.keep(RunRecord(str(number), float(number), "s", "local", 1))
        assert [record.id for record in store.list(10)] == ["4", "3", "2"]


def test_durations_are_remembered_by_fingerprint(runs: Path) -> None:
    with RunStore.open() as store:
        assert store.seconds(fingerprint(add.func, packages=False)) is None
    with Pymonik(backend="inline"):
        add.map_invoke([(i, 1) for i in range(50)]).get()
    with RunStore.open() as store:
        seconds = store.seconds(fingerprint(add.func, packages=False))
        assert seconds is not None
        assert seconds > 0
        assert store.seconds(fingerprint(total.func, packages=False)) is None


def test_a_newer_run_counts_half(runs: Path) -> None:
    with RunStore.open() as store:
        for seconds in (4.0, 2.0, 1.0):
            store.keep(RunRecord("r", 0.0, "s", "local", 1), [("f", "task", seconds, 10)])
        assert store.seconds("f") == 2.0


def test_a_watched_run_keeps_no_value(runs: Path) -> None:
    class Big:
        pass

    with Pymonik(backend="inline") as client:
        handle = add.invoke(1, 2)
        handle.get()
        node = weakref.ref(handle._node)
        del handle
        gc.collect()
        assert node() is None
        assert client.stats.calls == 1


def test_a_run_is_found_by_the_beginning_of_its_id(runs: Path) -> None:
    with RunStore.open() as store:
        for name in ("local-abc", "local-abd"):
            store.keep(RunRecord(name, 1.0, "s", "local", 1))
        assert store.find("local-abc").id == "local-abc"
        for name, words in (("local-", "several runs"), ("moon", "no run 'moon'")):
            with pytest.raises(RunNotFound, match=words):
                store.find(name)


def test_a_name_of_nothing_is_that_of_no_run(runs: Path) -> None:
    with RunStore.open() as store:
        store.keep(RunRecord("local-abc", 1.0, "s", "local", 1))
        with pytest.raises(RunNotFound, match="there is no run ''"):
            store.find("")


def test_a_trace_has_a_lane_a_worker_and_an_event_a_piece() -> None:
    spans = [(0, "add", 0.5, 0.25, 10), (1, "total", 0.75, 0.5, 1)]
    record = RunRecord("r", 0.0, "script.py", "local", 2, spans=spans)
    events = json.loads(chrome(record))["traceEvents"]
    lanes = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert lanes == {0: "worker 0", 1: "worker 1"}
    pieces = [event for event in events if event["ph"] == "X"]
    assert pieces[0] == {
        "name": "add",
        "cat": "unit",
        "ph": "X",
        "pid": 1,
        "tid": 0,
        "ts": 500_000.0,
        "dur": 250_000.0,
        "args": {"elements": 10},
    }
    page = timeline(record)
    assert page.count("<rect ") == 2
    assert "worker 1" in page
    assert "add: 10 calls, 0.25 s from 0.5 s" in page


def test_pieces_that_were_told_together_are_set_apart() -> None:
    spans = [(0, "a", 1.0, 2.0, 1), (1, "c", 0.0, 3.0, 1), (0, "b", 2.0, 1.0, 1)]
    assert without_overlaps(spans) == [
        (0, "a", 0.0, 2.0, 1),
        (1, "c", 0.0, 3.0, 1),
        (0, "b", 2.0, 1.0, 1),
    ]


def test_no_lane_of_a_real_run_has_two_pieces_at_once(runs: Path) -> None:
    with Pymonik(backend="local", workers=2, optimize=False):
        assert total.invoke(add.map_invoke([(i, 1) for i in range(300)])).get() == 45150
    events = [e for e in json.loads(chrome(last()))["traceEvents"] if e["ph"] == "X"]
    assert len(events) == 301
    for lane in {event["tid"] for event in events}:
        times = [(e["ts"], e["ts"] + e["dur"]) for e in events if e["tid"] == lane]
        assert all(end <= begin + 1e-3 for (_, end), (begin, _) in pairwise(times))


def test_an_empty_run_can_be_traced() -> None:
    assert "<svg" in timeline(RunRecord("r", 0.0, "script.py", "local", 2))


SCRIPT = """
from pymonik import Pymonik, task

@task
def price(day):
    return day / 2

with Pymonik():
    print(sum(price.map_invoke(range(100)).get()))
"""


def test_the_commands_list_show_and_trace_a_run(
    runs: Path, pymonik_command: Command, command_here: Command, tmp_path: Path
) -> None:
    ran = pymonik_command("run", "--backend", "local", "--workers", "2", "p.py", p=SCRIPT)
    assert ran.stdout == "2475.0\n"
    listed = command_here("runs", "list").stdout.splitlines()
    assert listed[1].split()[0].startswith("local-")
    assert listed[1].split()[-1] == "p.py"
    shown = command_here("runs", "show").stdout
    assert "│ price ×100 *" in shown
    assert json.loads(command_here("runs", "show", "last", "-o", "json").stdout)["calls"] == 100
    drawn = command_here("graph", "show", "last")
    assert "│ price ×100 *" in drawn.stdout
    page = command_here("graph", "show", "--format", "html", listed[1].split()[0])
    assert '"status":"done"' in page.stdout
    assert command_here("trace", "last", "-o", "t.html").returncode == 0
    assert "<rect " in (tmp_path / "t.html").read_text()
    assert command_here("trace").returncode == 0
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def test_what_failed_is_shown_with_its_place(
    runs: Path, pymonik_command: Command, command_here: Command
) -> None:
    source = SCRIPT.replace("day / 2", "1 / (day - 7)")
    assert pymonik_command("run", "--backend", "inline", "p.py", p=source).returncode == 1
    shown = command_here("runs", "show")
    assert shown.returncode == 0, shown.stderr
    assert "price at " in shown.stdout
    assert "p.py:9: " in shown.stdout
    assert "division by zero" in shown.stdout
    failed = json.loads(command_here("graph", "show", "last", "-o", "json").stdout)
    assert [box["status"] for box in failed["boxes"]] == ["failed"]


def test_an_estimate_knows_what_calls_took(runs: Path, pymonik_command: Command) -> None:
    before = pymonik_command("graph", "cost", "p.py", "-o", "json", p=SCRIPT)
    assert json.loads(before.stdout)["known"] == 0.0
    pymonik_command("run", "--backend", "inline", "p.py", p=SCRIPT)
    after = json.loads(pymonik_command("graph", "cost", "p.py", "-o", "json", p=SCRIPT).stdout)
    assert after["known"] == 1.0
    assert after["durations"][0]["source"] == "measured"


def test_a_folder_without_runs_is_said_and_not_made(
    runs: Path, pymonik_command: Command, command_here: Command
) -> None:
    done = command_here("runs", "list")
    assert done.returncode == 1
    assert "no run was recorded yet" in done.stderr
    assert pymonik_command("graph", "cost", "p.py", p=SCRIPT).returncode == 0
    assert not runs.exists()


def test_a_broken_database_stops_no_estimate(
    runs: Path, pymonik_command: Command, command_here: Command
) -> None:
    runs.mkdir()
    (runs / "runs.sqlite").write_bytes(b"no database" * 1000)
    assert pymonik_command("graph", "cost", "p.py", p=SCRIPT).returncode == 0
    listed = command_here("runs", "list")
    assert (listed.returncode, listed.stdout) == (1, "")
    assert "cannot be read" in " ".join(listed.stderr.split())


def test_commands_close_the_database(
    runs: Path, command_here: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pymonik(backend="inline"):
        add.invoke(1, 2).get()
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connections.append(connect(*args, **kwargs))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    for command in ("runs list", "runs show", "trace", "graph cost last", "graph check last"):
        assert command_here(*command.split()).returncode == 0
        assert connections, command
        while connections:
            with pytest.raises(sqlite3.ProgrammingError, match="closed"):
                connections.pop().execute("SELECT 1")


def test_an_unknown_run_is_wrong_usage(runs: Path, command_here: Command) -> None:
    with RunStore.open():
        pass
    done = command_here("runs", "show", "moon")
    assert done.returncode == 2
    assert "there is no run 'moon'" in done.stderr


def test_a_run_that_was_left_early_says_so(runs: Path, command_here: Command) -> None:
    def wait_for_ever() -> None:
        threading.Event().wait()

    client = Pymonik(backend="local", workers=1)
    handle = Task(wait_for_ever, func_name="wait").invoke(pymonik=client)
    client.flush()
    client.cancel()
    assert not handle.done() or handle.exception() is not None
    assert last().unfinished == 1
    for command in ("list", "show"):
        assert "1 unit interrupted" in command_here("runs", command).stdout


@pytest.mark.parametrize("backend", ["local", "emulator"])
def test_what_was_cancelled_is_drawn_as_cancelled_and_has_not_failed(
    runs: Path, gate: Gate, backend: str, emulated_cluster: Emulator
) -> None:
    given = (
        {"endpoint": emulated_cluster.endpoint} if backend == "emulator" else {"backend": backend}
    )
    client = Pymonik(workers=2, **given).create()
    passed = pass_gate.invoke(gate.path, 0, pymonik=client)
    failed = inverse.invoke(0, pymonik=client)
    assert isinstance(failed.exception(), ZeroDivisionError)
    later = add.invoke(passed, 1, pymonik=client)
    client.flush()
    client.cancel()
    record = last()
    assert (record.failed, record.unfinished) == (1, 2)
    drawn = {box.titles[0]: box.status for box in drawing_of(record).boxes}
    assert drawn == {"pass_gate": "cancelled", "inverse": "failed", "add": "cancelled"}
    del later


def test_a_program_that_joins_a_session_has_a_record_of_its_own(
    runs: Path, emulated_cluster: Emulator, command_here: Command
) -> None:
    endpoint = emulated_cluster.endpoint
    with Pymonik(endpoint, detach=True) as client:
        found = add.map_invoke([(i, 1) for i in range(20)], pmk_name="sums")
    session = client.session_id
    # Its values are there: what is asked below is what its record tells.
    assert found.get() == list(range(1, 21))
    with Pymonik.attach(session, endpoint) as other:
        assert other.lookup("sums").get() == list(range(1, 21))
        refused = inverse.map_invoke([1, 2], pymonik=other)
        with pytest.raises(StaleError, match="takes no more calls") as caught:
            refused.get()
    assert "looking up its values still works" in str(caught.value)
    assert "new Pymonik()" in str(caught.value)
    with RunStore.open() as store:
        guest, first = sorted(store.list(5), key=lambda record: record.calls)
        assert [store.find(name).id for name in (session, session[:8])] == [session] * 2
        guest = store.find(guest.id)
    assert (first.id, first.calls, first.failed) == (session, 20, 0)
    assert (guest.session_id, guest.calls, guest.failed) == (session, 2, 2)
    assert guest.id.startswith(f"{session}+")
    assert [box.titles for box in drawing_of(guest).boxes] == [("inverse",)]
    shown = command_here("runs", "show", guest.id).stdout
    assert "takes no more calls" in " ".join(shown.split())
    assert "more submission" not in shown
    assert f"pymonik graph show {session} --endpoint" in " ".join(shown.split())
    assert "(nothing was sent)" not in command_here("graph", "show", guest.id).stdout


def test_runs_of_several_sessions_are_not_found_by_what_their_names_share(runs: Path) -> None:
    with RunStore.open() as store:
        for name in ("ab", "ab+1", "ab+2", "ac+1"):
            store.keep(RunRecord(name, 1.0, "s.py", "armonik", 1))
        found = [store.find(name).id for name in ("ab", "ab+2", "ac")]
        assert found == ["ab", "ab+2", "ac+1"]
        for name in ("a", "ab+"):
            with pytest.raises(RunNotFound, match="several"):
                store.find(name)


def test_a_run_that_is_interrupted_in_the_thread_of_its_calls_says_so(
    runs: Path, command_here: Command
) -> None:
    def interrupted(x: int) -> int:
        if x == 1:
            raise KeyboardInterrupt
        return x

    calls = Task(interrupted, func_name="interrupted")
    with pytest.raises(KeyboardInterrupt), Pymonik(backend="inline", workers=1):
        calls.map_invoke(range(6), pmk_chunk_size=1).get()
    assert last().unfinished == 5
    for command in ("list", "show"):
        shown = command_here("runs", command).stdout
        assert "5 units interrupted" in shown
        assert "more submission" not in shown


def test_a_failure_counts_once_wherever_it_had_an_effect(runs: Path) -> None:
    with Pymonik(backend="local", workers=1):
        parts = [inverse.invoke(0), inverse.invoke(0)]
        assert total.invoke(parts).exception() is not None
        assert [part.exception() is None for part in parts] == [False, False]
    assert last().failed == 2


def test_a_database_of_an_earlier_version_is_taken_over(runs: Path) -> None:
    with RunStore.open() as store:
        store.keep(RunRecord("old", 1.0, "s.py", "local", 1, calls=3))
    with closing(sqlite3.connect(runs / "runs.sqlite")) as known, known:
        known.execute("ALTER TABLE runs DROP COLUMN unfinished")
        known.execute("PRAGMA user_version = 1")
    known.close()
    with RunStore.open() as store:
        assert (store.find("old").calls, store.find("old").unfinished) == (3, 0)
        assert [record.id for record in store.list(5)] == ["old"]


def test_a_trace_of_a_cluster_needs_the_cluster(runs: Path, command_here: Command) -> None:
    with RunStore.open() as store:
        store.keep(RunRecord("there", 1.0, "s.py", "armonik", 1, calls=3))
    told = command_here("trace", "there", "-o", "t.json")
    assert told.returncode != 0
    assert "--endpoint" in told.stderr
