"""A session on a control plane: what the backend asks of it, one method a request.

Enters: plain values. Leaves: ids, statuses, bytes. All of it may be repeated, and is; sending plans
is left to `store`.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from armonik.protogen.client import (
    events_service_pb2_grpc,
    partitions_service_pb2_grpc,
    results_service_pb2_grpc,
    sessions_service_pb2_grpc,
    tasks_service_pb2_grpc,
)
from armonik.protogen.common import (
    events_common_pb2,
    sessions_common_pb2,
    tasks_common_pb2,
)
from armonik.protogen.common.task_status_pb2 import TaskStatus

from pymonik.backend.armonik import messages
from pymonik.backend.armonik.connection import Connection
from pymonik.backend.armonik.diagnosis import first_answer
from pymonik.backend.armonik.download import Downloader
from pymonik.backend.armonik.opening import Opening
from pymonik.backend.armonik.patience import FIRST
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.backend.armonik.store import ClusterStore
from pymonik.errors import BackendError, PartitionError, StaleError, WireError
from pymonik.plan.requests import NAMES
from pymonik.settings import settings
from pymonik.values.foreign import redacted, storable
from pymonik.wire import envelope
from pymonik.wire.envelope import Envelope

logger = logging.getLogger("pymonik.armonik")

# A cancelled task that no agent has met yet stays CANCELLING for ever.
_FINAL = {"COMPLETED", "CANCELLED", "CANCELLING", "ERROR", "RETRIED", "TIMEOUT"}


class Session:
    """The requests of one session."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channel = connection.channel()
        self.rpc = RpcClient(redacted(connection.endpoint))
        self.sessions = sessions_service_pb2_grpc.SessionsStub(self._channel)
        self.results = results_service_pb2_grpc.ResultsStub(self._channel)
        self.tasks = tasks_service_pb2_grpc.TasksStub(self._channel)
        self.events = events_service_pb2_grpc.EventsStub(self._channel)
        self.partitions = partitions_service_pb2_grpc.PartitionsStub(self._channel)
        self._opening = Opening(self.rpc, self.sessions)
        self.id = ""
        self.partition_ids: Sequence[str] = ()
        self.store = ClusterStore(self.rpc, self.results, self.tasks)
        self._downloads = Downloader(self.rpc, self.results, lambda id: self.statuses([id]).get(id))
        self.rpc.probe = lambda patience: self._list_partitions(patience)
        self._users = {"client", "values"}

    def open(self, names: Sequence[str]) -> int:
        """Check the partitions and create the session; return the pods that are reserved for it."""
        partitions = {p.id: p for p in first_answer(self._connection, self._list_partitions)}
        names = list(dict.fromkeys(names)) or [settings().partition]
        for name in names:
            if name not in partitions:
                choices = ", ".join(map(repr, partitions)) or "none"
                raise PartitionError(
                    f"no partition {name!r} on {self.rpc.endpoint}: it has {choices}; "
                    "say which with Pymonik(partition=…)"
                )
        self._begin(self._opening.create(names), names)
        return sum(partitions[name].pod_reserved for name in names)

    def is_known(self) -> bool:
        """Return whether the control plane still has this session."""
        request = sessions_common_pb2.GetSessionRequest(session_id=self.id)
        try:
            self.rpc.read(self.sessions.GetSession, request)
        except StaleError:
            return False
        return True

    def give_up(self) -> None:
        """Leave nothing on the cluster of a session that was not opened to the end."""
        try:
            self._opening.give_up()
        finally:
            self.disconnect()

    def list_partitions(self) -> list[str]:
        """Return the names of the partitions of the cluster."""
        return [partition.id for partition in self._list_partitions()]

    def _list_partitions(self, patience: float = FIRST) -> Sequence[Any]:
        request = messages.list_partitions()
        answer = self.rpc.read(self.partitions.ListPartitions, request, patience)
        partitions: Sequence[Any] = answer.partitions
        return partitions

    def join(self, session_id: str) -> int:
        """Join an existing session; return the pods that are reserved for it."""
        request = sessions_common_pb2.GetSessionRequest(session_id=storable(session_id))
        try:
            session = first_answer(
                self._connection,
                lambda: self.rpc.read(self.sessions.GetSession, request, FIRST).session,
            )
        except StaleError as error:
            raise BackendError(
                f"no session {session_id!r} on {self.rpc.endpoint}: it may have expired"
            ) from error
        self._begin(session_id, list(session.partition_ids))
        reserved = {p.id: p.pod_reserved for p in self._list_partitions()}
        return sum(reserved.get(name, 0) for name in session.partition_ids)

    def _begin(self, session_id: str, partition_ids: Sequence[str]) -> None:
        self.id = self.store.session_id = self._downloads.session_id = session_id
        self.partition_ids = partition_ids
        self.rpc.way_back = (
            f"Session {session_id} goes on without this client: get its named values with "
            f"Pymonik.attach({session_id!r}).lookup(name)"
        )

    def stop_submission(self) -> None:
        """Take no more tasks from clients; what was submitted goes on."""
        request = sessions_common_pb2.StopSubmissionRequest(
            session_id=self.id, client=True, worker=False
        )
        self.rpc.retry(self.sessions.StopSubmission, request, FIRST)

    def end(self) -> None:
        """Close the session: only once all of its tasks have ended."""
        self._try(self.sessions.CloseSession, sessions_common_pb2.CloseSessionRequest)

    def cancel(self) -> None:
        """Cancel the session and all of its tasks."""
        self._try(self.sessions.CancelSession, sessions_common_pb2.CancelSessionRequest)

    def _try(self, method: Any, kind: Any) -> None:
        self._opening.drop_others(self.id)
        try:
            self.rpc.retry(method, kind(session_id=self.id), FIRST)
        except StaleError:  # it had its effect already
            pass

    def let_go(self, user: str) -> None:
        """Close the channel once both have let go: the client, and whoever may fetch values.

        Those of a client that is collected let go in any order; it ends its session all the same.
        """
        self._users.discard(user)
        # Both may find it empty, in two threads: to disconnect twice does no harm.
        if not self._users:
            self.disconnect()

    def disconnect(self) -> None:
        """Close the channel."""
        self.rpc.closing.set()
        self._channel.close()

    def statuses(self, ids: Sequence[str], patience: float | None = None) -> dict[str, Any]:
        """Return what is known of results, by id."""
        # A page of all results has as many rows as dozens of requests that name theirs.
        if len(ids) > 10 * messages.FILTER_IDS:
            wanted = set(ids)
            return {r.result_id: r for r in self.list_results() if r.result_id in wanted}
        rows = {}
        for start in range(0, len(ids), messages.FILTER_IDS):
            batch = ids[start : start + messages.FILTER_IDS]
            listed = self.list_results(patience, result_id=batch)
            rows.update({r.result_id: r for r in listed})
        return rows

    def list_results(
        self, patience: float | None = None, since: Any = None, **equal: Sequence[str]
    ) -> Iterator[Any]:
        """Return results of the session."""
        page = seen = 0
        while True:
            request = messages.list_results(self.id, page, since, **equal)
            answer = self.rpc.read(self.results.ListResults, request, patience)
            yield from answer.results
            # Counted, not taken from the pages' size: a server may give less than it was asked for.
            seen += len(answer.results)
            page += 1
            if not answer.results or seen >= answer.total:
                return

    def watch(self) -> Any:
        """Open the stream of the events of all results."""
        events = events_common_pb2
        request = events.EventSubscriptionRequest(
            session_id=self.id,
            returned_events=[
                events.EVENTS_ENUM_NEW_RESULT,
                events.EVENTS_ENUM_RESULT_STATUS_UPDATE,
            ],
        )
        return self.events.GetEvents(request)

    def names(self) -> dict[str, Any]:
        """Return where the values with names are, as the clients of this session stored it."""
        names: dict[str, Any] = {}
        for result in self.tables(NAMES):
            try:
                names.update(envelope.names_of(self.open_result(result.result_id)))
            except WireError as error:  # the other tables still tell
                logger.warning("names in %s are left out: %s", result.result_id, error)
        return names

    def tables(self, title: str, since: Any = None) -> list[Any]:
        """Return the tables of a title, the oldest first; `since`: those made then or later."""
        tables = self.list_results(name=[title], since=since)
        return sorted(tables, key=lambda result: result.created_at.ToNanoseconds())

    def download(self, id: str) -> bytearray:
        """Return the data of a result whose row says that it is there."""
        return self._downloads.download(id)

    def open_result(self, id: str) -> Envelope:
        """Download a result that has ended and open its envelope, also when its row is late."""
        return self._downloads.open(id)

    def task(self, task_id: str) -> Any:
        """Return all that is known of a task."""
        request = tasks_common_pb2.GetTaskRequest(task_id=task_id)
        return self.rpc.read(self.tasks.GetTask, request).task

    def cancel_tasks(self, ids: Sequence[str]) -> None:
        """Cancel tasks."""
        if not ids:
            return
        request = tasks_common_pb2.CancelTasksRequest(task_ids=ids)
        self.rpc.retry(self.tasks.CancelTasks, request)

    def unfinished(self) -> tuple[int, Mapping[str, int]]:
        """Count tasks of the session that have not ended, and all by status."""
        answer = self.rpc.read(self.tasks.CountTasksByStatus, messages.count_tasks(self.id))
        counts: Counter[str] = Counter()
        for item in answer.status:
            counts[TaskStatus.Name(item.status).removeprefix("TASK_STATUS_")] += item.count
        return sum(n for name, n in counts.items() if name not in _FINAL), counts

    def running(self) -> int:
        """Count tasks that run now, without patience: somebody looks at a progress bar."""
        request = messages.count_tasks(self.id)
        end = time.monotonic()  # no wait for a turn
        # Seconds: behind them a bar shows the count of before, and asks again.
        answer = self.rpc.once(self.tasks.CountTasksByStatus, request, 2.0, end)
        running = {TaskStatus.TASK_STATUS_PROCESSING, TaskStatus.TASK_STATUS_PROCESSED}
        return sum(item.count for item in answer.status if item.status in running)

    def all_tasks(self) -> Iterator[Any]:
        """Return all that is known of the tasks of the session, of whichever program."""
        page = seen = 0
        while True:
            request = messages.list_all_tasks(self.id, page)
            answer = self.rpc.read(self.tasks.ListTasksDetailed, request)
            yield from answer.tasks
            seen += len(answer.tasks)
            page += 1
            if not answer.tasks or seen >= answer.total:
                return

    def failed_tasks(self, status: str) -> Sequence[Any]:
        """Return tasks of the session that failed in one way, the oldest first."""
        number = TaskStatus.Value(f"TASK_STATUS_{status}")
        request = messages.list_tasks(self.id, number)
        tasks: Sequence[Any] = self.rpc.read(self.tasks.ListTasks, request).tasks
        return tasks


def slots_of(reserved: int) -> int:
    """Return the slots of a session: the pods reserved for it, never the most it could get."""
    return reserved or settings().default_slots
