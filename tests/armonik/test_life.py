"""The life of a session: blocks that wait for sub-tasks, detached clients, names, expiry."""

from __future__ import annotations

import logging
import subprocess
import sys
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task, task
from pymonik.backend.armonik import drain
from pymonik.client.progress import Progress
from pymonik.emulator import Emulator
from pymonik.errors import BackendError, Cancelled, ClusterError, ValueLost
from tests.armonik.conftest import Connect, started
from tests.conformance.programs import add, identity, inc, note, pass_gate, square
from tests.conftest import Gate, Ledger, script_environment


@task
def fail(text: str) -> Any:
    raise ValueError(text)


@task
def spawn(path: str, depth: int) -> str:
    """Leave calls behind that leave calls behind."""
    if depth:
        spawn.invoke(path, depth - 1)
    note.invoke(path, depth)
    return "done"


@task
def spawn_behind(path: str, number: int) -> str:
    # Of one that is known to be short this task would wait for the end, where both run.
    Task(pass_gate.func, func_name=f"gate {number}").invoke(path)
    return "done"


@task
def spawn_failure(text: str) -> str:
    fail.invoke(text)
    return "done"


# ----- leaving the block


def test_the_block_waits_for_sub_tasks_of_sub_tasks(connect: Connect, ledger: Ledger) -> None:
    with connect():
        spawn.invoke(ledger.path, 3)
    assert sorted(ledger.lines()) == ["0", "1", "2", "3"]


def test_a_sub_task_that_runs_on_is_waited_for(connect: Connect, gate: Gate) -> None:
    with connect() as client:
        assert spawn_behind.invoke(gate.path, 1).get() == "done"
        left, _ = client.parts.engine.backend._session.unfinished()  # type: ignore[union-attr]
        assert left
        gate.open()
    left, counts = client.parts.engine.backend._session.unfinished()  # type: ignore[union-attr]
    assert not left
    assert counts["COMPLETED"] == sum(counts.values())


