"""What the tasks of the benchmarks compute: plain functions that every peer can import by name."""

from __future__ import annotations

import time
from functools import lru_cache
from hashlib import pbkdf2_hmac
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

MODULUS = 65_521


def identity(value: Any) -> Any:
    """Do nothing."""
    return value


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


def increment(value: int) -> int:
    """Be one link of a chain."""
    return value + 1


def spin(work: int) -> None:
    """Compute for `work` hash iterations: a fixed amount of work, whatever the clock says.

    The time is linear in `work`, touches no memory, and is spent outside the interpreter lock, so
    that thread pools get their two cores as well.
    """
    pbkdf2_hmac("sha256", b"benchmark", b"salt", work)


def mix(left: int, here: int, right: int) -> int:
    """Join three neighbours so that swapping any two of them shows in the value."""
    return (left + 3 * here + 7 * right) % MODULUS


def cell(left: int, here: int, right: int, work: int) -> int:
    """Be one cell of a stencil: spin, then mix."""
    spin(work)
    return mix(left, here, right)


def joined(work: int, *values: int) -> int:
    """Be one call of a pattern: spin, then join values so that swapping any two shows."""
    spin(work)
    return sum(place * value for place, value in enumerate(values, 1)) % MODULUS


def total(array: np.ndarray, offset: int) -> float:
    """Read the whole array."""
    return float(array.sum()) + offset


def bytes_of(array: np.ndarray, offset: int) -> int:
    """Take an array, of whatever kind, and read none of it."""
    return array.nbytes + offset


def plus_one(array: np.ndarray) -> np.ndarray:
    """Read the whole array and write another as large."""
    return array + 1


@lru_cache(maxsize=1)
def attached(name: str) -> SharedMemory:
    """Map shared memory once a process: mapping it once a task costs more than reading it."""
    return SharedMemory(name)


def shared_total(name: str, length: int, offset: int) -> float:
    """Read an array of doubles that lies in shared memory: `total` for process pools."""
    import numpy as np

    return total(np.ndarray(length, np.float64, attached(name).buf), offset)


def nap(seconds: float) -> float:
    """Last for some time, and use no core meanwhile."""
    time.sleep(seconds)
    return seconds


def load_library(name: str) -> str:
    """Import a library that takes its time, as most tasks do first."""
    __import__(name)
    return name


def batch(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Run many calls as one task, for peers whose manual says to write that by hand."""
    return [function(item) for item in items]
