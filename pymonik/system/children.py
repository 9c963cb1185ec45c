"""Child processes that lead a group: their number is theirs until they are reaped, and no longer.

Enters: a process that was started. Leaves: whether it has ended, with its number, which is that of
its group, still its own: what it has started can be killed by it. The system may give the number of
one that was reaped to any other process.
"""

from __future__ import annotations

import os
import subprocess
from typing import Any


def has_exited(process: subprocess.Popen[Any]) -> bool:
    """Return whether a child has ended, and leave it to `Popen.wait` to reap it."""
    if process.returncode is not None or not hasattr(os, "waitid"):
        return process.poll() is not None  # macOS, before Python 3.13: reaped by this look
    try:
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, process.pid, how) is not None
    except ChildProcessError:  # reaped: by another thread, or by the program's own `os.wait`
        return True
