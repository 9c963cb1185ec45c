"""The backend of a client, alone: opened once, when it is first needed, by one process."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pymonik.client.engine import LazyBackend
from pymonik.errors import BackendError
from tests.conformance.seams import Other

from .fakes import FakeBackend


def test_threads_that_need_it_at_once_get_the_one_backend() -> None:
    made: list[Any] = []
    others: list[Other] = []

    def open_backend(name: str) -> Any:
        others.extend(Other(engine.opened) for _ in range(2))  # come while it is being opened
        made.append(FakeBackend())
        return made[-1]

    engine = LazyBackend("local", open_backend)
    assert engine.backend is None
    assert engine.traits.is_here
    backend = engine.opened()
    assert [other.value() for other in others] == [backend, backend]
    assert made == [backend]


def test_a_finalizer_that_needs_it_while_it_is_opened_has_the_one_backend() -> None:
    """It runs in this very thread: what it has sent is in the backend that it has opened."""
    made: list[Any] = []

    def open_backend(name: str) -> Any:
        fake = FakeBackend()
        if not made:
            made.append(fake)
            found.append(engine.opened())
        else:
            made.append(fake)
        return fake

    found: list[Any] = []
    engine = LazyBackend("local", open_backend)
    assert engine.opened() is found[0]
    assert [fake.is_closed for fake in made] == [True, False]


def test_a_backend_that_is_open_stays_the_one() -> None:
    fake: Any = FakeBackend()
    engine = LazyBackend("local", lambda name: fake)
    engine.check_unopened()
    engine.opened()
    with pytest.raises(BackendError, match="connected already"):
        engine.check_unopened()


def test_a_fork_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    fake: Any = FakeBackend()
    engine = LazyBackend("local", lambda name: fake)
    engine.opened()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert not engine.is_of_this_process
    with pytest.raises(BackendError, match="forked"):
        engine.opened()


def test_a_backend_that_does_not_open_is_tried_again() -> None:
    fake: Any = FakeBackend()
    answers: list[Any] = [BackendError("nobody answers"), fake]

    def open_backend(name: str) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    engine = LazyBackend("local", open_backend)
    with pytest.raises(BackendError, match="nobody"):
        engine.opened()
    assert engine.opened() is fake
