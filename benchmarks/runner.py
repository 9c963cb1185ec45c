"""Takes turns: for every round and program, each peer in its own process, one after the other.

In: names of programs and peers. Out: the samples of each cell, or why it has none. Only one peer
works at a time.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import warnings
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from benchmarks.programs import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.programs import Program

ROOT = Path(__file__).parent.parent
PATIENCE = 120.0
"""Seconds one figure may take before its peer is killed and started anew."""
STOP = 20.0
"""Seconds a peer may take to end its workers."""


@dataclass
class Outputs:
    """What one peer gave for one program."""

    samples: list[float] = field(default_factory=list)
    disturbances: list[float] = field(default_factory=list)
    size: int | None = None
    note: str | None = None
    error: str | None = None
    unsupported: bool = False


class PeerProcess:
    """A driver and everything it starts, in a process group of its own."""

    def __init__(self, name: str, workers: int, log: IO[str]) -> None:
        self.name = name
        self._workers = workers
        self._log = log
        self._start()

    def _start(self) -> None:
        self._is_dead = False
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.driver", self.name, str(self._workers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            bufsize=1,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._started = self._read()

    def __enter__(self) -> PeerProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._is_dead:
            return
        self._process.stdin.close()
        try:
            self._process.wait(timeout=STOP)
        except subprocess.TimeoutExpired:
            warnings.warn(f"{self.name} did not stop within {STOP:g} s: killed", stacklevel=2)
        self._kill()

    @property
    def pid(self) -> int:
        """The process id of the driver, which is also its group's."""
        return self._process.pid

    def measure(self, program: Program, quick: bool) -> dict[str, Any]:
        """Ask for one figure; a driver that died or did not answer is replaced."""
        if self._is_dead and "error" not in self._started:
            self._start()
        if "error" in self._started:
            return self._started
        request = {"program": program.name, "quick": quick}
        with suppress(BrokenPipeError):  # reading tells how it ended
            self._process.stdin.write(json.dumps(request) + "\n")
        return self._read()

    def _read(self) -> dict[str, Any]:
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        line = self._process.stdout.readline() if ready else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._kill()
        self._is_dead = True
        why = f"ended: {self._last_words()}" if ready else f"no answer in {PATIENCE:g} s"
        return {"error": why}

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        return lines[-1] if lines else "without a word"

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()
        with suppress(BrokenPipeError):
            self._process.stdin.close()


def run(
    programs: Sequence[str],
    peers: Sequence[str],
    *,
    rounds: int,
    quick: bool,
    workers: int,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[tuple[str, str], Outputs]:
    """Measure every program on every peer, `rounds` times, peers taking turns."""
    with ExitStack() as stack:
        drivers = []
        for name in peers:
            log = stack.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
            drivers.append(stack.enter_context(PeerProcess(name, workers, log)))
        cells = {(name, peer): Outputs() for name in programs for peer in peers}
        for number in range(rounds):
            for name in programs:
                program = PROGRAMS[name]
                if number >= (program.rounds or rounds):
                    continue
                for driver in drivers:
                    progress(f"round {number + 1}/{rounds}: {name}, {driver.name}")
                    fill(cells[name, driver.name], driver, program, quick)
    return cells


def fill(cell: Outputs, driver: PeerProcess, program: Program, quick: bool) -> None:
    """Add one sample to a cell, or why there is none; what failed once is not tried again."""
    if cell.error or cell.unsupported:
        return
    answer = driver.measure(program, quick)
    if "figure" in answer:
        cell.samples.append(answer["figure"])
        if "disturbance" in answer:  # quick runs do not look
            cell.disturbances.append(answer["disturbance"])
        cell.size = answer["size"]
    cell.note = answer.get("note", cell.note)
    cell.error = answer.get("error")
    cell.unsupported = bool(answer.get("unsupported"))
