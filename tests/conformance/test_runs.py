"""The record of a run is the same wherever it ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pymonik import task
from pymonik.runs.store import RunStore
from tests.conformance.conftest import Connect


@task
def inverse(x: int) -> float:
    return 1 / x


@task
def twice(x: float) -> float:
    return 2 * x


@task
def deeper(x: int) -> Any:
    return twice.invoke(inverse.invoke(x))


@pytest.mark.parametrize(
    "call", [lambda: twice.invoke(inverse.invoke(0)), lambda: deeper.invoke(0)]
)
def test_what_failed_is_known_when_only_a_call_below_it_was_asked_for(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Any
) -> None:
    monkeypatch.setenv("PYMONIK_RUNS", str(tmp_path))
    with pytest.raises(ZeroDivisionError), connect(optimize=False):
        call().get()
    with RunStore.open() as store:
        record = store.find("last")
    assert record.failed == 1
    assert record.failures[0]["task"] == "inverse"
    assert record.failures[0]["site"].startswith(__file__)
