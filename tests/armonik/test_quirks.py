"""What a real engine does beyond its rules: late rows, silent streams, a database that restarts."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from pymonik import Pymonik, ResultHandle, task
from pymonik.backend.armonik import breaker, download, polling, rpc
from pymonik.backend.armonik.breaker import Breaker
from pymonik.emulator import Delay, DropBefore, Emulator
from pymonik.emulator.quirks import Quirks
from pymonik.errors import Cancelled, ClusterError, PartitionError, ValueLost
from tests.armonik.conftest import Connect, started
from tests.armonik.programs import fail, fail_behind
from tests.conformance.programs import add, identity, inc, pass_gate, square
from tests.conformance.seams import PATIENCE, Other, until
from tests.conftest import Gate, Set


@pytest.fixture
def quirks(cluster: Emulator) -> Iterator[Quirks]:
    """The quirks of the shared cluster, switched off in the end."""
    yield cluster.quirks
    for field in fields(Quirks):
        setattr(cluster.quirks, field.name, getattr(Quirks(), field.name))


# ----- late rows


@pytest.mark.parametrize("is_embedded", [False, True], ids=["no-data", "empty-data"])
def test_values_whose_rows_are_late_come(
    connect: Connect, quirks: Quirks, is_embedded: bool
) -> None:
    quirks.late_rows, quirks.embedded_data = (0.05, 0.2), is_embedded
    quirks.repeated_created = True
    with connect() as client:
        assert [square.invoke(i).get() for i in range(10)] == [i * i for i in range(10)]
        assert isinstance(fail.invoke("late").exception(), ValueError)
        assert client.stats.submissions == 11


def test_the_error_of_a_task_whose_row_is_late_comes_with_its_story(
    connect: Connect, quirks: Quirks
) -> None:
    quirks.late_rows = (0.2, 0.4)
    with connect():
        below = inc.invoke(fail.invoke("root"), pmk_name="below")
        error = below.exception()
    assert isinstance(error, ValueError)
    assert "fail → inc" in str(error.__cause__)


def test_a_download_that_knows_less_than_an_event_is_repeated(
    cluster: Emulator, connect: Connect
) -> None:
    cluster.faults.add("DownloadResultData", DropBefore("NOT_FOUND"), times=5)
    with connect():
        assert add.invoke(1, 2).get() == 3
    assert cluster.counters["DownloadResultData"].requests == 6


def test_a_value_that_its_row_has_and_no_download_gives_is_lost_and_no_executor_died(
    cluster: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LATE", 0.3)
    cluster.faults.add("DownloadResultData", DropBefore("NOT_FOUND"), times=1000)
    with connect():
        error = add.invoke(1, 2).exception()
        cluster.faults.clear()
    assert isinstance(error, ValueLost)
    assert "'add'" in str(error)


@task
def handing_out(path: str) -> Any:
    handle = pass_gate.invoke(path, 4)
    return handle.result_id, handle.session_id


def test_a_value_handed_out_by_its_id_comes_though_its_end_was_told_before(
    cluster: Emulator,
    connect: Connect,
    quirks: Quirks,
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "RECHECK", 10.0 * PATIENCE)  # no look of its own brings it
    with connect(optimize=False) as client:
        id, session = handing_out.invoke(gate.path).get()
        # The event of the end comes before anybody here waits for it; the row knows later.
        quirks.late_rows = (1.0, 1.0)
        gate.open()
        until(lambda: status(cluster, id) == "COMPLETED")
        quirks.late_rows = (0.0, 0.0)
        assert inc.invoke(1).get() == 2  # told after it
        handle = ResultHandle(id, session, client)
        assert handle.get(timeout=PATIENCE) == 4


def test_a_refusal_is_understood_though_rows_of_inputs_are_late(gate: Gate) -> None:
    def until_aborted(seconds: float) -> None:
        gate.open()
        until(lambda: "ABORTED" in statuses(emulator))

    late = Quirks(late_rows=(1.0, 1.0), repeated_created=True)
    with (
        started(sleep=until_aborted, quirks=late) as emulator,
        Pymonik(emulator.endpoint, optimize=False) as client,
    ):
        lost, fresh = fail_behind.invoke(gate.path), inc.invoke(1)
        client.flush()
        until(lambda: client.parts.engine.opened().progress()[0] == 1)
        # The end of one was told, the other is aborted amid the submission; their rows say nothing.
        emulator.faults.add("SubmitTasks", Delay(1.0))
        user, fine = add.invoke(fresh, lost), inc.invoke(fresh)
        assert isinstance(user.exception(), ValueError)
        assert (fresh.get(), fine.get()) == (2, 3)
        assert isinstance(lost.exception(), ValueError)


def status(emulator: Emulator, id: str) -> str:
    with emulator.engine.reading() as tables:
        return tables.results[id].status.name


def statuses(emulator: Emulator) -> set[str]:
    with emulator.engine.reading() as tables:
        return {result.status.name for result in tables.results.values()}


# ----- silent streams


def test_values_come_past_a_stream_that_says_nothing(
    connect: Connect,
    quirks: Quirks,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "WORD", 0.2)
    quirks.silent_streams = True
    with connect():
        for number in range(3):
            assert square.invoke(inc.invoke(number)).get() == (number + 1) ** 2
        assert isinstance(fail.invoke("silence").exception(), ValueError)
    told = [r.getMessage() for r in caplog.records if "stream is silent" in r.getMessage()]
    assert len(told) == 1


@task
def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_a_call_past_a_silent_stream_costs_about_two_requests_a_second(
    cluster: Emulator, connect: Connect, quirks: Quirks
) -> None:
    quirks.silent_streams = True
    with connect():
        assert inc.invoke(1).get() == 2
        cluster.counters.reset()
        began = time.monotonic()
        assert nap.invoke(1.5).get() == 1.5
        counters = cluster.counters
        sent = sum(counters[m].requests for m in ("CreateResultsMetaData", "SubmitTasks"))
        # It takes longer on a loaded machine, and then costs more; from 50 ms on looks grow rare.
        looks = counters.total.requests - sent - counters["CreateResults"].requests
        seconds = time.monotonic() - began
        assert looks <= 2 * seconds + 4


def test_a_stream_that_falls_silent_later_is_found_out(
    cluster: Emulator, connect: Connect, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymonik.backend.armonik.polling.RECHECK", 0.5)
    with connect():
        assert inc.invoke(1).get() == 2
        blocked = pass_gate.invoke(gate.path, "through")
        assert not blocked.done()
        cluster.engine.watchers.silence()
        gate.open()
        assert blocked.get() == "through"
        assert inc.invoke(2).get() == 3


# ----- a database that is away


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients ask a server that fails, or says nothing, ten times as often."""
    monkeypatch.setattr(polling, "RECHECK", 1.0)
    monkeypatch.setattr(breaker, "_FIRST_PAUSE", 0.1)
    monkeypatch.setattr(breaker, "_LONGEST_PAUSE", 1.0)


