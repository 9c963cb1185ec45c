"""What every call looks at: a change is seen, and where there is none nothing is copied."""

from __future__ import annotations

import decimal
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pymonik.system.surroundings import SurroundingsWatch


def _set(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setenv("PYMONIK_TEST_WATCH", "1")


def _replace(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "PYMONIK_TEST_WATCH": "1"})


def _move(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)


def _add_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])


def _add_argument(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(sys, "argv", [*sys.argv, "more"])


def _trap(*_: object) -> None:
    decimal.getcontext().traps[decimal.Inexact] = True


def _round(*_: object) -> None:
    decimal.getcontext().prec = 5


@pytest.fixture
def decimals() -> Iterator[None]:
    with decimal.localcontext():
        yield


CHANGES = [_set, _replace, _move, _add_path, _add_argument, _trap, _round]


@pytest.mark.usefixtures("decimals")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_and_looked_into_once(
    change: Callable[[pytest.MonkeyPatch, Path], None], tmp_path: Path
) -> None:
    watch, looks = SurroundingsWatch(), list[Any]()
    look = watch._look

    def looking() -> Any:
        looks.append(look())
        return looks[-1]

    watch._look = looking  # type: ignore[method-assign]
    assert watch.changes() is None
    assert not looks
    with pytest.MonkeyPatch.context() as monkeypatch, decimal.localcontext():
        change(monkeypatch, tmp_path)
        first = watch.changes()
        assert first is not None
        assert watch.changes() is first
        assert len(looks) == 1
    assert watch.changes() is None
    assert len(looks) == 2
