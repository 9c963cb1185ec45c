"""What executors begin with: variables, module path, threads; and which of them begin alike.

Enters: this process as it is now, and what it was when its client was made. Leaves: parts of what
an executor is sent first, and the key by which another host finds one that began with the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from pymonik.runtime.host.process import options_of

if TYPE_CHECKING:
    from pymonik.environment.builder import Built
    from pymonik.system.surroundings import Surroundings


def origin_of(base: Surroundings | None, threads: int) -> Hashable:
    """Return what makes an executor what it is from its start on, None where it is not shared.

    Libraries read variables when they are loaded, and what is loaded depends on the path. Programs
    that tasks start write to the streams that an executor was given.
    """
    if base is None:
        return None
    variables = frozenset(os.environ.items()), frozenset(base.variables.items())
    path = base.path, tuple(module_path())
    return (*options_of(base), threads, variables, path, _stream(1), _stream(2))


def _stream(fd: int) -> tuple[int, int] | None:
    """Return what tells a file from others; None where the descriptor is closed."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def way_back(hello: dict[str, Any], built: Built | None) -> dict[str, Any]:
    """Return what takes an executor, started as this process is now, to what all begin with."""
    base: Surroundings | None = hello["surroundings"]
    fixed = set() if built is None else set(built.variables)
    if built is not None and built.venv is not None:
        fixed |= {"PATH", "VIRTUAL_ENV"}
    if base is None:
        return {"variables": (), "fixed": frozenset(fixed)}
    now, then = os.environ, base.variables
    names = [name for name in {*now, *then} if now.get(name) != then.get(name)]
    variables = tuple((name, then.get(name)) for name in names)
    return {"variables": variables, "fixed": frozenset(fixed)}


def module_path() -> list[str]:
    """Return where this process looks for modules, for one that runs elsewhere."""
    return [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]


def threads_of(size: int) -> int:
    """Return how many threads the libraries of an executor have, where `size` run at once."""
    return max(1, available_cpus() // size)


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ends_without_us() -> bool:
    """Return whether this is a process of `multiprocessing`: it ends without what `atexit` knows.

    Its executors would be killed with it, and not end in order.
    """
    processes = sys.modules.get("multiprocessing.process")
    return processes is not None and processes.parent_process() is not None
