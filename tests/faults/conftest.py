"""Faults need real processes: the tests here run on the embedded engine."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pymonik import Pymonik
from pymonik.settings import settings
from tests.conftest import PATIENCE


@pytest.fixture(autouse=True)
def apart(fresh_executors: None) -> None:
    """What a test here does to executors concerns no other."""


@pytest.fixture
def client() -> Iterator[Pymonik]:
    with Pymonik(backend="local", workers=2) as opened:
        yield opened


@pytest.fixture
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let executors end with their client, where their end is what a test is about."""
    yield from _keeping(monkeypatch, "0")


@pytest.fixture
def kept_briefly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep executors for a moment only, where a test waits for their end."""
    yield from _keeping(monkeypatch, "0.2")


def _keeping(monkeypatch: pytest.MonkeyPatch, seconds: str) -> Iterator[None]:
    monkeypatch.setenv("PYMONIK_KEEP_EXECUTORS", seconds)
    settings.cache_clear()
    yield
    monkeypatch.delenv("PYMONIK_KEEP_EXECUTORS")
    settings.cache_clear()


class Wake:
    """A pipe held open by processes: they write lines to it, and it ends when the last one dies.

    A reader learns of their death from the kernel, also of orphans and of what they started:
    nothing is polled, and a process nobody reaps counts as dead.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self._text = b""

    def _more(self) -> bytes:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            select.select([self._fd], [], [], deadline - time.monotonic())
            try:
                return os.read(self._fd, 65536)
            except BlockingIOError:
                continue
        pytest.fail(f"nothing happened in {PATIENCE} s")

    def lines(self, count: int) -> list[str]:
        """Wait until `count` lines were written; return them."""
        while self._text.count(b"\n") < count:
            self._text += self._more()
        return self._text.decode().split()

    def wait_for_the_end(self) -> None:
        """Wait until every process that held the pipe is gone."""
        while self._more():
            pass

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def wake(tmp_path: Path) -> Iterator[Wake]:
    held = Wake(tmp_path / "wake")
    yield held
    held.close()


linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has"
)
