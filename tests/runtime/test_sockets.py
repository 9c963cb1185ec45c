"""The sockets that a pool listens to, and what ends its wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pymonik.runtime.host.sockets import ExecutorSockets
from tests.conformance.seams import Other


@pytest.fixture
def sockets() -> Iterator[ExecutorSockets]:
    sockets = ExecutorSockets()
    yield sockets
    sockets.close()


def test_who_wakes_never_waits_though_nobody_listens(sockets: ExecutorSockets) -> None:
    def wake_often() -> int:
        for _ in range(5_000):
            sockets.wake()
        return 5_000

    assert Other(wake_often).value() == 5_000
    assert sockets.wait(None, ()) == []  # what was said ends a wait


def test_a_word_ends_one_wait(sockets: ExecutorSockets) -> None:
    waiting = Other(lambda: sockets.wait(None, ()))
    sockets.wake()
    assert waiting.value() == []
    assert not sockets.is_asleep


def test_a_wait_may_be_longer_than_the_system_waits(sockets: ExecutorSockets) -> None:
    sockets.wake()
    assert sockets.wait(1e12, ()) == []