@pytest.mark.usefixtures("often")
def test_calls_survive_a_database_that_restarts(cluster: Emulator, connect: Connect) -> None:
    with connect(optimize=False) as client:
        values = [inc.invoke(i) for i in range(20)]
        client.flush()
        cluster.database_away(0.5)
        assert [value.get() for value in values] == list(range(1, 21))
        cluster.database_away(0.5)
        assert square.invoke(7).get() == 49


def test_who_asks_a_database_that_is_away_asks_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "RECHECK", 1.0)
    # Doubled each time: a loaded machine that makes the outage long adds few tries.
    monkeypatch.setattr(breaker, "_FIRST_PAUSE", 0.25)
    monkeypatch.setattr(breaker, "_LONGEST_PAUSE", float(PATIENCE))
    with started() as emulator, Pymonik(emulator.endpoint, optimize=False) as client:
        values = [inc.invoke(i) for i in range(30)]
        client.flush()
        client.parts.engine.backend.traits.subtasks.drain()  # type: ignore[union-attr]
        emulator.database_away(0.5)
        emulator.counters.reset()
        assert [value.get() for value in values] == list(range(1, 31))
        # 30 downloads that are told in the end; those asked meanwhile are eight threads, once each,
        # and one of them now and then.
        assert emulator.counters["DownloadResultData"].requests < 30 + 8 + 5


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, set_settings: Set) -> None:
    """Clients that give up within a second; more than the first request is given."""
    monkeypatch.setattr(rpc, "FIRST", 0.5)
    set_settings(patience=1.0)


@pytest.mark.usefixtures("impatient", "often")
def test_a_database_that_stays_away_is_an_error_that_cancels_nothing(gate: Gate) -> None:
    def lose(emulator: Emulator) -> None:
        with Pymonik(emulator.endpoint) as client:
            ids.append(client.session_id)
            blocked = pass_gate.invoke(gate.path, "through", pmk_name="answer")
            client.flush()
            emulator.database_away()
            blocked.get()

    ids: list[str] = []
    with started() as emulator:
        with pytest.raises(ClusterError) as caught:
            lose(emulator)
        assert f"Pymonik.attach('{ids[0]}')" in str(caught.value)
        emulator.database_back()
        assert emulator.counters["CancelSession"].requests == 0
        gate.open()
        with Pymonik.attach(ids[0], emulator.endpoint) as client:
            assert client.lookup("answer").get() == "through"


@pytest.mark.usefixtures("impatient")
def test_values_that_cannot_be_fetched_are_an_error_that_cancels_nothing() -> None:
    def lose(emulator: Emulator) -> None:
        with Pymonik(emulator.endpoint) as client:
            ids.append(client.session_id)
            emulator.faults.add("DownloadResultData", DropBefore("UNAVAILABLE"), times=1000)
            inc.invoke(1, pmk_name="two").get()

    ids: list[str] = []
    with started() as emulator:
        with pytest.raises(ClusterError) as caught:
            lose(emulator)
        assert f"Pymonik.attach('{ids[0]}')" in str(caught.value)
        assert emulator.counters["CancelSession"].requests == 0
        emulator.faults.clear()
        with Pymonik.attach(ids[0], emulator.endpoint) as client:
            assert client.lookup("two").get() == 2


