"""What a program and its first executor load before the first value is what it waits: counted."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import Any

import pytest

import pymonik
from pymonik import Pymonik, Task
from pymonik.system.garbage import is_collecting

SCRIPT = """
import gc, os, sys
print(*sys.modules)
os.environ["PYMONIK_RUNS"] = os.path.join(os.getcwd(), "runs")  # as users have it: on

def note_start(event, args):
    if event == "subprocess.Popen":
        print(*sorted(sys.modules))

sys.addaudithook(note_start)
from pymonik import Pymonik, task

@task
def modules():
    return sorted(sys.modules)

before = gc.get_stats()
with Pymonik(backend="local", workers=1):
    theirs = modules.invoke().get()
    behind = gc.get_stats()
    print(*sorted(sys.modules))
    print(*theirs)
print(sum(now["collections"] - old["collections"] for now, old in zip(behind, before)))
"""
# Each takes a millisecond or more, and most tasks do without.
LATER = {
    "asyncio", "base64", "bz2", "concurrent.futures", "ctypes", "hashlib", "html",
    "importlib.abc", "json", "lzma", "multiprocessing", "numpy", "pathlib", "pkgutil", "random",
    "shutil", "socket", "tempfile", "urllib.parse", "zipfile", "pymonik.analysis",
    "pymonik.cache", "pymonik.capture.text", "pymonik.draw", "pymonik.emulator",
    "pymonik.environment.value", "pymonik.files", "pymonik.runs.store",
}  # fmt: skip
# Of the edges: see `benchmarks.fresh.HEAVY`.
HEAVY = {
    "armonik", "grpc", "networkx", "packaging", "platformdirs", "pydantic", "rich", "sqlite3",
}  # fmt: skip
# Executors compile nothing, and start no processes, before a task makes calls; nor do they pickle
# functions, for which cloudpickle loads a good part of the standard library.
OF_CLIENTS = {
    "ast", "cloudpickle", "dataclasses", "inspect", "subprocess", "pymonik.backend",
    "pymonik.capture.changes.watch", "pymonik.capture.code_text",
    "pymonik.client", "pymonik.graph.passes", "pymonik.plan", "pymonik.runs",
    "pymonik.runtime.host.host",
}  # fmt: skip
# Nor do they record any before a task does, or wait for what a block needs beside its executor.
OF_RECORDERS = {"copy", "datetime", "pymonik.graph", "pymonik.record.handle", "pymonik.record.task"}
AFTER_START = {"heapq", "queue", "pymonik.client.parts", "pymonik.runtime.host.reserve"}
# 296, 136 and 161 with Python 3.11; the standard library of each version has some of its own.
MOST, MOST_THERE, MOST_AHEAD = 300, 140, 165
# None; 6 where a look is due behind each block that loads: of what was loaded, nothing is garbage.
MOST_COLLECTIONS = 3


def test_little_is_loaded_before_the_first_value(run_script: Any) -> None:
    done = run_script(SCRIPT)
    # What Python and the environment load themselves, such as files that end in `.pth`, is no part.
    *lines, collections = done.stdout.splitlines()
    bare, *loaded = (set(line.split()) for line in lines)
    ahead, ours, theirs = (modules - bare for modules in loaded)
    assert "pymonik.runtime.host.host" in ours, done.stderr
    assert ours & (LATER | HEAVY) == set()
    assert len(ours) <= MOST
    assert "pymonik.runtime.executor.run" in theirs
    assert theirs & (LATER | HEAVY | OF_CLIENTS | OF_RECORDERS) == set()
    assert len(theirs) <= MOST_THERE
    assert ahead & (LATER | HEAVY | AFTER_START) == set()
    assert len(ahead) <= MOST_AHEAD
    # Python 3.12 has objects frozen from the beginning: there what is loaded is looked through.
    assert int(collections) <= MOST_COLLECTIONS or sys.version_info[:2] == (3, 12)


def test_garbage_is_collected_where_tasks_run_but_not_among_what_was_loaded_before() -> None:
    with Pymonik(backend="local", workers=1):
        assert Task(gc.isenabled).invoke().get()
        assert Task(gc.get_freeze_count).invoke().get() > 1000


def test_public_names_are_loaded_without_collecting_garbage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load, seen = importlib.import_module, []

    def note(name: str) -> Any:
        if name == "pymonik.record.task":  # another thread may load something, too
            seen.append(gc.isenabled())
        return load(name)

    monkeypatch.setattr(importlib, "import_module", note)
    assert pymonik.__getattr__("Task") is Task
    assert seen == [False]
    assert is_collecting()
