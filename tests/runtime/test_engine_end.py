"""However an engine in this process ends, whoever waits for it is told."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from pymonik import Pymonik, task
from pymonik.backend.local import LocalBackend
from pymonik.errors import Cancelled, LostValueError, TaskFailed
from pymonik.runtime.host.events import UnitCancelled, UnitsAdded
from pymonik.runtime.host.host import Host
from pymonik.runtime.host.loop import ComingUnits
from pymonik.runtime.host.scheduler import RULES
from pymonik.values.outcome import PENDING
from pymonik.values.outputs import Outputs
from tests.conformance.programs import pass_gate, square
from tests.conformance.seams import PATIENCE, Other, until
from tests.conftest import Gate
from tests.interruption import Interruption


@pytest.fixture
def client() -> Any:
    with contextlib.suppress(TaskFailed), Pymonik(backend="local", workers=1) as opened:
        yield opened


def broken(*_: Any) -> Any:
    raise KeyError("nobody thought of it")


def test_an_engine_that_breaks_at_a_cancellation_is_told_to_all(
    client: Pymonik, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = pass_gate.invoke(gate.path)
    client.flush()
    user = Other(handle.get)
    until(lambda: client.parts.engine.opened().traits.arrivals.changed._waiters)
    monkeypatch.setitem(RULES, UnitCancelled, (broken, 0))
    asker = Other(handle.cancel)
    assert asker.value() is False
    with pytest.raises(TaskFailed, match="nobody thought of it"):
        user.value()
    assert handle.cancel() is False
    with pytest.raises(TaskFailed, match="the engine failed"):
        square.invoke(2).get(timeout=PATIENCE)


def test_an_engine_whose_end_is_interrupted_anywhere_ends_all_the_same() -> None:
    """By itself, or once it is closed again, as it is at the end of the program."""
    place, is_through = 0, False
    while not is_through:
        place += 1
        host = Host(1, 1)
        host.call_soon(lambda: None)
        with Interruption(place, ("pymonik.runtime.host.",)) as interruption:
            host.close()
        is_through = not interruption.has_come
        closers = [Other(host.close) for _ in range(3)]
        for closer in closers:
            closer.value()
        assert host._thread is not None
        assert not host._thread.is_alive(), place
        assert host.is_over
    assert place > 5


def test_who_waits_is_told_though_executors_do_not_end(
    client: Pymonik, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = client.parts.engine.opened()._host  # type: ignore[attr-defined]
    handle = pass_gate.invoke(gate.path)
    client.flush()
    user = Other(handle.get)
    until(lambda: client.parts.engine.opened().traits.arrivals.changed._waiters)
    go, close = threading.Event(), host._pool.close

    def close_late() -> None:
        assert go.wait(PATIENCE)
        close()

    monkeypatch.setattr(host._pool, "close", close_late)
    monkeypatch.setattr(host._loop, "turn", broken)
    host._pool.wake()
    with pytest.raises(TaskFailed, match="the engine failed"):
        user.value()
    go.set()
    host._thread.join()


def test_a_client_of_an_engine_that_breaks_at_a_unit_can_be_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Pymonik(backend="local", workers=1).create()
    monkeypatch.setitem(RULES, UnitsAdded, (broken, 0))
    handle = square.invoke(2, pymonik=client)
    with pytest.raises(LostValueError):
        handle.get(timeout=PATIENCE)
    Other(client.close).join()


def test_a_callback_that_is_noted_after_its_unit_has_ended_without_a_record_is_called(
    client: Pymonik, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, noted = threading.Event(), []
    host = client.parts.engine.opened()._host  # type: ignore[attr-defined]
    fill, watch = Outputs.fill, host.watch

    def lose(outputs: Outputs, start: int, columns: Any) -> Any:
        return fill(outputs, start, [[PENDING] * len(column) for column in columns])

    monkeypatch.setattr(Outputs, "fill", lose)
    monkeypatch.setattr(Outputs, "tell", lambda *news: None)
    monkeypatch.setattr(host, "watch", lambda *asked: noted.append(asked))
    handle = pass_gate.invoke(gate.path)
    client.flush()
    handle.add_done_callback(lambda _: told.set())
    gate.open()
    until(lambda: host.is_idle)
    watch(*noted[0])
    assert told.wait(PATIENCE)
    with pytest.raises(LostValueError):
        handle.get()


@task
def interrupt(started: str) -> None:
    Path(started).touch()
    while not Path(started).with_name("watched").exists():
        pass
    raise KeyboardInterrupt


def test_an_interrupted_call_is_told_to_who_wanted_to_be_called_back(tmp_path: Path) -> None:
    started, told = tmp_path / "started", threading.Event()
    with Pymonik(backend="inline") as client:
        handle = interrupt.invoke(str(started))

        def watch() -> None:
            until(started.exists)
            client.parts.notifier.watch(handle, told.set)  # as a flush of this thread would
            (tmp_path / "watched").touch()

        other = Other(watch)
        with pytest.raises(KeyboardInterrupt):
            handle.get()
        other.value()
        assert told.wait(PATIENCE)
        assert handle.exception() is not None


class _Taken(list[Any]):
    """The units of a submission that has none: the engine takes it while they are counted."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def __len__(self) -> int:
        self._host._coming[:] = [one for one in self._host._coming if one.units is not self]
        return 0


def test_what_is_coming_counts_while_what_came_before_it_is_taken() -> None:
    host = Host(1, 1)
    host._coming += [ComingUnits(_Taken(host)), ComingUnits(cast(Any, [None]))]
    assert host.progress() == (0, 1)
    host.close()


def test_what_comes_behind_the_end_of_the_client_amid_its_flush_is_cancelled(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a finalizer cancels the client: the executors that it had are gone."""
    assert square.invoke(2).get() == 4
    submit = LocalBackend.submit

    def cancel_first(backend: LocalBackend, plan: Any) -> None:
        client.cancel()
        submit(backend, plan)

    monkeypatch.setattr(LocalBackend, "submit", cancel_first)
    with pytest.raises(Cancelled, match="the engine was closed"):
        square.invoke(3).get(timeout=PATIENCE)
