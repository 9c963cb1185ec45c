"""Pools of processes that a task starts: `multiprocessing` carries functions of the script by name.

Enters: what `multiprocessing` pickles for its processes. Leaves: functions and classes that have
no place where these look, by value. In an executor the script is not `__main__`, and a process that
is spawned has nothing of it; a task that runs inline has a copy of its function.
"""

from __future__ import annotations

import pickle
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

_PICKLES = "multiprocessing.reduction"
# What a spawned process calls the script that it has run: its parent finds its own script there.
_SPAWNED = "__mp_main__"


class _Tasks:
    """Whether tasks run here: for pools that the user's own program has, nothing is changed."""

    running = 0


_TASKS = _Tasks()


def serve() -> None:
    """Carry what is of the script by value, in a process that runs nothing but tasks."""
    _TASKS.running += 1
    _watch()


@contextmanager
def served() -> Iterator[None]:
    """Carry it by value meanwhile."""
    serve()
    try:
        yield
    finally:
        _TASKS.running -= 1


def _watch() -> None:
    """Change the pickler of `multiprocessing`, as soon as it is there: most tasks do without."""
    if _PICKLES in sys.modules:
        _change(sys.modules[_PICKLES])
    elif not any(type(finder) is _Finder for finder in sys.meta_path):
        # First: the finder of modules would have found it before.
        sys.meta_path.insert(0, _Finder())


def _change(module: Any) -> None:
    if "reducer_override" not in vars(module.ForkingPickler):
        module.ForkingPickler.reducer_override = _reduce


def _reduce(pickler: Any, obj: Any) -> Any:
    if not _TASKS.running or not isinstance(obj, (types.FunctionType, type)):
        return NotImplemented
    if obj.__module__ == _SPAWNED:
        return NotImplemented
    from pymonik.capture.definitions.by_value import is_by_value
    from pymonik.capture.freeze import whole

    return (_loaded, (whole(obj),)) if is_by_value(obj) else NotImplemented


def _loaded(data: bytes) -> Any:
    serve()  # what such a process gives back goes the same way
    return pickle.loads(data)


# Neither is an ABC of `importlib.abc`, which loads twenty modules an executor.
class _Finder:
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: Any = None
    ) -> ModuleSpec | None:
        """Have the module changed once it was imported."""
        if fullname != _PICKLES:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            loader: Any = _Changing(spec.loader)
            spec.loader = loader
        return spec


class _Changing:
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        module: types.ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        self._loader.exec_module(module)
        _change(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
