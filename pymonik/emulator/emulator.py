"""The emulator itself: engine, control plane and pods, started and stopped together.

    with Emulator(partitions={"pymonik": 2}, worker=["python", "worker.py"]) as emulator:
        client = Pymonik(endpoint=emulator.endpoint)

It binds to the loopback interface and leaves no process behind.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymonik.emulator.agents.pool import Pool
from pymonik.emulator.agents.supervisor import WorkerSettings
from pymonik.emulator.control_plane import HOST, Tls, listen, methods, services
from pymonik.emulator.counters import Counters
from pymonik.emulator.engine import Engine
from pymonik.emulator.faults import Faults
from pymonik.emulator.health import Health
from pymonik.emulator.interceptor import BODY_LIMIT, Interceptor
from pymonik.emulator.overhead import Overhead
from pymonik.emulator.quirks import Quirks
from pymonik.emulator.state import ClusterSettings, generation
from pymonik.emulator.state.events import Expire, Idle

log = logging.getLogger("pymonik.emulator")

# The highest priority of an AMQP queue; NATS has none.
AMQP_PRIORITY = 10


@dataclass(kw_only=True, eq=False)
class Emulator:
    """An emulated cluster.

    `partitions` maps names to numbers of workers; the first is the default partition.
    `worker` is the command of a worker process, by default this project's own.
    `generation` is "HEAD" or "0.37.2". `strict` refuses what a cluster would leave hanging.
    `max_priority` is the highest of the queues, None for that of AMQP when strict, else none.
    `latency` (seconds) is added to each request, `submission_cost` (seconds) to a submission
    for each unit × completed input. `task_overhead` (seconds) is what an agent spends on a task;
    messages and submissions take time in proportion (see `overhead`).
    `idle_grace` is how long a session must be quiet before strict mode fails tasks that nothing
    can start. `retention` is the age at which records are
    lost, None for never. `quirks` are switched on, now or later. With `max_errors` more
    answers of UNKNOWN than good ones the control plane exits `exit_delay` seconds later. Limits
    and probes default to those of the reference deployment.

    A process that forks while calls run has its emulator elsewhere (`pymonik emulator`): gRPC does
    not let a process with a server be forked, and some of its children end with SIGABRT.

    >>> @task
    ... def square(x):
    ...     return x * x
    >>> with Emulator(partitions={"pymonik": 2}) as emulator:
    ...     with Pymonik(emulator.endpoint):
    ...         square.invoke(7).get()
    ...     emulator.counters["SubmitTasks"].requests
    49
    1
    """

    partitions: Mapping[str, int] = field(default_factory=lambda: {"pymonik": 1})
    worker: Sequence[str] | None = None
    port: int = 0
    generation: str = "HEAD"
    strict: bool = True
    latency: float = 0.0
    submission_cost: float = 0.0
    task_overhead: float = 0.0
    delete_payload: bool = True
    max_priority: int | None = None
    # `Submitter__MaxErrorAllowed` of the reference deployments; its own default is 5.
    max_errors: int = 50
    # What an engine says, and does: "Wait 10 seconds, and stop Application".
    exit_delay: float = 10.0
    # Bytes of a message of a stream: `Submitter__PreferredMessageSize`, which clients are told.
    chunk_size: int = 2 * 1024 * 1024
    tls: Tls | None = None
    # Of strict mode alone: longer than a program here thinks between two submissions, and short
    # enough for a test that waits for what would hang for ever.
    idle_grace: float = 5.0
    retention: float | None = None
    # Between two health checks of a worker that runs a task: a hang is noticed that much late.
    probe_interval: float = 10.0
    probe_timeout: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    inherit_output: bool = False
    quirks: Quirks = field(default_factory=Quirks)
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        if not self.partitions:
            raise ValueError('an emulator needs a partition, as in partitions={"pymonik": 2}')
        served = generation(self.generation)
        self.counters = Counters()
        self.faults = Faults()
        names = tuple(self.partitions)
        given = self.max_priority
        settings = ClusterSettings(
            partitions=names,
            default_partition=names[0],
            generation=served,
            strict=self.strict,
            delete_payload=self.delete_payload,
            max_priority=AMQP_PRIORITY if given is None and self.strict else given,
        )
        self.engine = Engine(
            settings,
            database_load=self._database_load,
            quirks=self.quirks,
            overhead=Overhead(self.task_overhead),
        )
        self._worker_settings = WorkerSettings(
            argv=self.worker or [sys.executable, "-m", "pymonik", "worker"],
            chunk_size=self.chunk_size,
            probe_interval=self.probe_interval,
            probe_timeout=self.probe_timeout or served.probe_timeout,
            probe_failures=served.probe_failures,
            environment=self.environment,
            inherit_output=self.inherit_output,
        )
        self._services = services(self.engine, self.partitions, self.chunk_size, self.sleep)
        # Set by `stop`; ends the clock, and restarts of the control plane.
        self._closing = threading.Event()
        # Guards the start and stop of the server: a control plane that has failed restarts itself.
        self._lifecycle = threading.Lock()
        self._server: Any = None
        self._clock: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """Where to connect: "127.0.0.1:<port>"."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The endpoint with its scheme."""
        return f"{'http' if self.tls is None else 'https'}://{self.endpoint}"

    @property
    def methods(self) -> set[str]:
        """The methods that clients can call, as `counters` and `faults` name them."""
        return methods(self._services)

    def start(self) -> Emulator:
        """Listen, and start the workers in the background."""
        self.start_control_plane()
        agent_interceptor = Interceptor(self.counters, self.faults, prefix="Agent.")
        self._pool = Pool(self.partitions, self.engine, agent_interceptor, self._worker_settings)
        self._pool.start()
        # Looks for sessions that are quiet, and for records that are too old: nothing else here has
        # a clock of its own.
        self._clock = threading.Thread(target=self._tick, name="emulator clock", daemon=True)
        self._clock.start()
        self._pid = os.getpid()
        atexit.register(self.stop)  # which forks inherit: see `stop`
        return self

    def stop(self) -> None:
        """End streams, workers and server; nothing is left behind. May be repeated.

        In a fork of the process that has started it, nothing is done: all of it is of that one.
        """
        if self._closing.is_set() or self._clock is None or os.getpid() != self._pid:
            return
        atexit.unregister(self.stop)
        self._closing.set()
        self.engine.database.come_back()
        self.engine.watchers.close_all()
        self._pool.stop()
        self.stop_control_plane(grace=1.0)
        self._clock.join()

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_control_plane(self) -> None:
        """Serve clients, on the port of before if there was one."""
        with self._lifecycle:
            if self._server is None:
                made = listen(self._services, self._interceptor(), self.port, self.tls)
                self._server, self.port = made
                self._server.start()

    def stop_control_plane(self, grace: float | None = None) -> None:
        """Refuse all clients and cut their streams; agents and their tasks go on."""
        with self._lifecycle:
            server, self._server = self._server, None
        if server is not None:
            server.stop(grace).wait()

    def database_away(self, seconds: float | None = None) -> None:
        """Answer every request with UNKNOWN, for so long or until `database_back`."""
        self.engine.database.go_away(seconds)
        self.engine.watchers.silence()

    def database_back(self) -> None:
        """End `database_away`."""
        self.engine.database.come_back()

    def kill_worker(self, partition: str, number: int = 0) -> None:
        """Kill one worker process now."""
        self._pool.kill(partition, number)

    @property
    def worker_pids(self) -> list[int]:
        """The ids of the worker processes that run."""
        return self._pool.worker_pids

    @property
    def tasks_in_hand(self) -> dict[str, str]:
        """The ids of the tasks that pods have taken and not reported on, by pod name.

        A task that was cancelled is among them until its pod has let go of it: only then does the
        pod meet no planned fault, and count no request, on its behalf.
        """
        return self._pool.tasks_in_hand

    @property
    def folder(self) -> Path:
        """The private folder of the pods: sockets, data, what workers print. It goes at the end."""
        return self._pool.folder

    def worker_output(self) -> str:
        """Return what the workers have printed, pod by pod, unless their output is inherited."""
        return "".join(
            f"--- {name}\n{path.read_text(errors='replace')}"
            for name, path in self._pool.log_files.items()
            if path.exists()
        )

    def expire(self, seconds: float = 0.0) -> None:
        """Lose every record older than this, as the database of a deployment does after a day."""
        self.engine.apply(Expire(time.time() - seconds))

    def _interceptor(self) -> Interceptor:
        forgiving = generation(self.generation).errors_are_forgiven
        return Interceptor(
            self.counters,
            self.faults,
            latency=self.latency,
            body_limit=BODY_LIMIT,
            health=Health(self.max_errors, forgiving=forgiving, exhausted=self._exit_later),
            database=self.engine.database,
            quirks=self.quirks,
            sleep=self.sleep,
        )

    def _exit_later(self) -> None:
        log.error(
            "too many errors: %d more than good answers; the control plane exits in %g s",
            self.max_errors + 1,
            self.exit_delay,
        )
        # Of its own: who has answered too many errors is a thread of the server that is to stop.
        threading.Thread(target=self._exit, name="emulator exit", daemon=True).start()

    def _exit(self) -> None:
        if not self._closing.wait(self.exit_delay):
            self.stop_control_plane()

    def _database_load(self, updates: int) -> None:
        if self.submission_cost and updates:
            self.sleep(self.submission_cost * updates)

    def _tick(self) -> None:
        # So that a quiet session is noticed within a quarter more than the grace.
        period = min(1.0, self.idle_grace / 4)
        while not self._closing.wait(period):
            for session_id in self.engine.quiet_sessions(self.idle_grace):
                self.engine.apply(Idle(session_id))
            if self.retention is not None:
                self.expire(self.retention)