def test_a_long_wait_for_sub_tasks_is_told_of(
    connect: Connect, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Opener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "that tasks of this client submitted" in record.getMessage():
                told.append(record.getMessage())
                if len(told) == 1:
                    gate.open()

    told: list[str] = []
    monkeypatch.setattr(drain, "_SILENCE", 0.0)
    heard, opener = logging.getLogger("pymonik.armonik"), Opener()
    heard.addHandler(opener)
    with connect():
        spawn_behind.invoke(gate.path, 2)
    heard.removeHandler(opener)
    assert "1 task" in told[0]


def test_a_sub_task_that_fails_is_raised_though_its_parent_did_not(connect: Connect) -> None:
    with pytest.raises(ValueError, match="below"), connect():
        assert spawn_failure.invoke("below").get() == "done"


def test_an_exception_in_the_block_cancels_the_session(
    cluster: Emulator, connect: Connect, gate: Gate
) -> None:
    def leave_early() -> None:
        with connect() as client:
            pass_gate.map_invoke([gate.path] * 5)
            client.flush()
            raise KeyError

    with pytest.raises(KeyError):
        leave_early()
    assert cluster.counters["CancelSession"].requests == 1
    with connect():
        assert add.invoke(1, 2).get() == 3


def test_a_client_that_has_ended_asks_for_nothing_more(cluster: Emulator, connect: Connect) -> None:
    with connect() as client:
        assert add.invoke(1, 2).get() == 3
    before = {name: counter.requests for name, counter in cluster.counters.items()}
    client.cancel()
    assert {name: counter.requests for name, counter in cluster.counters.items()} == before


def test_an_empty_block_leaves_no_open_session(cluster: Emulator, connect: Connect) -> None:
    with connect():
        pass
    assert cluster.counters["CloseSession"].requests == 1
    assert cluster.counters["GetEvents"].requests == 0


def test_values_not_fetched_in_the_block_are_had_behind_it(connect: Connect) -> None:
    with connect():
        kept = square.map_invoke(range(5))
        arrays = [identity.invoke(np.full(1000, i)) for i in range(3)]
    assert kept.get() == [0, 1, 4, 9, 16]
    assert [int(a.get().sum()) for a in arrays] == [0, 1000, 2000]


# ----- detached


def test_a_detached_block_does_not_wait(cluster: Emulator, connect: Connect, gate: Gate) -> None:
    with connect(detach=True) as client:
        pass_gate.invoke(gate.path, "through", pmk_name="answer")
    assert cluster.counters["StopSubmission"].requests == 1
    with Pymonik.attach(client.session_id, cluster.endpoint) as other:
        handle = other.lookup("answer")
        assert not handle.done()
        gate.open()
        assert handle.get() == "through"


def test_values_come_after_a_detached_block_too(connect: Connect, gate: Gate) -> None:
    def fail(value: str) -> None:
        raise ValueError(value)

    with connect(detach=True):
        late = pass_gate.invoke(gate.path, "through")
        lost = Task(fail).invoke(late)
    gate.open()
    assert late.get(timeout=60) == "through"
    with pytest.raises(ValueError, match="through"):
        lost.get(timeout=60)


def test_another_program_gets_values_by_name(cluster: Emulator, connect: Connect) -> None:
    with connect(detach=True) as client:
        square.invoke(7, pmk_name="one")
        several = inc.map_invoke(range(20), pmk_name="several")
        several[3].named("third")
        client.put({"rate": 0.5}, name="settings")
        client.put(np.arange(10), name="array")
    script = (
        "import sys; from pymonik import Pymonik\n"
        "with Pymonik.attach(sys.argv[1], sys.argv[2]) as client:\n"
        "    names = ('one', 'several', 'third', 'settings')\n"
        "    print([client.lookup(name).get() for name in names])\n"
        "    print(client.lookup('array').get().sum())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, client.session_id, cluster.endpoint],
        env=script_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    expected = [49, list(range(1, 21)), 4, {"rate": 0.5}]
    assert done.stdout == f"{expected}\n45\n", done.stderr


def test_an_attached_client_computes_with_what_it_found(
    cluster: Emulator, connect: Connect
) -> None:
    with connect() as client:
        several = inc.map_invoke(range(4), pmk_name="several")
        client.put(10, name="ten")
        client.flush()
        with Pymonik.attach(client.session_id, cluster.endpoint) as other:
            found = other.lookup("several")
            ten = other.lookup("ten")
            added = [add.invoke(value, ten, pymonik=other) for value in found]
            assert [h.get() for h in added] == [11, 12, 13, 14]
        # The session is its creator's to close.
        assert add.invoke(several[0], 1, pymonik=client).get() == 2
    assert cluster.counters["CloseSession"].requests == 1


def test_a_name_is_found_by_who_gave_it(connect: Connect) -> None:
    with connect() as client:
        handle = square.invoke(3, pmk_name="nine")
        assert client.lookup("nine") is handle
        assert client.lookup("nine").get() == 9


def test_an_unknown_name_is_a_key_error(cluster: Emulator, connect: Connect) -> None:
    with connect() as client, pytest.raises(KeyError, match="nobody"):
        client.lookup("nobody")


def test_an_unknown_session_is_an_error(cluster: Emulator) -> None:
    with pytest.raises(BackendError, match="no-such-session"):
        Pymonik.attach("no-such-session", cluster.endpoint).create()


def test_a_failed_value_is_raised_where_it_is_looked_up(
    cluster: Emulator, connect: Connect
) -> None:
    # Where it fails before the block ends, the block tells of it, too.
    with suppress(ValueError), connect(detach=True) as client:
        fail.invoke("told later", pmk_name="bad")
    with Pymonik.attach(client.session_id, cluster.endpoint) as other:
        assert isinstance(other.lookup("bad").exception(), ValueError)


def test_a_value_with_a_name_may_fail_before_it_is_sent(connect: Connect) -> None:
    with connect() as client:
        bad = fail.invoke("early")
        assert isinstance(bad.exception(), ValueError)
        late = inc.invoke(bad, pmk_name="late")
        assert isinstance(late.exception(), ValueError)
        with pytest.raises(KeyError, match="other"):
            client.lookup("other")


# ----- expiry


def test_a_value_that_has_expired_says_so() -> None:
    with started() as emulator, Pymonik(emulator.endpoint) as client:
        handle = square.invoke(3)
        client.flush()
        client.parts.engine.backend.traits.subtasks.drain()  # type: ignore[union-attr]
        emulator.expire()
        assert isinstance(handle.exception(), ValueLost)
        assert "gone from the cluster" in str(handle.exception())


def test_a_call_that_has_expired_can_be_cancelled(gate: Gate) -> None:
    with started() as emulator, Pymonik(emulator.endpoint) as client:
        handle = pass_gate.invoke(gate.path)
        client.flush()
        emulator.expire()
        assert handle.cancel()
        assert isinstance(handle.exception(), Cancelled)
        client.cancel()


def test_a_session_that_has_expired_is_an_error_of_the_next_submission() -> None:
    with started() as emulator:
        client = Pymonik(emulator.endpoint).create()
        assert square.invoke(3, pymonik=client).get() == 9
        emulator.expire()
        with pytest.raises(ClusterError, match="does not exist"):
            square.invoke(4, pymonik=client).get()
        client.cancel()


# ----- progress


def test_progress_tells_of_uploads(connect: Connect) -> None:
    seen: list[Progress] = []
    with connect(on_progress=seen.append):
        sums = [task(np.sum).invoke(np.ones(1 << 20) * i) for i in range(3)]
        assert [s.get() for s in sums] == [0, 1 << 20, 2 << 20]
    uploads = [p for p in seen if p.to_upload]
    assert uploads
    assert uploads[-1].uploaded == uploads[-1].to_upload > 24 << 20


MADE = """
import sys
from dataclasses import dataclass
from pymonik import Pymonik, task
@dataclass
class Price:
    amount: int
    def twice(self): return 2 * self.amount
@task
def price(amount): return Price(amount)
"""


def test_another_program_gets_objects_of_classes_that_it_has_and_that_it_has_not(
    cluster: Emulator,
) -> None:
    leave = MADE + (
        "with Pymonik(endpoint=sys.argv[1], detach=True) as client:\n"
        "    price.invoke(7, pmk_name='one')\n"
        "    client.put([Price(2)], name='put')\n"
        "    print(client.session_id)\n"
    )
    look = (
        "with Pymonik.attach(sys.argv[2], sys.argv[1]) as client:\n"
        "    one, put = [client.lookup(name).get() for name in ('one', 'put')]\n"
        "    print(one, put, one.twice(), type(one) is type(put[0]))\n"
    )
    session = program(leave, cluster.endpoint).strip()
    without = program("import sys; from pymonik import Pymonik\n" + look, cluster.endpoint, session)
    assert without == "Price(amount=7) [Price(amount=2)] 14 True\n"
    own = look + "    assert type(one) is Price\n"
    assert program(MADE + own, cluster.endpoint, session) == without


def program(source: str, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", source, *args],
        env=script_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
