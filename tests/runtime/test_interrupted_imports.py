"""What is loaded late is not found half loaded: by handlers of signals, or other threads."""

from __future__ import annotations

import builtins
import gc
import signal
import sys
import threading
from types import ModuleType
from typing import Any

import pytest

from pymonik.capture import function
from pymonik.capture.interner import Interner
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


MODULES_THAT_CAPTURE = (
    "pymonik.capture.definitions.by_value",
    "pymonik.capture.freeze",
    "pymonik.capture.text.fingerprint",
)


def test_what_captures_is_loaded_with_no_finalizer_amid_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may make calls, whose thread would wait for the lock of an import that another holds."""
    collects: list[bool] = []
    load, here = builtins.__import__, threading.get_ident()

    def loaded(name: str, *given: Any, **named: Any) -> ModuleType:
        if (
            name in MODULES_THAT_CAPTURE
            and threading.get_ident() == here
            and sys._getframe(1).f_globals["__name__"] == function.__name__
        ):
            collects.append(gc.isenabled())
        return load(name, *given, **named)

    function._definers.cache_clear()
    function._summary.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(builtins, "__import__", loaded)
        for _ in range(2):
            function.capture_function(lambda: None, "f", Interner(), sys.maxsize)
    assert collects == [False] * len(MODULES_THAT_CAPTURE)


def test_a_reserve_that_another_thread_loads_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def start(*given: Any) -> None:
        started.append(given)
        raise OSError("no process may be started")

    monkeypatch.setitem(sys.modules, "pymonik.runtime.host.reserve", ModuleType("half loaded"))
    monkeypatch.setattr(ahead, "Process", start)
    ahead.start_ahead(SurroundingsWatch().base, 1)
    assert len(started) == 1
