"""A client that records and never runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pymonik import Pymonik


@pytest.fixture
def client() -> Iterator[Pymonik]:
    client = Pymonik(backend="dry-run")
    yield client
    client.cancel()
