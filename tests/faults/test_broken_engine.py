"""A bug of the engine itself is told to whoever waits: nothing waits for ever in silence."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pymonik import Pymonik, Task, task
from pymonik.errors import PymonikError
from pymonik.runtime.host import Host
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
    monkeypatch.setattr(Host, "_take", broken)
    assert isinstance(add_one.invoke(2, pymonik=client).exception(PATIENCE), PymonikError)
    assert isinstance(add_one.invoke(3, pymonik=client).exception(PATIENCE), PymonikError)
    client.close()


@pytest.fixture
def rude_handler() -> Iterator[None]:
    class Rude(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ValueError("I do not listen")

    handler = Rude()
    logging.getLogger("rude").addHandler(handler)
    yield
    logging.getLogger("rude").removeHandler(handler)


@task
def talk(x: int) -> int:
    logging.getLogger("rude").warning("listen!")
    print("listen!")
    return x


def test_who_cannot_listen_to_tasks_does_not_end_the_engine(
    client: Pymonik, rude_handler: None, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    class Closed:
        def write(self, text: str) -> int:
            raise BrokenPipeError("nobody reads")

    monkeypatch.setattr(sys, "stdout", Closed())
    assert talk.map_invoke([1, 2, 3]).get(PATIENCE) == [1, 2, 3]
    assert capsys.readouterr().err.count("ValueError('I do not listen')") == 1
