"""Modules by the names that they had before, until 0.4.

Enters: a name that nothing else finds. Leaves: the module that has its contents today, the very
same object, with a `DeprecationWarning`; so programs that reach behind `import pymonik` still run.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

# From the name of before to today's.
MOVED = {
    # 0.2
    "pymonik.core": "pymonik",
    "pymonik.results": "pymonik",
    "pymonik.context": "pymonik.record.context",
    "pymonik.worker": "pymonik.runtime.worker.server",
    # 0.3 while it was developed: values, formats, environments, what is stored
    "pymonik.backend.armonik.watch": "pymonik.backend.armonik.polling",
    "pymonik.content": "pymonik.values.content",
    "pymonik.emulator.objects": "pymonik.emulator.storage",
    "pymonik.graph.check": "pymonik.analysis.check",
    "pymonik.graph.cost": "pymonik.analysis.cost",
    "pymonik.graph.diff": "pymonik.analysis.diff",
    "pymonik.graph.file": "pymonik.analysis.file",
    "pymonik.graph.tasks_file": "pymonik.analysis.session.file",
    "pymonik.handle": "pymonik.record.handle",
    "pymonik.material": "pymonik.files.materialize",
    "pymonik.multi": "pymonik.record.handles",
    "pymonik.numbers": "pymonik.humanize",
    "pymonik.options": "pymonik.values.options",
    "pymonik.pickling": "pymonik.capture.freeze",
    "pymonik.plan.sending": "pymonik.plan.make_requests",
    "pymonik.progress": "pymonik.client.progress",
    "pymonik.runtime.cache": "pymonik.wire.byte_cache",
    "pymonik.runtime.env_cache": "pymonik.files.folder_cache",
    "pymonik.runtime.env_extract": "pymonik.files.extract",
    "pymonik.runtime.env_installed": "pymonik.environment.installed",
    "pymonik.runtime.env_layer": "pymonik.environment.venv",
    "pymonik.runtime.env_locks": "pymonik.files.locks",
    "pymonik.runtime.env_pip": "pymonik.environment.pip_settings",
    "pymonik.runtime.env_requirements": "pymonik.environment.requirements",
    "pymonik.runtime.env_spec": "pymonik.environment.spec",
    "pymonik.runtime.env_tree": "pymonik.files.tree",
    "pymonik.runtime.env_uv": "pymonik.environment.uv",
    "pymonik.runtime.environments": "pymonik.environment.builder",
    "pymonik.runtime.envelope": "pymonik.wire.envelope",
    "pymonik.runtime.frames": "pymonik.wire.frames",
    "pymonik.runtime.outcome": "pymonik.values.outcome",
    "pymonik.runtime.page": "pymonik.wire.journal",
    "pymonik.runtime.program": "pymonik.wire.program",
    "pymonik.runtime.seeds": "pymonik.values.seeds",
    "pymonik.runtime.verdict": "pymonik.wire.error_text",
}
# What was renamed in them: by the module of today, from the name of before.
RENAMED = {"pymonik.emulator.storage": {"Objects": "ObjectStorage"}}


def find(name: str) -> ModuleSpec | None:
    """Return how a module that has moved is imported, None for any other name."""
    return ModuleSpec(name, _MovedLoader()) if name in MOVED else None


class _MovedLoader(Loader):
    """Puts the module of today where one of an old name was asked for."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        new = MOVED[old]
        warnings.warn(
            f"the module {old} is called {new} since PymoniK 0.3, and the old name is removed in "
            f"0.4: import from `pymonik` the names that it exports, and all others from {new}",
            DeprecationWarning,
            stacklevel=2,
        )
        # The import gives what stands there afterwards: one module, whatever it is called.
        sys.modules[old] = today = importlib.import_module(new)
        for before, now in RENAMED.get(new, {}).items():
            setattr(today, before, getattr(today, now))
