"""PymoniK: plain Python that runs on an ArmoniK cluster, or on all cores of this machine.

Calls of tasks are recorded as a graph; the first value asked for compiles the graph and sends it at
once. `Pymonik` is the client, `@task` makes a function a task, handles stand for values to come.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pymonik.system.code_bundle import use_bundle

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from pymonik.client.client import Pymonik
    from pymonik.files.materialize import Materialize, materialize
    from pymonik.record.completed import as_completed
    from pymonik.record.context import PymonikContext, get_context
    from pymonik.record.decorator import task
    from pymonik.record.handle import ResultHandle
    from pymonik.record.handles import MultiResultHandle
    from pymonik.record.task import Task
    from pymonik.runtime.worker.server import run_pymonik_worker
    from pymonik.values.options import TaskOptions

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

# Imported when it is asked for: executors have no client, and need none of it for most tasks.
_LATER = {
    "Materialize": "pymonik.files.materialize",
    "MultiResultHandle": "pymonik.record.handles",
    "Pymonik": "pymonik.client.client",
    "PymonikContext": "pymonik.record.context",
    "ResultHandle": "pymonik.record.handle",
    "Task": "pymonik.record.task",
    "TaskOptions": "pymonik.values.options",
    "as_completed": "pymonik.record.completed",
    "get_context": "pymonik.record.context",
    "materialize": "pymonik.files.materialize",
    "run_pymonik_worker": "pymonik.runtime.worker.server",
    "task": "pymonik.record.decorator",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        import importlib

        from pymonik.system.deferred_signals import Loading

        # Without collecting garbage amid it, of which there is none: a tenth of the time.
        with Loading():
            value = globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
        return value
    raise AttributeError(f"module 'pymonik' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _MovedModules:
    """Asked last of all, for imports by names of before: see `system.moved_modules`."""

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        """Return how a module that has moved is imported, None for any other."""
        if not name.startswith("pymonik."):
            return None
        from pymonik.system.moved_modules import find

        return find(name)


sys.meta_path.append(_MovedModules)
use_bundle(__spec__)
