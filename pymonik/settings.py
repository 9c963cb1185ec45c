"""Settings of the library, each from a `PYMONIK_…` variable; limits carry their reason.

Enters: the process's environment. Leaves: one frozen `Settings`, read once; and the variables that
steer single runs, read whenever they are asked for. There are no others (`tests/test_settings.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from pymonik.errors import OptionsError
from pymonik.system.structs import Struct

# Bytes.
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
# Where the package lies: executors import it from there, and its modules are nobody's local ones.
PACKAGE = os.path.dirname(os.path.abspath(__file__))


class Settings(Struct):
    """Sizes in bytes, times in seconds."""

    # The partition of programs that name none.
    partition: str = "pymonik"
    # Pending captures beyond this cause a flush: the user's values exist twice until then. Less
    # would cut the plans of programs with large values in pieces; a laptop has so much to spare.
    capture_limit: int = 2 * GIB
    # Content above this becomes a blob of its own: stored once, sent once. Smaller ones cost less
    # in each payload than as results of their own, with a row and a download for each task.
    blob_size: int = 16 * KIB
    # A value above this is a result of its own: who fetches it moves none of its siblings. Smaller
    # ones move with them sooner than by a request each. (Users' programs set it by this name.)
    apart_size: int = 64 * KIB
    # Buffers above this live in memory files, mapped instead of copied: below it a file, with its
    # calls of the system and its page faults, takes as long as a copy.
    shared_size: int = 256 * KIB
    # ArmoniK's queues take priorities up to `MaxPriority`, 10 in its reference deployments.
    max_priority: int = 10
    # A unit that has run this long hands its remaining elements back. Tasks of a second and more
    # are what ArmoniK advises: its scheduling does not count then.
    unit_seconds: float = 1.0
    # Finished elements of a running unit are sent to the host this often: nobody who looks on
    # notices the delay, and twenty messages a second are no load.
    report_seconds: float = 0.05
    # Units that ArmoniK takes in one SubmitTasks: its work grows as units times payloads.
    submit_units: int = 1000
    # A task with more inputs than that gets them gathered: K of them cost a cluster K² bytes.
    fan_in: int = 256
    # Kestrel refuses unary bodies of 30 000 000 bytes.
    request_bytes: int = 20 * MIB
    # Modules that count as beside the script, or not: "mylib,-scratch".
    local_modules: str = ""
    # Where environments and values are kept; by default in the cache of the user.
    # `PYMONIK_VALUES_FOLDER`, below, names the folder of the values alone.
    cache_folder: str = ""
    # Environments that are kept, beside those in use: the least recently used go first. One with a
    # framework for machine learning has some GiB.
    environment_bytes: int = 10 * GIB
    # Check the laws of the IR after every pass, however large the graph.
    verify: bool = False
    # A worker's executor above this is replaced between tasks; 0: half of the container's memory.
    executor_bytes: int = 0
    # A worker that is to stop lets its task end for so long: pods have 30 s by default.
    stop_seconds: float = 20.0
    # Idle executors of the embedded engine are kept so long for the next client of the program:
    # long enough for blocks that follow one another, short enough to give their memory back.
    keep_executors: float = 10.0
    # A control plane that does not answer is asked for so long before waits fail: one that is
    # restarted is there again in a minute or two.
    patience: float = 120.0
    # Upper bound of concurrent calls when nothing better is known (a partition without pods): where
    # it is too low, long units hand back what others may run.
    default_slots: int = 8
    # Values of pure tasks that are kept on this machine: the least recently used go first, and to
    # lose one costs its call once more.
    cache_bytes: int = GIB


# What steers a run from outside, whatever the script says.
STEERING = {
    "backend": "the engine: local, inline, dry-run or armonik",
    "endpoint": "the control plane of a cluster, host:port",
    "workers": "calls that run at once",
    "runs": 'the folder of the database of runs; "off" for none',
    "verbose": "1: sum up on stderr what ran",
    "values_folder": "the folder of kept values, in place of `values` in PYMONIK_CACHE_FOLDER",
    "cache": "PYMONIK_VALUES_FOLDER by the name of before: with a warning, until 0.4",
}
# Names the descriptor of a pipe that whoever started a worker keeps open: the worker ends with it.
# Pods have none: there the agent's own life is that of the pod.
LIFELINE = "PYMONIK_LIFELINE"


def steering(name: str) -> str:
    """Return what the variable of a name in `STEERING` says now; "" where it is not set."""
    assert name in STEERING
    return os.environ.get(variable(name), "")


def steering_of_before(old: str, new: str) -> str:
    """Return what a variable of `STEERING` says by its old name, and warn of that once."""
    said = steering(old)
    if said and old not in _told:
        _told.add(old)
        import warnings  # not for `import pymonik`

        warnings.warn(
            f"{variable(old)} is called {variable(new)} since PymoniK 0.3: the old name is "
            "removed in 0.4",
            DeprecationWarning,
            stacklevel=_level_of_user(),
        )
    return said


def _level_of_user() -> int:
    """Return the `stacklevel` of a warning that points to code outside of this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("pymonik."):
        frame, level = frame.f_back, level + 1
    return level


# Old names that were warned of: of those that a process is given, once each.
_told: set[str] = set()


@contextmanager
def steered(name: str, value: str) -> Iterator[None]:
    """Let the variable of a name in `STEERING` have a value meanwhile."""
    assert name in STEERING
    before = os.environ.get(variable(name))
    os.environ[variable(name)] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(variable(name), None)
        else:
            os.environ[variable(name)] = before


def variable(name: str) -> str:
    """Return the name of the variable of a setting."""
    return "PYMONIK_" + name.upper()


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "int": ("a whole number", int),
    "float": ("a number", float),
    "str": ("a text", str),
    "bool": ("0 or 1", {"0": False, "1": True}.__getitem__),
}
# With less there is no unit, request or tree of gathers; of all other numbers the least is 0.
_LEAST = {
    "capture_limit": 1,
    "max_priority": 1,
    "submit_units": 1,
    "fan_in": 2,
    "request_bytes": 1,
    "default_slots": 1,
}


def _read(name: str, kind: str, default: object) -> object:
    text = os.environ.get(variable(name))
    if text is None:
        return default
    wanted, read = _READERS[kind]
    least = _LEAST.get(name, 0) if kind in ("int", "float") else None
    if least is not None:
        wanted += f" of at least {least}"
    try:
        value = read(text)
        if least is None or value >= least:
            return value
    except (KeyError, ValueError):
        pass
    raise OptionsError(f"{variable(name)} takes {wanted}, not {text!r}")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once."""
    given: dict[str, Any] = {
        name: _read(name, kind, getattr(Settings, name)) for name, kind in Settings._kinds.items()
    }
    return Settings(**given)
