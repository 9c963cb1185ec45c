"""A database of the test's own, for clients of this process and for commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pymonik.runs import store, watch
from pymonik.settings import Settings, settings
from tests.cli.conftest import pymonik_command

__all__ = ["pymonik_command"]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Record runs in a folder of this test."""
    folder = tmp_path / "runs"
    given: Settings = replace(settings(), runs=str(folder))
    for module in (store, watch):
        monkeypatch.setattr(module, "settings", lambda: given)
    monkeypatch.setenv("PYMONIK_RUNS", str(folder))
    return folder
