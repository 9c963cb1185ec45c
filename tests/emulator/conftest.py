"""Emulators that tests share; each test has a session of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pymonik.emulator import Emulator
from tests.emulator.plain_cluster import Client, Gate, emulator


@pytest.fixture(scope="module")
def strict_emulator() -> Iterator[Emulator]:
    # A test that is slow, as on a loaded machine, is not idle.
    with emulator(idle_grace=1e9) as started:
        yield started


@pytest.fixture(scope="module")
def lenient_emulator() -> Iterator[Emulator]:
    with emulator(strict=False) as started:
        yield started


@pytest.fixture
def strict(strict_emulator: Emulator) -> Iterator[Client]:
    with Client(strict_emulator.endpoint) as client:
        yield client


@pytest.fixture
def lenient(lenient_emulator: Emulator) -> Iterator[Client]:
    with Client(lenient_emulator.endpoint) as client:
        yield client


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()
