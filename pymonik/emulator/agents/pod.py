"""A pod: one agent, one worker process, one thread that takes tasks from the partition's queue.

It reports to the engine what happened to each task. What that means for the task (a retry, a
cascade) is not decided here.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from armonik.protogen.common.objects_pb2 import Configuration
from armonik.protogen.common.worker_common_pb2 import ProcessRequest
from armonik.protogen.worker import agent_service_pb2

from pymonik.emulator.agents.assignment import Broken, TaskAssignment
from pymonik.emulator.agents.caller import Caller, Unhealthy
from pymonik.emulator.agents.service import Agent
from pymonik.emulator.agents.supervisor import WorkerSettings, WorkerSupervisor
from pymonik.emulator.agents.worker import WorkerProcess
from pymonik.emulator.counters import Count
from pymonik.emulator.engine import Engine
from pymonik.emulator.faults import LoseAgent, OfWorker
from pymonik.emulator.interceptor import Interceptor, handlers
from pymonik.emulator.services.convert import options_message
from pymonik.emulator.state import events
from pymonik.emulator.state.instructions import Poison, Proceed, Run
from pymonik.emulator.state.status import ENDED_SESSIONS
from pymonik.system.failed_calls import let_go

log = logging.getLogger("pymonik.emulator.pod")

# What grpc-dotnet lets an agent receive in one message.
AGENT_MESSAGE_LIMIT = 4 * 1024 * 1024

# Seconds between two looks whether the session of a poisoned task has ended.
POISON_POLL = 0.05


class Pod:
    """One agent with its worker."""

    def __init__(
        self,
        name: str,
        partition: str,
        folder: Path,
        engine: Engine,
        interceptor: Interceptor,
        settings: WorkerSettings,
    ) -> None:
        self.name = name
        self.partition = partition
        self._folder = folder
        self._cache = folder / "cache"
        self._engine = engine
        self._interceptor = interceptor
        self._settings = settings
        self._agent = Agent()
        # The task that this pod has in hand, from taking its message to the report, or "". Written
        # by the pod's own thread; others look.
        self.task_id = ""
        # Set by any thread; the pod's own sees it between two steps, its caller within a probe.
        self._closing = threading.Event()
        self._supervisor = WorkerSupervisor(name, folder, settings, self._closing)
        self._caller = Caller(settings, self._closing)
        # Takes tasks, one at a time, as the agent of a pod does; it ends when the queues are
        # closed.
        self._thread = threading.Thread(target=self._live, name=f"pod {name}", daemon=True)

    @property
    def worker_pid(self) -> int | None:
        """The process id of the worker, if one runs."""
        worker = self._supervisor.worker
        return worker.pid if worker is not None and worker.alive else None

    @property
    def log_file(self) -> Path:
        """Where the output of the worker goes, unless it is inherited."""
        return self._supervisor.log_file

    def start(self) -> None:
        """Open the agent's socket and begin to live."""
        self._cache.mkdir(parents=True)
        self._server = grpc.server(
            # One task runs at a time, and its worker may make several requests at once.
            ThreadPoolExecutor(max_workers=8, thread_name_prefix=f"agent {self.name}"),
            options=(
                ("grpc.max_receive_message_length", AGENT_MESSAGE_LIMIT),
                ("grpc.max_send_message_length", -1),
            ),
        )
        service = agent_service_pb2.DESCRIPTOR.services_by_name["Agent"]
        self._server.add_generic_rpc_handlers((handlers(service, self._agent, self._interceptor),))
        self._server.add_insecure_port(f"unix:{self._folder / 'agent.sock'}")
        self._server.start()
        self._thread.start()

    def interrupt(self, task_id: str) -> None:
        """Cancel the call of a task, if this pod runs it."""
        self._caller.interrupt(task_id)

    def kill_worker(self) -> None:
        """Kill the worker process, as an out-of-memory killer would."""
        worker = self._supervisor.worker
        if worker is not None:
            worker.kill()

    def close(self) -> None:
        """Begin to end; the queues must be closed too. `join` waits for the end."""
        self._closing.set()
        self._caller.close()

    def join(self) -> None:
        """Wait until thread, worker and server are gone."""
        self._thread.join()
        self._server.stop(grace=0).wait()

    def _live(self) -> None:
        try:
            while not self._closing.is_set():
                self._supervisor.ensure()
                task_id = self._engine.queues.pop(self.partition)
                if task_id is None:
                    return
                self.task_id = task_id
                self._handle(task_id)
                self.task_id = ""
        finally:
            self._supervisor.end()

    def _handle(self, task_id: str) -> None:
        taken = self._engine.report(events.Acquire(task_id, self.name))
        if Run(task_id) not in taken:
            return
        with self._engine.reading() as tables:
            task = tables.tasks.get(task_id)
        if task is None:
            return
        with TaskAssignment(
            self._engine, task, self._cache, self._settings.chunk_size
        ) as assignment:
            report = self._run(assignment)
            if report is not None and Poison(task_id) in self._engine.report(report):
                self._try_for_ever(task.session_id)

    def _try_for_ever(self, session_id: str) -> None:
        """Take the same message again and again: only the end of its session helps."""
        while not self._closing.wait(POISON_POLL):
            with self._engine.reading() as tables:
                session = tables.sessions.get(session_id)
            if session is None or session.status in ENDED_SESSIONS:
                return

    def _run(self, assignment: TaskAssignment) -> events.Event | None:
        task_id = assignment.task.id
        worker = self._supervisor.worker
        if self._supervisor.failure:
            return events.Fail(task_id, f"No worker starts: {self._supervisor.failure}")
        # A sleep that ends with the cluster.
        self._closing.wait(self._engine.overhead.per_task)
        try:
            assignment.prefetch()
            if Proceed(task_id) not in self._engine.report(events.Start(task_id)):
                return None
            # After Start: an agent probes before each call, and gives the task back, without a
            # retry, while its worker does not answer.
            if worker is None or not worker.healthy(self._settings.probe_timeout):
                self._supervisor.end()
                return events.Release(task_id)
            self._agent.assignment = assignment
            return self._process(worker, assignment)
        except Broken as error:
            return events.Fail(task_id, str(error))
        except Exception as error:
            log.exception("pod %s: a fault while it ran task %s", self.name, task_id)
            return events.Crash(task_id, f"Agent got an internal error\n{error!r}")
        finally:
            self._agent.assignment = None

    def _process(self, worker: WorkerProcess, assignment: TaskAssignment) -> events.Event | None:
        task = assignment.task
        if not task.options.max_duration:  # gRPC might take a quick reply all the same
            return events.TimeOut(task.id)
        request = self._request(assignment)
        self._interceptor.counters.add("Worker.Process", Count(1, request.ByteSize()))
        planned = self._planned_kill()
        # In a thread of its own: this one waits for the reply.
        kill = None if planned is None else threading.Timer(planned.after, worker.kill)
        if kill is not None:
            kill.start()
        try:
            reply = self._caller.call(worker, request, task.options.max_duration)
        except Unhealthy as error:
            self._supervisor.end()
            return self._after_silence(task.id, error)
        except grpc.FutureCancelledError:
            if self._closing.is_set():
                return events.Release(task.id)
            return events.Crash(task.id, "Worker returned error CANCELLED")
        except grpc.RpcError as error:
            let_go(error)
            if isinstance(planned, LoseAgent):
                self._lose(task.id, planned.seconds)
                return None
            return _after_error(worker, task.id, error)
        finally:
            if kill is not None:
                kill.cancel()
        if isinstance(planned, LoseAgent):
            self._lose(task.id, planned.seconds)
            return None
        self._interceptor.counters.add("Worker.Process", Count(response_bytes=reply.ByteSize()))
        match reply.output.WhichOneof("type"):
            case "ok":
                return assignment.success()
            case "error":
                return events.Fail(task.id, reply.output.error.details)
        return events.Crash(task.id, "Agent got an internal error\nthe reply holds no output")

    def _after_silence(self, task_id: str, error: Unhealthy) -> events.Event:
        if not self._engine.settings.strict:
            return events.Release(task_id)
        return events.Fail(
            task_id, f"strict: {error}: a cluster would restart the pod, again and again"
        )

    def _planned_kill(self) -> OfWorker | None:
        # Faults of tests, see `faults`: the agent itself takes no part in them.
        planned = self._interceptor.faults.take("Worker.Process")
        return next((action for action in planned if isinstance(action, OfWorker)), None)

    def _lose(self, task_id: str, seconds: float) -> None:
        """Leave a task as it is until the queue delivers its message again, to somebody else."""
        self._supervisor.end()
        error = f"Task {task_id} has been retried because pod {self.name} seems to have crashed"

        def redeliver() -> None:
            if not self._closing.wait(seconds):
                self._engine.report(events.Crash(task_id, error))

        # Sleeps until the queue would notice; it ends when the emulator does.
        threading.Thread(target=redeliver, name=f"lost by {self.name}", daemon=True).start()

    def _request(self, assignment: TaskAssignment) -> Any:
        task = assignment.task
        return ProcessRequest(
            communication_token=assignment.token,
            session_id=task.session_id,
            task_id=task.id,
            task_options=options_message(task.options),
            expected_output_keys=task.outputs,
            payload_id=task.payload_id,
            data_dependencies=task.dependencies,
            data_folder=str(assignment.folder),
            configuration=Configuration(data_chunk_max_size=self._settings.chunk_size),
        )


def _after_error(worker: WorkerProcess, task_id: str, error: Any) -> events.Event:
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return events.TimeOut(task_id)
    if code is grpc.StatusCode.UNAVAILABLE:
        # The socket is gone a moment before the process: what is started next must not meet the old
        # one.
        worker.wait(1.0)
        return events.Crash(task_id, f"Worker went down with error {code.name}")
    return events.Crash(task_id, f"Worker returned error {code.name}:\n{error.details()}")
