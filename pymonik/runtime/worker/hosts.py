"""The hosts of a worker: one for each way in which sub-tasks are compiled, usually one in all.

Enters: payloads. Leaves: the host that runs them, in the environments that they need.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from pymonik.environment.builder import Environments
from pymonik.environment.value import Environment
from pymonik.runtime.host.host import Host
from pymonik.runtime.host.scheduler_state import SchedulerState
from pymonik.runtime.worker import memory
from pymonik.runtime.worker.subtasks import AgentSubtasks
from pymonik.settings import settings
from pymonik.system.structs import NamedTuple
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.wire.payloads import TaskPayload

logger = logging.getLogger("pymonik.worker")

# Each keeps executors, with their modules and their memory: so many clients that differ in slots or
# passes, and whose tasks take turns, find theirs.
_MOST = 2


class Hosted(NamedTuple):
    """A host, and what its units leave behind."""

    host: Host
    subtasks: AgentSubtasks


class Hosts:
    """Makes hosts when they are needed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._environments = Environments()
        self._hosts: OrderedDict[Any, Hosted] = OrderedDict()
        if not memory.is_measurable():
            logger.warning(
                "this system has no /proc, so executors whose memory grows are not replaced"
            )
        # The working directory of the task that runs, archived: there is one task at a time.
        self._folder: Content | None = None

    def host_for(self, payload: TaskPayload, folder: Content | None = None) -> Hosted:
        """Return the host for a payload; `folder`: the archive of its working directory."""
        self._folder = folder
        key = (payload.slots, payload.optimize)
        hosted = self._hosts.get(key)
        if hosted is not None and hosted.host.is_over:  # it has failed: the next one need not
            hosted = None
        if hosted is None:
            made: list[AgentSubtasks] = []

            def subtasks_of(state: SchedulerState) -> AgentSubtasks:
                made.append(AgentSubtasks(state, lambda event: host.tell(event)))
                return made[0]

            host = Host(
                1,
                payload.slots,
                payload.optimize,
                self._name,
                subtasks_of,
                isolates_delegating=True,
                environments=self._environments,
                folders=self._folder_of,
                extension="pymonik.runtime.worker.objects",
            )
            hosted = self._hosts[key] = Hosted(host, made[0])
            while len(self._hosts) > _MOST:
                self._hosts.popitem(last=False)[1].host.close()
        self._hosts.move_to_end(key)
        return hosted

    def _folder_of(self, environment: Environment) -> Callable[[], bytes | None]:
        folder = self._folder
        return lambda: folder.data if folder is not None else None

    def replace_grown(self) -> None:
        """End hosts whose executors have grown: what tasks leak must not be the end of the pod."""
        # Half: the host, and what the next task needs, are to have room beside it.
        limit = settings().executor_bytes or memory.available() // 2
        for key, hosted in list(self._hosts.items()):
            size = max(map(memory.private, hosted.host.pids), default=0)
            if size > limit:
                logger.warning("an executor has grown to %d bytes: it is replaced", size)
                del self._hosts[key]
                hosted.host.close()

    def close(self) -> None:
        """End all executors, and what they run."""
        while self._hosts:
            host = self._hosts.popitem()[1].host
            host.fail_all(Failure("cancelled", "the worker stops", "?"))
            host.close()
        self._environments.close()
