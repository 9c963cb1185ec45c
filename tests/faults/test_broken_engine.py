"""A bug of the engine itself is told to whoever waits: nothing waits for ever in silence."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik import Pymonik, Task
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
