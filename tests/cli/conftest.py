"""A terminal of 80 columns, and the command line as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from pymonik.cli.app import app
from tests.conftest import PATIENCE, script_environment
from tests.forks import Forks

Result = subprocess.CompletedProcess[str]
# What runs commands of this process, once there was one.
_forks: list[Forks] = []


@pytest.fixture
def pymonik_command(tmp_path: Path) -> Callable[..., Result]:
    """Run `pymonik ARGS…` in an empty directory that has the given files."""

    def run(*args: str, **files: str) -> Result:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        return command(tmp_path, *args)

    return run


def command(folder: Path, *args: str) -> Result:
    """Run `pymonik ARGS…` in a folder, in a terminal of 80 columns."""
    environment = script_environment(COLUMNS="80")
    if hasattr(os, "fork"):
        if not _forks:
            _forks.append(Forks(environment))
        if _forks[0].fits(environment):
            return _forks[0].run(args, folder, environment)
    return subprocess.run(
        [sys.executable, "-m", "pymonik", *args],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def command_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `pymonik ARGS…` as the other does, but in this process: where no script is run."""

    def run(*args: str, **files: str) -> Result:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        with monkeypatch.context() as there:
            there.chdir(tmp_path)
            done = CliRunner(env={"COLUMNS": "80"}).invoke(app, args, prog_name="pymonik")
        return Result(args, done.exit_code, done.stdout, done.stderr)

    return run
