"""Calls a worker for a task, probes its health meanwhile, and can be interrupted from outside."""

from __future__ import annotations

import threading
from typing import Any

import grpc

from pymonik.emulator.agents.supervisor import WorkerSettings
from pymonik.emulator.agents.worker import WorkerProcess


class Unhealthy(Exception):
    """The worker did not answer its health check during a task."""


class Caller:
    """The call of a pod that is under way, one at a time."""

    def __init__(self, settings: WorkerSettings, closing: threading.Event) -> None:
        self._settings = settings
        self._closing = closing
        # Guards the fields below: the pod's thread calls, others interrupt.
        self._lock = threading.Lock()
        self._call: Any = None
        self._task_id = ""
        self._interrupted = ""

    def interrupt(self, task_id: str) -> None:
        """Cancel the call of this task, now or when it begins."""
        with self._lock:
            self._interrupted = task_id
            call = self._call if self._task_id == task_id else None
        if call is not None:
            call.cancel()

    def close(self) -> None:
        """Cancel whatever runs; whoever calls this has set `closing` before."""
        with self._lock:
            call = self._call
        if call is not None:
            call.cancel()

    def call(self, worker: WorkerProcess, request: Any, seconds: float) -> Any:
        """Return the reply, or raise `Unhealthy`, RpcError or FutureCancelledError."""
        call = worker.process(request, seconds)
        with self._lock:
            self._call, self._task_id = call, request.task_id
            # Asked with the lock: who interrupts either finds the call, or has left word before.
            stopped = self._interrupted == request.task_id or self._closing.is_set()
        if stopped:
            call.cancel()
        try:
            return self._await(worker, call)
        finally:
            with self._lock:
                self._call, self._task_id = None, ""

    def _await(self, worker: WorkerProcess, call: Any) -> Any:
        settings = self._settings
        failures = 0
        while True:
            try:
                return call.result(timeout=settings.probe_interval)
            except grpc.FutureTimeoutError:
                failures = 0 if worker.healthy(settings.probe_timeout) else failures + 1
            # A worker that has died is not unhealthy: its call ends by itself, and costs a retry.
            if failures >= settings.probe_failures and worker.alive and not call.done():
                call.cancel()
                raise Unhealthy(
                    f"the worker left {failures} health check(s) without answer, each for "
                    f"{settings.probe_timeout} s, while it ran a task"
                )
