"""What only a fresh process shows: the time of an import, what it drags in, the first result."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import IMPORTS

if TYPE_CHECKING:
    from benchmarks.peers import Peer

HEAVY = ("grpc", "networkx", "pydantic", "rich")
"""Libraries that PymoniK uses at its edges and must not import with itself."""

IMPORT = """
import sys, time
start = time.perf_counter()
import {module}
elapsed = time.perf_counter() - start
print(elapsed, sum(name in sys.modules for name in {heavy!r}))
"""


def python(*arguments: str) -> list[str]:
    """Run a fresh interpreter and return the words it prints."""
    # As users have it: compiled once. Installed peers are, however this process was started.
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=variables,
    )
    if done.returncode:
        raise RuntimeError(f"python {arguments[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout.split()


def import_time(peer: Peer, _: int) -> float:
    """Return the milliseconds that `import` takes in a new interpreter."""
    elapsed, _heavy = python("-c", IMPORT.format(module=IMPORTS[peer.name], heavy=HEAVY))
    return float(elapsed) * 1e3


def heavy_imports(peer: Peer, _: int) -> float:
    """Count the heavy libraries that come along with the import."""
    _elapsed, heavy = python("-c", IMPORT.format(module=IMPORTS[peer.name], heavy=HEAVY))
    return float(heavy)


def first_result(peer: Peer, _: int) -> float:
    """Return the seconds from the start of an interpreter to the first value of its first task."""
    script = Path(__file__).parent / "hello" / f"with_{peer.name}.py"
    start = time.monotonic()  # one clock for all processes of the machine
    value, there = python(str(script), str(peer.workers))
    if value != "42":
        raise ValueError(f"{script.name} printed {value}, not 42")
    return float(there) - start
