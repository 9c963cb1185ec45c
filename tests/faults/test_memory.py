"""Memory, read from the kernel: large arguments exist once, dropped tasks leave nothing."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import linux_only

PROBE = '''
import os

def anonymous(pid="self"):
    """Bytes this process owns alone: mapped memory files do not count before a write."""
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Anonymous"))

def memory_files():
    """Bytes in the memory files this process holds, each counted once."""
    held = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            if "memfd:" in os.readlink(f"/proc/self/fd/{fd}"):
                status = os.stat(f"/proc/self/fd/{fd}")
                held[status.st_ino] = status.st_blocks * 512
        except OSError:
            continue
    return sum(held.values())
'''

SHARED = (
    PROBE
    + """
import gc, sys
import numpy as np
from pymonik import Pymonik, task

SIZE = 100 << 20

@task
def measure(x, i):
    held = float(x.sum()) if x is not None else 0.0
    return os.getpid(), anonymous(), held

with Pymonik(backend="local", workers=2) as client:
    base = {pid: used for pid, used, _ in measure.map_invoke([(None, i) for i in range(50)]).get()}
    array = np.ones(SIZE // 8)
    before = anonymous() + memory_files()
    how = sys.argv[1]
    if how == "map":
        handles = measure.map_invoke([(array, i) for i in range(50)])
    elif how == "put":
        stored = client.put(array)
        handles = [measure.invoke(stored, i) for i in range(50)]
    else:
        handles = [measure.invoke(array, i) for i in range(50)]
    client.flush()
    held = [anonymous() + memory_files() - before]
    values = [h.get() for h in handles]
    held.append(anonymous() + memory_files() - before)
    assert {total for _, _, total in values} == {SIZE / 8}
    worst = max(used - base.get(pid, 0) for pid, used, _ in values)
    print(max(held) / SIZE, worst / SIZE)
    del handles, array
    stored = None
    gc.collect()
    measure.invoke(None, 0).get()
    print((anonymous() + memory_files() - before) / SIZE)
"""
)


def share(run_script: Any, how: str) -> tuple[float, float, float]:
    done = run_script(SHARED, None, ("script.py", how))
    assert done.returncode == 0, done.stderr
    beside, worker, after = map(float, done.stdout.split())
    return beside, worker, after


def check(beside: float, worker: float, after: float) -> None:
    """One copy beside the user's own, none of a worker's own, none when nobody holds it."""
    assert beside <= 1.3
    assert worker <= 0.3
    # The user's array, counted in `before`, is gone too.
    assert after <= -0.7


@pytest.mark.thorough
@linux_only
def test_an_array_mapped_over_exists_once_beside_the_users_own(run_script: Any) -> None:
    check(*share(run_script, "map"))


@pytest.mark.thorough
@linux_only
def test_an_array_put_exists_once_beside_the_users_own(run_script: Any) -> None:
    check(*share(run_script, "put"))


@linux_only
def test_an_array_given_to_single_calls_exists_once_beside_the_users_own(run_script: Any) -> None:
    check(*share(run_script, "calls"))


DROPPED = (
    PROBE
    + """
import gc, sys
from pymonik import Pymonik, task

@task
def measure(i):
    return anonymous() if i % 5_000 == 0 else i

with Pymonik(backend="local", workers=2) as client:
    def used(round):
        workers = [measure.invoke(0) for _ in range(4)]
        return max(h.get() for h in workers), anonymous() + memory_files()
    for round in range(20):
        measure.map_invoke(range(50_000)).wait()
        if round == 3:
            first = used(round)
    last = used(round)
    print(*[(b - a) >> 20 for a, b in zip(first, last)])
"""
)


@pytest.mark.thorough
@linux_only
def test_nothing_grows_over_a_million_dropped_tasks(run_script: Any) -> None:
    done = run_script(DROPPED)
    assert done.returncode == 0, done.stderr
    worker, host = map(int, done.stdout.split())
    # 800 000 tasks at 100 bytes each would be 76 MiB.
    assert worker <= 20
    assert host <= 20


SINGLE = (
    PROBE
    + """
import numpy as np
from pymonik import Pymonik, task

@task
def make(i):
    return np.full(1 << 17, i)

with Pymonik(backend="local", workers=2) as client:
    seen = []
    for i in range(120):
        assert make.invoke(i).get()[0] == i
        if i in (20, 119):
            seen.append(anonymous() + memory_files())
    files = len(os.listdir("/proc/self/fd"))
    print((seen[1] - seen[0]) >> 20, files)
"""
)


@linux_only
def test_values_whose_last_handle_died_are_freed(run_script: Any) -> None:
    done = run_script(SINGLE)
    assert done.returncode == 0, done.stderr
    grown, files = map(int, done.stdout.split())
    # 99 values of 1 MiB each came and went.
    assert grown <= 20
    assert files <= 60
