"""A worker process: started with the environment of a pod, watched, called, ended.

The process gets a session of its own, so that ending it ends what it started, too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import grpc
from armonik.protogen.common.objects_pb2 import Empty
from armonik.protogen.common.worker_common_pb2 import HealthCheckReply
from armonik.protogen.worker.worker_service_pb2_grpc import WorkerStub

from pymonik.settings import LIFELINE
from pymonik.system.children import has_exited

# What grpc-dotnet lets an agent receive of its worker in one message.
REPLY_LIMIT = 4 * 1024 * 1024
CHANNEL_OPTIONS = (
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", REPLY_LIMIT),
    ("grpc.max_send_message_length", -1),
    # A worker takes a moment to listen; the default back-off would wait a second.
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 200),
)
# Seconds between two health checks of a worker that starts.
POLL = 0.1
# Seconds between two looks whether a worker has ended: nothing tells of it.
_LOOK = 0.01
# Bytes of the end of a worker's log that an error quotes.
TAIL = 2_000


class CannotStart(Exception):
    """The worker command ended, or did not get healthy in time."""


class WorkerProcess:
    """One running worker."""

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        log: Path | None,
    ) -> None:
        self._socket = folder / "worker.sock"
        self._socket.unlink(missing_ok=True)
        self._log = log
        output: IO[bytes] | None = None if log is None else log.open("ab")
        # Closes with this process, however it ends: then the worker ends, too.
        lifeline, self._lifeline = os.pipe()
        own = {**channel_environment(folder), LIFELINE: str(lifeline)}
        try:
            self._process = subprocess.Popen(
                argv,
                env={**os.environ, **environment, **own},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output and subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lifeline,),
            )
        except OSError as error:
            os.close(self._lifeline)
            raise CannotStart(f"the worker command {list(argv)} cannot run: {error}") from error
        finally:
            os.close(lifeline)
            if output is not None:
                output.close()
        self._channel = grpc.insecure_channel(f"unix:{self._socket}", options=CHANNEL_OPTIONS)
        self._stub = WorkerStub(self._channel)

    def await_health(self, seconds: float, closing: threading.Event) -> None:
        """Wait until the worker answers its health check, or nobody needs it any more."""
        deadline = time.monotonic() + seconds
        while not closing.is_set() and not self.healthy(POLL, wait_for_ready=True):
            if not self.alive:
                self._signal(signal.SIGKILL)  # what it leaves behind, before its number is free
                code = self._process.wait()
                raise CannotStart(f"the worker ended with code {code}: {self._tail()}")
            if time.monotonic() > deadline:
                raise CannotStart(f"the worker is not healthy after {seconds} s: {self._tail()}")

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return not has_exited(self._process)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def healthy(self, seconds: float | None, *, wait_for_ready: bool = False) -> bool:
        """Probe the health check; a worker without one counts as healthy."""
        try:
            reply = self._stub.HealthCheck(Empty(), timeout=seconds, wait_for_ready=wait_for_ready)
        except grpc.RpcError as error:
            return bool(error.code() is grpc.StatusCode.UNIMPLEMENTED)
        return bool(reply.status == HealthCheckReply.SERVING)

    def process(self, request: Any, seconds: float) -> Any:
        """Start the Process call and return its future."""
        return self._stub.Process.future(request, timeout=seconds)

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the process, and let `stop` reap it; return whether it came."""
        end = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK)
        return True

    def kill(self) -> None:
        """Kill the process and its group."""
        self._signal(signal.SIGKILL)
        self._let_go()

    def stop(self, grace: float) -> None:
        """End the process politely, then by force."""
        self._channel.close()
        if self.alive:
            self._signal(signal.SIGTERM)
            self.wait(grace)
        # What the worker left behind in its group goes as well.
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._let_go()

    def _let_go(self) -> None:
        # In one step: a timer of a fault may kill what the pod's own thread is about to stop.
        lifeline, self._lifeline = self._lifeline, -1
        if lifeline >= 0:
            os.close(lifeline)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is not None:  # reaped: its number may be another group's
            return
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # The group is empty already; macOS says so with EPERM.

    def _tail(self) -> str:
        if self._log is None:
            return "see its output"
        with self._log.open("rb") as log:  # which may be long
            log.seek(max(0, self._log.stat().st_size - TAIL))
            return log.read(TAIL).decode(errors="replace").strip() or "it said nothing"


def channel_environment(folder: Path) -> dict[str, str]:
    """Return the variables by which a worker finds its two sockets."""
    return {
        "ComputePlane__WorkerChannel__Address": str(folder / "worker.sock"),
        "ComputePlane__WorkerChannel__SocketType": "unixdomainsocket",
        "ComputePlane__AgentChannel__Address": str(folder / "agent.sock"),
        "ComputePlane__AgentChannel__SocketType": "unixdomainsocket",
    }
