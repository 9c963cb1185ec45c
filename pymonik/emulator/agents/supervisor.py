"""Keeps one worker process alive for a pod: starts it, restarts it, and knows when to give up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pymonik.emulator.agents.worker import CannotStart, WorkerProcess

# Starts in a row: a command that cannot run would be tried for ever.
ATTEMPTS = 3
log = logging.getLogger("pymonik.emulator.pod")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How workers are run and watched. Times are in seconds.

    While a task runs, the worker's health is probed every `probe_interval`; it fails when
    `probe_failures` probes in a row got no answer within `probe_timeout`.
    """

    argv: Sequence[str]
    chunk_size: int
    probe_interval: float
    probe_timeout: float | None
    probe_failures: int
    environment: Mapping[str, str] = field(default_factory=dict)
    # For a worker that hangs: one that ends before it is healthy is noticed at once.
    start_timeout: float = 60.0
    # From SIGTERM to SIGKILL: an emulator that ends waits so long for each of its workers.
    stop_grace: float = 3.0
    inherit_output: bool = False


class WorkerSupervisor:
    """The worker process of a pod, if there is one."""

    def __init__(
        self, pod: str, folder: Path, settings: WorkerSettings, closing: threading.Event
    ) -> None:
        self.worker: WorkerProcess | None = None
        self.failure = ""
        self._pod = pod
        self._folder = folder
        self._settings = settings
        self._closing = closing

    def ensure(self) -> None:
        """Start a worker unless one runs; after some attempts in a row, note the failure."""
        # It stays given up: the pod lives on, and lets its tasks fail with the reason.
        if self.failure or (self.worker is not None and self.worker.alive):
            return
        for _ in range(ATTEMPTS):
            try:
                self._start()
                return
            except CannotStart as error:
                log.warning("pod %s: %s", self._pod, error)
                failure = str(error)
        log.error("pod %s gives up: its tasks will fail", self._pod)
        self.failure = failure

    def end(self) -> None:
        """End the worker, if one runs."""
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.stop(self._settings.stop_grace)

    @property
    def log_file(self) -> Path:
        """Where the output of the worker goes, unless it is inherited."""
        return self._folder / "worker.log"

    def _start(self) -> None:
        self.end()
        settings = self._settings
        output = None if settings.inherit_output else self.log_file
        self.worker = WorkerProcess(settings.argv, self._folder, settings.environment, output)
        self.worker.await_health(settings.start_timeout, self._closing)
