"""What happens to the processes of a program on the embedded engine, or to the program itself.

Enters: the process of the program, a random generator. Leaves: what was done, for whoever wants to
do it again. Processes are found by a variable that they inherit.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

MARK = "STORM_TOKEN"


def processes(token: str) -> dict[int, int]:
    """Give the processes that belong to one program, with their parents."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                status = (folder / "stat").read_text().rpartition(")")[2].split()
                if f"{MARK}={token}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = int(status[1])
    return found


def attack(
    token: str, client: int, chance: random.Random, done: threading.Event, told: Counter[str]
) -> None:
    """Kill or stop executors at random moments, some times; count what was done."""
    for _ in range(chance.randint(2, 12)):
        if done.wait(chance.uniform(0.02, 0.4)):
            return
        children = sorted(pid for pid, parent in processes(token).items() if parent == client)
        if not children:
            continue
        victim, how = chance.choice(children), chance.choice(["kill", "kill", "stop"])
        with contextlib.suppress(ProcessLookupError):
            if how == "kill":
                os.kill(victim, signal.SIGKILL)
            else:
                os.kill(victim, signal.SIGSTOP)
                done.wait(chance.uniform(0.1, 1.0))
                os.kill(victim, signal.SIGCONT)
            told[f"executor {how}s"] += 1


def orphans(token: str, seconds: float) -> list[int]:
    """Give the processes that are still there so many seconds after their program has ended."""
    deadline = time.monotonic() + seconds
    while (left := list(processes(token))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left
