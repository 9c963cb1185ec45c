"""What an executor loads before its first task is what its start costs: it is counted."""

from __future__ import annotations

from typing import Any

SCRIPT = """
from pymonik import Pymonik, task

@task
def modules():
    import sys
    return sorted(sys.modules)

with Pymonik(backend="local", workers=1):
    print(*modules.invoke().get())
"""
# Each takes a millisecond or more, and most tasks do without.
LATER = {
    "asyncio", "bz2", "concurrent.futures", "html", "importlib.abc", "json", "lzma", "numpy",
    "multiprocessing", "pathlib", "random", "shutil", "subprocess", "tempfile", "urllib.parse",
    "pymonik.backend", "pymonik.client", "pymonik.files", "pymonik.graph.passes", "pymonik.plan",
    "pymonik.runtime.host.host", "pymonik.runs",
}  # fmt: skip
# 192 with Python 3.11; the standard library of each version has some of its own.
MOST = 210


def test_an_executor_loads_little_before_its_first_task(run_script: Any) -> None:
    done = run_script(SCRIPT)
    loaded = set(done.stdout.split())
    assert "pymonik.runtime.executor.run" in loaded, done.stderr
    assert loaded & LATER == set()
    assert len(loaded) <= MOST
