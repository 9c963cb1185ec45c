"""Progress: a bar while waiting where stderr is a terminal, else nothing; events for programs."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import PATIENCE, Gate, script_environment

from .conftest import Connect
from .programs import divide, square

SCRIPT = """
import sys
from pymonik import Pymonik, task

@task
def blocked(path):
    return open(path).read()

with Pymonik(backend="local", workers=1):
    print(repr(blocked.invoke(sys.argv[1]).get()))
"""


def test_progress_is_reported_to_programs(connect: Connect) -> None:
    seen: list[Any] = []
    with connect(on_progress=seen.append):
        square.map_invoke(range(20)).wait()
        before = len(seen)
        square.map_invoke(range(20)).wait()
    assert 0 < before < len(seen)


def test_progress_counts_failures_too(connect: Connect) -> None:
    seen: list[Any] = []
    with connect(on_progress=seen.append):
        divide.map_invoke([(1, 0), (1, 1)])[0].exception()
    assert seen


def test_a_terminal_shows_a_bar_while_waiting(tmp_path: Path, gate: Gate) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), gate.path],
        env=script_environment(TERM="xterm-256color", COLUMNS="100"),
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    try:
        # The task waits at the gate until the bar was seen.
        shown, _, _ = select.select([ours], [], [], PATIENCE)
        assert shown
        assert os.read(ours, 65536)
        gate.open()
        out, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert (out, process.returncode) == ("''\n", 0)
