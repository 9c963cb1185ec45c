"""A session as the place that plans are sent to.

Enters: the steps of a plan. Leaves: objects stored, tasks submitted. Uploads may be repeated: what
is stored twice harms nobody. A submission is not: it carries a tag, and the tag is asked for before
anything is sent again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from armonik.protogen.common import results_common_pb2, tasks_common_pb2

from pymonik.backend.armonik import messages
from pymonik.backend.armonik.patience import deadline_of
from pymonik.backend.armonik.refusals import is_ambiguous, may_go_on
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.errors import ClusterError
from pymonik.plan.requests import Submit
from pymonik.plan.sizes import CHUNK, TAG
from pymonik.settings import settings
from pymonik.wire import envelope
from pymonik.wire.envelope import Parts

# Streams under way at once, each in a thread of its own: they wait for the cluster, not for a core,
# and share one connection.
_TRANSFERS = 8
# How long a submission whose answer was lost may take to become visible, in seconds.
_SETTLING = 30.0
# Where nobody knows whether the server has stopped, nothing may be there for so long, in seconds,
# before it is believed that nothing comes: it may be inserting still.
_UNDER_WAY = 5.0
# What a task takes of a submission, roughly: ids of its order, its output and some inputs.
_ENTRY_BYTES = 300


class ClusterStore:
    """Takes the steps of plans; `uploaded` counts the bytes of objects."""

    def __init__(self, rpc: RpcClient, results: Any, tasks: Any, session_id: str = "") -> None:
        self.rpc = rpc
        self.results = results
        self.tasks = tasks
        self.session_id = session_id
        # Bytes sent of each object, or request of objects, by its first id: each is set by the one
        # thread that sends it, and from the beginning again when it is sent again.
        self._sent: dict[str, int] = {}

    @property
    def uploaded(self) -> int:
        """Return the bytes of objects that were sent since `begin`."""
        return sum(list(self._sent.values()))

    def begin(self) -> None:
        """Count the bytes of a new submission."""
        self._sent = {}

    def declare(self, names: Sequence[str]) -> Sequence[str]:
        """Return an id for each name."""
        kind = results_common_pb2.CreateResultsMetaDataRequest
        request = kind(
            session_id=self.session_id, results=[kind.ResultCreate(name=name) for name in names]
        )
        # Repeated, it leaves orphans, which harm nobody.
        answer = self.rpc.send(self.results.CreateResultsMetaData, lambda: request)
        return [result.result_id for result in answer.results]

    def create(self, items: Sequence[tuple[str, Parts]]) -> Sequence[str]:
        """Store objects under names; return their ids."""
        kind = results_common_pb2.CreateResultsRequest
        results = [kind.ResultCreate(name=name, data=b"".join(parts)) for name, parts in items]
        request = kind(session_id=self.session_id, results=results)
        size = sum(map(envelope.size_of, (parts for _, parts in items)))
        answer = self.rpc.send(self.results.CreateResults, lambda: request, size)
        ids = [result.result_id for result in answer.results]
        self._sent.update(dict.fromkeys(ids[:1], size))
        return ids

    def stream(self, id: str, parts: Parts) -> None:
        """Send the data of a declared object."""
        size = envelope.size_of(parts)
        self.rpc.send(self.results.UploadResultData, lambda: self._chunks(id, parts), size)

    def _chunks(self, id: str, parts: Parts) -> Iterator[Any]:
        kind = results_common_pb2.UploadResultDataRequest
        yield kind(id=kind.ResultIdentifier(session_id=self.session_id, result_id=id))
        self._sent[id] = 0
        rest = bytearray()
        for part in parts:
            start = 0
            if rest:
                start = min(CHUNK - len(rest), part.nbytes)
                rest += part[:start]
                if len(rest) < CHUNK:
                    continue
                yield kind(data_chunk=bytes(rest))
                rest.clear()
                self._sent[id] = self._sent.get(id, 0) + CHUNK
            for at in range(start, part.nbytes - CHUNK + 1, CHUNK):
                yield kind(data_chunk=bytes(part[at : at + CHUNK]))
                self._sent[id] = self._sent.get(id, 0) + CHUNK
                start = at + CHUNK
            rest += part[start:]
        if rest:
            yield kind(data_chunk=bytes(rest))
            self._sent[id] = self._sent.get(id, 0) + len(rest)

    def at_once(self, actions: Sequence[Callable[[], None]]) -> None:
        """Run transfers in parallel; once one has failed, no more begin."""
        if len(actions) == 1:
            actions[0]()
            return
        # Its threads end with this call; after an error, each with the transfer that it is in.
        pool = ThreadPoolExecutor(_TRANSFERS, "pymonik-transfer")
        try:
            done, _ = wait([pool.submit(a) for a in actions], return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:  # also Ctrl-C: what waits for a thread is not worth sending now
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()

    def submit(self, request: Submit) -> None:
        """Submit tasks, once, whatever happens to the answer."""
        tag = uuid.uuid4().hex
        message = self._submission(request, tag)
        deadline = deadline_of(_ENTRY_BYTES * len(request.entries))
        for pause in self.rpc.pauses(settings().patience):
            failures = self.rpc.breaker.failures
            try:
                self.rpc.send_once(self.tasks.SubmitTasks, message, deadline)
                return
            except ClusterError as error:
                if not is_ambiguous(error):
                    raise
                if self._has_arrived(tag, len(request.entries), may_go_on(error)):
                    return
                is_permanent = self.rpc.is_permanent(error, failures)
                if is_permanent or pause is None or self.rpc.closing.wait(pause):
                    raise
        raise AssertionError("the last pause is None")

    def _submission(self, request: Submit, tag: str) -> Any:
        kind = tasks_common_pb2.SubmitTasksRequest
        creations = []
        for entry in request.entries:
            own = entry.placement != request.placement
            creations.append(
                kind.TaskCreation(
                    payload_id=entry.payload.id,
                    expected_output_keys=[entry.output.id],
                    data_dependencies=[source.id for source in entry.inputs],
                    task_options=messages.task_options(entry.placement) if own else None,
                )
            )
        return kind(
            session_id=self.session_id,
            task_options=messages.task_options(request.placement, {TAG: tag}),
            task_creations=creations,
        )

    def _has_arrived(self, tag: str, count: int, is_under_way: bool) -> bool:
        """Find out what became of a submission without an answer: all of it, or nothing.

        Tasks are counted, since they are the first that is stored: results have owners only later.
        """
        earliest = time.monotonic() + (_UNDER_WAY if is_under_way else 0.0)
        request = messages.count_tasks(self.session_id, **{TAG: tag})
        nothing = arrived = 0
        for pause in self.rpc.pauses(_SETTLING):
            # A rollback, or the rest of the work, may still go on when the client gives up.
            self.rpc.closing.wait(0.2 if pause is None else max(0.1, pause))
            answer = self.rpc.read(self.tasks.CountTasksByStatus, request)
            arrived = sum(item.count for item in answer.status)
            if arrived >= count:
                return True
            # Three times in a row: one look may come before the first rows do.
            nothing = nothing + 1 if not arrived else 0
            if nothing >= 3 and time.monotonic() >= earliest:
                return False
        raise ClusterError(
            f"{self.rpc.endpoint} accepted {arrived} of the {count} tasks of a submission to "
            f"session {self.session_id}, and cannot tell which: run the program again"
        )
