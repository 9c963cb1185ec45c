"""Ctrl-C while calls run in the thread that waits: what has not ended fails, and nothing hangs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from pymonik import Pymonik, Task
from pymonik.values.outcome import PENDING
from tests.interruption import Interruption

MODULES = ("pymonik.backend.inline", "pymonik.runtime.host")


@pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.thorough)])
def test_every_call_of_an_interrupted_submission_has_ended(step: int) -> None:
    place, is_through = 0, False
    with Pymonik(backend="inline") as client:
        negative = Task(int.__neg__)
        while not is_through:
            place += step
            calls: list[Any] = [negative.invoke(i, pymonik=client) for i in range(2)]
            with Interruption(place, MODULES) as interruption:
                client.flush()
            is_through = not interruption.has_come
            client.flush()  # where it came before any was taken
            records = [call._node.location.record(call._node.offset) for call in calls]
            assert PENDING not in records, place
            done, total = client.parts.engine.opened().progress()
            assert done == total
            assert client.parts.lifetime.is_idle()
            for call in calls:
                with suppress(Exception):
                    call.get()
    assert place > 50
