"""The process of a worker, as its pod sees it: how it ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from pymonik.emulator.agents.worker import CannotStart, WorkerProcess
from tests.conformance.seams import PATIENCE, until

# Leaves a process behind in its group, writes down its number, and ends.
LEAVES = """
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
open(sys.argv[1], "w").write(str(left.pid))
"""


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system reaps whom it looks at")
@pytest.mark.parametrize("is_awaited", [False, True])
def test_its_group_is_killed_only_while_its_number_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_awaited: bool
) -> None:
    """Whoever has the number of a process that was reaped would be killed in its place."""
    kill, killed = os.killpg, list[int]()

    def killpg(pid: int, number: signal.Signals) -> None:
        # ChildProcessError where it was reaped.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        killed.append(pid)
        kill(pid, number)

    monkeypatch.setattr(os, "killpg", killpg)
    note = tmp_path / "left"
    worker = WorkerProcess([sys.executable, "-c", LEAVES, str(note)], tmp_path, {}, None)
    until(lambda: not worker.alive)
    if is_awaited:
        with pytest.raises(CannotStart, match="ended with code 0"):
            worker.await_health(PATIENCE, threading.Event())
    worker.stop(PATIENCE)
    worker.kill()
    assert killed == [worker.pid]
    left = int(note.read_text())
    until(lambda: not _runs(left))  # what it has left in its group has gone with it


def _runs(pid: int) -> bool:
    """Return whether a process runs, and is not only kept by who has adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
