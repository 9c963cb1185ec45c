"""One executor as its host sees it: how it ends."""

from __future__ import annotations

import os

import pytest

from pymonik.runtime.host.process import Process


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system reaps whom it looks at")
def test_a_process_is_killed_only_while_its_number_is_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process, kill, killed = Process(1, []), os.killpg, []

    def killpg(pid: int, signal: int) -> None:
        # ChildProcessError where it was reaped: others may have its number then.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        killed.append(pid)
        kill(pid, signal)

    monkeypatch.setattr(os, "killpg", killpg)
    process.leave()
    process.end()
    process.kill("too late")
    assert killed == [process.pid]
    assert not process.is_alive()
