"""The worker's side of ArmoniK's worker/agent protocol: one task at a time, from request to answer.

Enters: `Process` requests. Leaves: answers: ok, or an error text. What a task is and does stands
by `task`. User code runs in executors, under hosts: health checks are answered meanwhile, and
nothing that a task does can harm more than its executor.
"""

from __future__ import annotations

import logging
import threading
import traceback
from typing import Any

import grpc
from armonik.protogen.common.objects_pb2 import Empty, Output
from armonik.protogen.common.worker_common_pb2 import HealthCheckReply, ProcessReply

from pymonik.runtime.worker.agent import AgentLostError, AgentStore
from pymonik.runtime.worker.hosts import Hosts
from pymonik.runtime.worker.inputs import ContentCache
from pymonik.runtime.worker.task import WorkerTask
from pymonik.wire import error_text

logger = logging.getLogger("pymonik.worker")


class Servicer:
    """Answers the agent."""

    def __init__(self, agent: Any, agent_target: str, hosts: Hosts) -> None:
        self._agent = agent
        self._agent_target = agent_target
        self._hosts = hosts
        self._cache = ContentCache()
        # One task at a time, even if an agent should think otherwise.
        self._running = threading.Lock()

    def HealthCheck(self, request: Any, context: Any) -> Any:
        """Answer that the worker serves, also while a task runs."""
        return HealthCheckReply(status=HealthCheckReply.SERVING)

    def Process(self, request: Any, context: Any) -> Any:
        """Run a task; whatever goes wrong becomes an answer.

        Except that an agent was lost: then the call breaks, and the task is tried elsewhere.
        """
        with self._running:
            try:
                store = AgentStore(self._agent, request)
                task = WorkerTask(request, store, self._hosts, self._cache)
                error = task.run(self._agent_target, context)
            except AgentLostError as problem:
                logger.warning(
                    "task %s is returned to the cluster, to be run elsewhere: %s",
                    request.task_id,
                    problem,
                )
                text = error_text.short(error_text.broken_marks(str(problem)))
                context.abort(grpc.StatusCode.UNAVAILABLE, text)
            except Exception as problem:
                logger.exception("task %s could not be run", request.task_id)
                last = traceback.format_exception(problem)[-3:]
                text = f"the worker could not run the task: {problem}\n{''.join(last)}"
                error = error_text.broken_marks(text)
            self._hosts.replace_grown()
        if error is not None:
            return ProcessReply(output=Output(error=Output.Error(details=error_text.short(error))))
        return ProcessReply(output=Output(ok=Empty()))