def test_a_closed_breaker_lets_all_pass() -> None:
    breaker = Breaker()
    assert all(breaker.enter(0.0, lambda: False) for _ in range(3))


def test_an_open_breaker_lets_one_try_and_all_when_that_was_answered() -> None:
    breaker = Breaker()
    recovered = threading.Event()
    breaker.recovered = recovered.set
    breaker.failed()
    assert not breaker.enter(time.monotonic(), lambda: False)
    assert not breaker.enter(time.monotonic() + 100.0, lambda: True)
    assert breaker.enter(time.monotonic() + 100.0, lambda: False)
    assert not Other(lambda: breaker.enter(time.monotonic(), lambda: False)).value()
    breaker.passed()
    assert recovered.is_set()
    assert breaker.enter(0.0, lambda: False)


# ----- records that are lost


def test_a_control_plane_that_comes_back_without_the_session_says_what_is_lost(
    gate: Gate,
) -> None:
    with started() as first:
        port = first.port
        client = Pymonik(first.endpoint).create()
        blocked = pass_gate.invoke(gate.path, pymonik=client)
        client.flush()
    with started(port=port), pytest.raises(ClusterError) as caught:
        blocked.get()
    assert client.session_id in str(caught.value)
    assert "Lost with it: 1 value, of pass_gate" in str(caught.value)
    client.cancel()


def test_records_that_expire_under_a_session_that_goes_on_are_told_of(
    cluster: Emulator, connect: Connect, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymonik.backend.armonik.events.LATE", 0.5)
    monkeypatch.setattr("pymonik.backend.armonik.polling.RECHECK", 0.5)
    with connect() as client:
        blocked = pass_gate.invoke(gate.path)
        client.flush()
        with cluster.engine.reading() as tables:
            for result in list(tables.results_of[client.session_id].values()):
                tables.remove_result(result)
        error = blocked.exception()
        client.cancel()
    assert isinstance(error, ValueLost)
    assert "'pass_gate'" in str(error)


# ----- a control plane that does not answer


@pytest.mark.parametrize("method", ["SubmitTasks", "CreateResults"])
def test_the_time_that_a_wait_has_is_that_of_its_submission_too(
    method: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymonik.backend.armonik.rpc.QUIET", 0.0)
    answer = threading.Event()
    before = set(threading.enumerate())  # of an earlier test, one may not have ended yet
    with started(sleep=answer.wait) as emulator, Pymonik(emulator.endpoint):
        emulator.faults.add(method, Delay(60.0))
        value = square.invoke(3)
        for wait in (value.get, value.get, square.map_invoke([4, 5]).get, value.exception):
            with pytest.raises(TimeoutError):
                wait(timeout=0.5)
        begun = set(threading.enumerate()) - before
        assert sum(thread.name == "pymonik-flush" for thread in begun) == 1
        told = f"does not answer {method}"
        until(lambda: any(told in record.getMessage() for record in [*caplog.records]))
        answer.set()
        assert value.get() == 9
        assert emulator.counters["SubmitTasks"].requests == 1
        assert square.map_invoke([4, 5]).get(timeout=PATIENCE) == [16, 25]


@pytest.mark.parametrize("method", ["SubmitTasks", "UploadResultData"])
def test_leaving_the_block_waits_for_no_answer_to_what_was_being_sent(method: str) -> None:
    answer = threading.Event()
    argument = b"x" * (8 << 20) if method == "UploadResultData" else 1
    with started(sleep=answer.wait) as emulator:
        emulator.faults.add(method, Delay(600.0), times=9)
        left = Other(lambda: _leave_late(emulator, method, argument))
        handle, callbacks = left.value()  # bounded: the answer comes only below
        assert callbacks.wait(PATIENCE)
        assert isinstance(handle.exception(timeout=PATIENCE), Cancelled)
        assert emulator.counters["CancelSession"].requests == 1
        answer.set()


def _leave_late(emulator: Emulator, method: str, argument: Any) -> tuple[Any, threading.Event]:
    """Leave a block once its request has reached a server that does not answer it."""
    called = threading.Event()
    with contextlib.suppress(TimeoutError), Pymonik(emulator.endpoint) as client:
        client.create()
        handle = identity.invoke(argument)
        handle.add_done_callback(lambda _: called.set())
        with contextlib.suppress(TimeoutError):
            handle.get(timeout=0.5)
        until(lambda: emulator.counters[method].requests)
        raise TimeoutError
    return handle, called


def test_what_cannot_be_sent_is_the_error_of_a_wait_with_a_time(connect: Connect) -> None:
    with connect() as client:
        handle = square.invoke(1, pmk_partition="nowhere")
        with pytest.raises(PartitionError):
            handle.get(timeout=PATIENCE)
        client.cancel()


def test_a_wait_with_a_time_amid_a_flush_of_its_own_thread_waits_for_nobody(
    connect: Connect,
) -> None:
    with connect() as client:
        handle = square.invoke(2)
        with client.parts.state.lock:
            assert handle.get(timeout=PATIENCE) == 4
