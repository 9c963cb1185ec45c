"""A database of the test's own, for clients of this process and for commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import command_here, pymonik_command

__all__ = ["command_here", "pymonik_command"]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Record runs in a folder of this test."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("PYMONIK_RUNS", str(folder))
    return folder
