"""Units that tests run in their own process leave no mark of a running call behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pymonik.runtime.executor import state as running


@pytest.fixture(autouse=True)
def apart(fresh_executors: None) -> None:
    """Tests here look into executors: each begins with new ones."""


@pytest.fixture(autouse=True)
def at_rest() -> Iterator[None]:
    yield
    running.STATE.end()
