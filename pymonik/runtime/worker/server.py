"""The worker: a process beside an ArmoniK agent, which runs the tasks that the agent gives it.

Enters: the variables that ArmoniK sets in a pod. Leaves: a server on the worker's socket, until it
gets a signal to stop. What it answers is the business of `servicer`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from pymonik._pickled import public
from pymonik.settings import LIFELINE, settings
from pymonik.system.signal_queue import SignalQueue

logger = logging.getLogger("pymonik.worker")

# Threads answer health checks while one of them runs a task.
_THREADS = 8
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
)


@public
def run_pymonik_worker() -> None:
    """Serve until SIGTERM or SIGINT; the sockets are those that ArmoniK names in variables.

    Told to stop, it takes no more tasks. The one that runs may end within `stop_seconds`; then, or
    after SIGINT at once, it is broken off, and ArmoniK runs it elsewhere.
    """
    import grpc
    from armonik.protogen.worker.agent_service_pb2_grpc import AgentStub
    from armonik.protogen.worker.worker_service_pb2_grpc import add_WorkerServicer_to_server

    from pymonik.runtime.worker.hosts import Hosts
    from pymonik.runtime.worker.servicer import Servicer

    _log_to_stdout()
    grace = {signal.SIGTERM: settings().stop_seconds, signal.SIGINT: 0.0}
    signals = SignalQueue(*grace)  # the main thread waits there, and stops in order
    if lifeline := os.environ.pop(LIFELINE, None):
        # A daemon: it waits in a read that ends with whoever started this worker.
        threading.Thread(
            target=_end_with, args=(int(lifeline),), name="pymonik-lifeline", daemon=True
        ).start()
    # Agents and the servers of gRPC for C# take no other authority on a Unix socket.
    options = (*_OPTIONS, ("grpc.default_authority", "localhost"))
    hosts = Hosts(os.environ.get("HOSTNAME") or socket.gethostname())
    with grpc.insecure_channel(target_of(os.environ, "Agent"), options=options) as channel:
        # These threads call the servicer; tasks run in executors, which are other processes.
        server = grpc.server(ThreadPoolExecutor(_THREADS), options=_OPTIONS)
        servicer = Servicer(AgentStub(channel), target_of(os.environ, "Agent"), hosts)
        add_WorkerServicer_to_server(servicer, server)
        address = target_of(os.environ, "Worker")
        _remove_dead_socket(address)
        outer = os.umask(0o177)  # the agent alone, which runs as the same user, may connect
        try:
            server.add_insecure_port(address)
        finally:
            os.umask(outer)
        server.start()
        logger.info("worker %d listens on %s", os.getpid(), address)
        came = signals.wait()
        logger.info("worker %d stops", os.getpid())
        server.stop(grace[came]).wait()
        hosts.close()


def _end_with(lifeline: int) -> None:
    """Stop at once when the other end of a pipe is closed."""
    os.set_inheritable(lifeline, False)
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGINT)


def target_of(variables: Mapping[str, str], side: str) -> str:
    """Return the gRPC target of the worker's or the agent's socket."""
    prefix = f"ComputePlane__{side}Channel__"
    default = f"/cache/armonik_{side.lower()}.sock"
    address = variables.get(prefix + "Address") or default
    kind = variables.get(prefix + "SocketType") or "unixdomainsocket"
    if kind.lower() == "unixdomainsocket":
        return "unix:" + address.removeprefix("unix://").removeprefix("unix:")
    if kind.lower() != "tcp":
        raise ValueError(f"{prefix}SocketType is {kind!r}: it is unixdomainsocket or tcp")
    # ArmoniK writes a URL; gRPC listens on host:port.
    return urlsplit(address).netloc if "://" in address else address


def _remove_dead_socket(address: str) -> None:
    """Remove the socket of a worker that is gone; whatever else lies there ends this one."""
    if not address.startswith("unix:") or not os.path.lexists(address[5:]):
        return
    path = address[5:]
    what = f"the worker's address, ComputePlane__WorkerChannel__Address, is {path!r}"
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise SystemExit(f"{what}: the path exists and is not a socket, and is not removed")
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(1.0)  # of this machine: one that listens takes it at once
        try:
            line.connect(path)
        except ConnectionRefusedError:  # the agent listens no more
            os.unlink(path)
            return
        except OSError as error:
            raise SystemExit(f"{what}: the socket there cannot be used: {error}") from None
    raise SystemExit(f"{what}: another worker listens there")


def _log_to_stdout() -> None:
    from pymonik.runtime.worker.logs import COLLECTOR, Clef

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Clef())
    logging.basicConfig(level=logging.INFO, handlers=[handler, COLLECTOR], force=True)


if __name__ == "__main__":
    run_pymonik_worker()
