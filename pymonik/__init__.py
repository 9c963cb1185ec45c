"""PymoniK: plain Python that runs on an ArmoniK cluster, or on all cores of this machine.

Calls of tasks are recorded as a graph; the first value asked for compiles the graph and sends it at
once. `Pymonik` is the client, `@task` makes a function a task, handles stand for values to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymonik.decorator import task
from pymonik.handle import ResultHandle
from pymonik.multi import MultiResultHandle, as_completed
from pymonik.options import TaskOptions
from pymonik.task import Task

if TYPE_CHECKING:
    from pymonik.client import Pymonik
    from pymonik.context import PymonikContext, get_context
    from pymonik.material import Materialize, materialize
    from pymonik.worker import run_pymonik_worker

__version__ = "0.3.0"

__all__ = [
    "Materialize",
    "MultiResultHandle",
    "Pymonik",
    "PymonikContext",
    "ResultHandle",
    "Task",
    "TaskOptions",
    "as_completed",
    "get_context",
    "materialize",
    "run_pymonik_worker",
    "task",
]

# Executors have no client, and few programs need the rest: imported when it is asked for.
_LATER = {
    "Pymonik": "pymonik.client",
    "PymonikContext": "pymonik.context",
    "get_context": "pymonik.context",
    "Materialize": "pymonik.material",
    "materialize": "pymonik.material",
    "run_pymonik_worker": "pymonik.worker",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        import importlib

        found = globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
        return found
    raise AttributeError(f"module 'pymonik' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
