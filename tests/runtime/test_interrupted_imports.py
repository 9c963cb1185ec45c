"""What is loaded late is not found half loaded: by handlers of signals, or other threads."""

from __future__ import annotations

import gc
import signal
import sys
from types import ModuleType
from typing import Any

import pytest

from pymonik.runtime.host import ahead
from pymonik.system.deferred_signals import Loading
from pymonik.system.surroundings import SurroundingsWatch

SCRIPT = """
import signal, sys

# Loaded amid `client.parts`, the engines, `host.reserve` and `plan.maker`.
AMID = {"pymonik.client.waiter", "pymonik.runtime.host.pool", "pymonik.backend.in_process",
        "pymonik.runtime.host.scheduler", "pymonik.runs.observe", "pymonik.plan.lower"}

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in AMID:
            AMID.discard(name)
            signal.raise_signal(signal.SIGUSR1)

def handle(number, frame):
    for client in (ours, other):
        try:
            double.invoke(4, pymonik=client).get()
        except ImportError as error:
            print("half loaded:", error)
        except Exception:  # it is amid a flush, and is told so
            pass

sys.meta_path.insert(0, Finder())
from pymonik import Pymonik, task
signal.signal(signal.SIGUSR1, handle)

@task
def double(x):
    return 2 * x

ours, other = Pymonik(backend="local", workers=1), Pymonik(backend="inline")
with ours:
    print(double.invoke(3).get(), AMID)
"""


@pytest.mark.thorough
def test_a_handler_amid_the_first_use_of_a_client_may_use_clients(run_script: Any) -> None:
    done = run_script(SCRIPT)
    assert done.stdout == "6 set()\n", done.stderr


def test_neither_handlers_nor_finalizers_of_garbage_run_while_modules_are_loaded() -> None:
    ran = []
    before = signal.signal(signal.SIGUSR1, lambda *_: ran.append(gc.isenabled()))
    try:
        with Loading():
            signal.raise_signal(signal.SIGUSR1)
            assert (ran, gc.isenabled()) == ([], False)
            with Loading():
                pass
            assert (ran, gc.isenabled()) == ([], False)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ran == [True]


def test_a_reserve_that_another_thread_loads_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def start(*given: Any) -> None:
        started.append(given)
        raise OSError("no process may be started")

    monkeypatch.setitem(sys.modules, "pymonik.runtime.host.reserve", ModuleType("half loaded"))
    monkeypatch.setattr(ahead, "Process", start)
    ahead.start_ahead(SurroundingsWatch().base, 1)
    assert len(started) == 1
