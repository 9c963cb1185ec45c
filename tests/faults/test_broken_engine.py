"""A bug of the engine itself is told to whoever waits: nothing waits for ever in silence."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pymonik import Pymonik, Task, task
from pymonik.errors import ExecutorDied, PymonikError, TaskFailed
from pymonik.runtime.host import loop
from pymonik.runtime.host.autoscaler import Autoscaler
from pymonik.runtime.host.local_subtasks import LocalSubtasks
from tests.conftest import PATIENCE


def test_a_failed_engine_fails_what_runs_and_what_comes_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a bug of the host")

    add_one = Task(lambda x: x + 1, func_name="add_one")
    client = Pymonik(backend="local", workers=1)
    client.create()
    assert add_one.invoke(1, pymonik=client).get() == 2
    monkeypatch.setattr(Autoscaler, "adjust", broken)
    for numbers in ([2, 3], [4, 5]):  # several: one alone is given without a look at how many run
        for handle in add_one.map_invoke(numbers, pymonik=client):
            assert isinstance(handle.exception(PATIENCE), PymonikError)
    client.close()


# What user code may raise in a thread of ours: `sys.exit` in a handler is a known recipe.
RUDE = [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit]


@pytest.fixture(params=RUDE)
def rude(request: pytest.FixtureRequest) -> Iterator[str]:
    """A handler that raises, at the task's logger and at those of the engine itself."""
    error = request.param(f"I do not listen to {request.node.name}")

    class Rude(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise error

    handler = Rude()
    loggers = [logging.getLogger(name) for name in ("rude", "pymonik.host")]
    for logger in loggers:
        logger.addHandler(handler)
    loggers[1].setLevel(logging.DEBUG)
    yield repr(error)
    loggers[1].setLevel(logging.NOTSET)
    for logger in loggers:
        logger.removeHandler(handler)


@task
def talk(x: int) -> int:
    logging.getLogger("rude").warning("listen!")
    print("listen!")
    return x


def test_who_cannot_listen_to_tasks_does_not_end_the_engine(
    client: Pymonik, rude: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    class Closed:
        def write(self, text: str) -> int:
            raise SystemExit("nobody reads")

    monkeypatch.setattr(sys, "stdout", Closed())
    assert talk.map_invoke([1, 2, 3]).get(PATIENCE) == [1, 2, 3]
    killed = Task(lambda: os._exit(1), func_name="killed").invoke(pmk_max_retries=0)
    assert isinstance(killed.exception(PATIENCE), ExecutorDied)
    assert talk.invoke(4).get(PATIENCE) == 4
    told = capsys.readouterr().err
    assert told.count(f"what tasks log as 'rude' could not be logged: {rude}") == 1


@pytest.mark.parametrize("error", RUDE)
def test_a_filter_that_raises_does_not_end_the_engine(
    client: Pymonik, error: type[BaseException]
) -> None:
    def refuse(record: logging.LogRecord) -> bool:
        raise error

    logging.getLogger("rude").addFilter(refuse)
    try:
        assert talk.invoke(1).get(PATIENCE) == 1
    finally:
        logging.getLogger("rude").removeFilter(refuse)


def test_what_cannot_be_taken_of_an_executor_fails_its_call_and_nothing_else(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With a priority of its own it cannot run where it is made.
    parent = Task(lambda x: talk.invoke(x, pmk_priority=2), func_name="parent")
    started, asked = LocalSubtasks.spawn, [None]

    def spawn(self: LocalSubtasks, *args: Any) -> int:
        if asked:
            asked.pop()
            raise RuntimeError("a bug of the host")
        return started(self, *args)

    monkeypatch.setattr(LocalSubtasks, "spawn", spawn)
    error = parent.invoke(1).exception(PATIENCE)
    assert isinstance(error, PymonikError)
    assert parent.invoke(2).get(PATIENCE) == 2


def test_a_unit_that_cannot_be_sent_fails_alone(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.entry_of

    class Odd:
        def __reduce__(self) -> Any:
            raise RuntimeError("it has no form on the wire")

    def entry_of(piece: Any, executor: int) -> tuple[Any, ...]:
        entry = real(piece, executor)
        return entry if piece.running.unit.name != "odd" else (*entry[:-1], Odd())

    monkeypatch.setattr(loop, "entry_of", entry_of)
    odd = Task(lambda x: x, func_name="odd").invoke(1)
    kept = [talk.invoke(x) for x in range(5)]
    with pytest.raises(TaskFailed, match="no form on the wire"):
        odd.get(PATIENCE)
    assert [h.get(PATIENCE) for h in kept] == list(range(5))
