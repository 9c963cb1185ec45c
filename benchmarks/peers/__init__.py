"""The peers: one class each, the same few methods, written the way the peer's own manual advises.

A method takes plain functions of `kernels` and gives plain values. A peer that has no word for a
program leaves the method out, and the table shows a dash.
"""

from __future__ import annotations

from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import numpy as np

    from benchmarks.patterns import Wiring

    Function = Callable[..., Any]

PEERS = {
    "pymonik": "benchmarks.peers.pymonik_local:PymonikLocal",
    "threads": "benchmarks.peers.threads:Threads",
    "processes": "benchmarks.peers.processes:Processes",
    "pool": "benchmarks.peers.pool:BarePool",
    "joblib": "benchmarks.peers.joblib_loky:JoblibLoky",
    "dask": "benchmarks.peers.dask_cluster:DaskCluster",
}

IMPORTS = {
    "pymonik": "pymonik",
    "threads": "concurrent.futures.thread",
    "processes": "concurrent.futures.process",
    "pool": "multiprocessing.pool",
    "joblib": "joblib",
    "dask": "dask.distributed",
}

CHUNKS = 16
"""Pieces a map is cut into by peers that want to be told: 8 a worker on two cores."""


class Unsupported(Exception):
    """The peer has no way to say this program."""


class Peer:
    """What a peer can do; every method that is not overridden is unsupported."""

    shorten: ClassVar[dict[str, int]] = {}
    """Program → divisor of its size, where it would take this peer minutes. Rates stay rates."""

    def __init__(self, name: str, workers: int) -> None:
        self.name = name
        self.workers = workers

    def start(self) -> None:
        """Start workers and leave them warm."""

    def stop(self) -> None:
        """End every worker."""

    def map(self, function: Function, items: Sequence[Any]) -> list[Any]:
        """Call the function once an item, by one request of the user."""
        raise Unsupported

    def loop(self, function: Function, items: Sequence[Any]) -> list[Any]:
        """Submit in a loop, keep a handle a call, then ask each handle for its value."""
        raise Unsupported

    def block(self, function: Function, value: Any) -> Any:
        """Open what a program opens to run tasks, run one, and close it again."""
        raise Unsupported

    def unequal(self, function: Function, seconds: Sequence[float]) -> list[Any]:
        """Submit calls that last so long, all at once and in this order; tell it, where one can."""
        raise Unsupported

    def chain(self, function: Function, value: Any, length: int) -> Any:
        """Feed the value of each call to the next."""
        raise Unsupported

    def chain_parts(self, function: Function, value: Any, length: int) -> tuple[Any, list[float]]:
        """Do the same; return also the seconds to record, to compile and send, and to run."""
        raise Unsupported

    def stencil(self, function: Function, row: list[int], steps: int, work: int) -> list[int]:
        """Compute a ring's cells from their three neighbours in the step before, `steps` times."""
        raise Unsupported

    def pattern(self, function: Function, row: list[int], wiring: Wiring, work: int) -> list[int]:
        """Compute row after row; each value takes those of the row before that the wiring says."""
        raise Unsupported

    def subtasks(self, depth: int) -> int:
        """Compute a Fibonacci number by tasks that make tasks, down to 0 and 1."""
        raise Unsupported

    def broadcast(self, array: np.ndarray, tasks: int) -> list[float]:
        """Give one large array to many tasks, by one request of the user."""
        raise Unsupported

    def broadcast_put(self, array: np.ndarray, tasks: int) -> list[float]:
        """Store the array first, then give its handle to the tasks."""
        raise Unsupported

    def broadcast_loop(self, array: np.ndarray, tasks: int) -> list[float]:
        """Pass the array itself to one call after the other."""
        raise Unsupported

    def share(self, function: Function, array: np.ndarray, tasks: int) -> list[Any]:
        """Pass an array of any kind, and a number, to one call after the other."""
        raise Unsupported

    def roundtrip(self, function: Function, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Send arrays there, get arrays back, one call each."""
        raise Unsupported

    def scratch(self) -> AbstractContextManager[Any]:
        """Open a place to record calls that will never run."""
        return nullcontext()

    def record_call(self, function: Function, items: Sequence[tuple[int, int]]) -> Any:
        """Record a call an item, in a loop, and return what a user would keep of it."""
        raise Unsupported

    def record_handles(self, function: Function, size: int) -> Any:
        """Record calls that each take the three before."""
        raise Unsupported

    def record_map(self, function: Function, items: Sequence[tuple[int, int]]) -> Any:
        """Record one map over the items and return what a user would keep of it."""
        raise Unsupported

    def compile(self, scratch: Any, recorded: Any) -> int:
        """Compile what was recorded and return for how many calls."""
        raise Unsupported


def installed(name: str) -> bool:
    """Tell whether the peer's library can be imported here."""
    return find_spec(IMPORTS[name].partition(".")[0]) is not None


def load(name: str, workers: int) -> Peer:
    """Make the peer of that name, not started yet."""
    module, _, attribute = PEERS[name].partition(":")
    peer: Peer = getattr(import_module(module), attribute)(name, workers)
    return peer


def chunk_size(items: int, workers: int) -> int:
    """Return the size of a chunk that cuts the items into `CHUNKS`, or one a worker."""
    return max(1, -(-items // max(CHUNKS, workers)))
