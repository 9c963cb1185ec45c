"""The ArmoniK backend: plans go to a control plane, values come back when they are wanted.

Enters: plans. Leaves: filled cells. How a plan becomes requests is told by `plan.requests`; what a
lost result means, by `aborts`; when records are fetched, by `fetch`; who is open, by
`tracker`.
"""

from __future__ import annotations

import contextlib
import logging
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from armonik.protogen.common.result_status_pb2 import RESULT_STATUS_COMPLETED

from pymonik.backend.armonik.fetch import Place
from pymonik.backend.armonik.large_values import Value
from pymonik.backend.armonik.refusals import StaleError
from pymonik.backend.armonik.rpc import pauses
from pymonik.backend.armonik.session import Session
from pymonik.backend.armonik.shared_cache import SharedValues, adopted
from pymonik.backend.armonik.submit import Sender
from pymonik.backend.armonik.tracker import SubmissionTracker, cancelled, failed_columns
from pymonik.environment.versions import VERSIONS
from pymonik.errors import ClusterError, ClusterUnreachable, WireError
from pymonik.humanize import counted
from pymonik.plan.make_requests import SubmissionContext, application
from pymonik.plan.plan import Plan
from pymonik.plan.requests import NO_ID, Object, result_name
from pymonik.plan.unit import ValueLocation
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs, Wanted, call_back, only_record, stored_in, value_id
from pymonik.wire import envelope
from pymonik.wire import error_text as verdict
from pymonik.wire.logs import relay

logger = logging.getLogger("pymonik.armonik")

FAILURES = "pymonik:failures"
LOGS = "pymonik:logs"
# Seconds between two counts of the running tasks.
_CENSUS = 2.0
# Seconds after which a client says what it waits for in the end.
_SILENCE = 60.0


class ClusterBackend:
    """One session of a cluster."""

    name = "armonik"
    is_remote = True

    def __init__(
        self, session: Session, slots: int, optimize: Any, ends: str = "end", logs: bool = False
    ) -> None:
        """Serve one client; `ends` says what becomes of the session: end, stop or leave it.

        logs: bring here what tasks log.
        """
        self.session_id = session.id
        self.slots = slots
        self.durations: Mapping[str, float] = {}
        self._session = session
        self._ends = ends
        self._tracker = SubmissionTracker(self._fetch, self._fetch_value)
        self.changed = self._tracker.changed
        self.failures = self._tracker.failures
        self._sender = Sender(
            session,
            self._tracker,
            SubmissionContext(
                session.id,
                slots,
                optimize,
                logs="pack" if logs else "",
                application=application(),
            ),
        )
        self._shared = SharedValues(
            session, self._tracker, lambda ids: self._sender.listen().ask(ids)
        )
        self._logs = logs
        # Held until their logs were read, whoever lets go of their values.
        self._unread: list[Outputs] = []
        # What workers have said of versions that differ.
        self._told: set[str] = set()
        self._is_over = self._is_cancelled = False
        # Whether nobody answers any more.
        self._is_gone = False
        # When to count the running tasks again, and how many there were.
        self._census = (0.0, 0)
        # Values can be fetched as long as there are handles, which hold the client, and it this.
        weakref.finalize(self, session.disconnect)

    @property
    def problem(self) -> BaseException | None:
        """Why values will not come."""
        return self._tracker.problem

    @property
    def upload(self) -> tuple[int, int]:
        """Bytes of the submission under way that were sent, and all of its bytes."""
        return self._session.store.uploaded, self._sender.to_upload

    @property
    def running(self) -> int:
        """Tasks that run; asked for every two seconds at most, and only while somebody looks."""
        if time.monotonic() >= self._census[0]:
            with contextlib.suppress(ClusterError):
                self._census = (0.0, self._session.running())
            self._census = (time.monotonic() + _CENSUS, self._census[1])
        return self._census[1]

    def expects(self, cell: Outputs) -> bool:
        """Return whether an outcome is still to come: open there, or not fetched yet."""
        return self._tracker.expects(cell)

    def result_id(self, cell: Outputs, output: int, place: int) -> str:
        """Return the id of a value of a unit; "" when it is not stored."""
        stored = self._tracker.ledger.cells.get(cell)
        return value_id(stored.id, cell, output, place) if stored is not None else ""

    # ----- sending

    def prepare(self, calls: int) -> None:
        """Nothing is to be got ready."""

    def submit(self, plan: Plan) -> None:
        """Send a plan."""
        self._is_over = False
        if self._logs:
            self._unread += [unit.cell for unit in plan.units if unit.wanted]
        self._sender.submit(plan)

    def store(self, content: Content, again: bool = False) -> str:
        """Store an object now."""
        return self._sender.store(content, again).id

    # ----- fetching

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Bring records here, by their elements; also after `close`, while tasks go on."""
        self._tracker.fetcher.want(wanted)
        if self._tracker.open:
            self._sender.listen()

    def _fetch(self, cell: Outputs, place: Place) -> int:
        size = 0
        try:
            opened = self._session.open_result(place.id)
            is_known = place.stamp != envelope.stamp_of(place.id)
            if is_known:
                envelope.named(opened, place.stamp)
            size = opened.body.nbytes + sum(buffer.nbytes for buffer in opened.buffers)
            columns, errors, logs = envelope.pack_of(opened)
            if is_known:
                cell.demand(columns)
            else:
                columns = _as_promised(cell, columns, place.id)
        except (ClusterError, WireError) as error:
            if isinstance(error, ClusterError) and not isinstance(error, StaleError):
                self._tracker.break_down(error)
                return size
            failure = self._lost(cell, error)
            columns = [[failure] * cell.n for _ in cell.columns]
            errors, logs = [], []
        for log in logs:
            if log[0] != VERSIONS:
                relay(*log)
            elif log[2] not in self._told:  # each worker tells of it
                self._told.add(log[2])
                relay(*log)
        self._tracker.fetched_records(cell, place, columns, errors)
        return size

    def _lost(self, cell: Outputs, why: Exception) -> Failure:
        stored = self._tracker.ledger.cells.get(cell)
        name = stored.name if stored is not None and stored.name else "?"
        return Failure("lost", f"its value is gone from the cluster: {why}", name)

    def _fetch_value(self, cell: Outputs, value: Value) -> None:
        record: Content | Failure
        try:
            opened = self._session.open_result(value.apart.id)
            record = envelope.content_named(opened, value.apart.digest)
        except (StaleError, WireError) as error:
            record = self._lost(cell, error)
        except ClusterError as error:
            self._tracker.break_down(error)
            return
        self._tracker.fetched_value(cell, value, record)

    def watch(self, add: Callable[[], bool], callback: Callable[[], None]) -> None:
        """Look at cells under the lock under which they are filled."""
        with self.changed:
            is_late = self.problem is not None or not add()
        if is_late:
            call_back([callback])

    # ----- names and keys

    def values(self, wanted: Mapping[str, str]) -> Mapping[str, ValueLocation]:
        """Return where values of keys are that other programs of this session have made."""
        return self._shared.find(wanted)

    def holds(self, content: Content) -> bool:
        """Return whether a content is stored in this session."""
        return content.digest in self._tracker.ledger.contents

    def lookup(self, name: str) -> ValueLocation | None:
        """Return where the value of a name is, whoever made it."""
        told = self._session.names().get(name)
        if told is None:
            return None
        stored, chunk, output, start, length = told
        id, stamp, n, _ = stored[0]
        if not n:
            return ValueLocation(content=self._find_content(name, id, stamp))
        cells = tuple(adopted(self._tracker, name, *place) for place in stored)
        self._sender.listen().ask([id for id, *_ in stored])
        return ValueLocation(cells, chunk, output, start, length)

    def located(self, result_id: str) -> ValueLocation | None:
        """Return where the value of an id is, whoever made it."""
        id, output, place = stored_in(result_id)
        for cell, stored in self._tracker.ledger.outcomes():
            if stored.id == id:
                return ValueLocation((cell,), cell.n, output or 0, place)
        told = self._session.statuses([id]).get(id)
        if told is None:
            return None
        if told.status == RESULT_STATUS_COMPLETED and output is None:
            content = self._content_of(id)
            if content is not None:
                return ValueLocation(content=content)
        # Nothing more is known of it: its name stands for the stamp of who submitted it.
        shape = place + 1, (output or 0) + 1
        cell = adopted(self._tracker, told.name, id, envelope.stamp_of(id), *shape)
        self._sender.listen().ask([id])
        return ValueLocation((cell,), cell.n, output or 0, place)

    def _content_of(self, id: str) -> Content | None:
        """Return what is stored as an object; what PymoniK did not write is taken for a pickle."""
        data = self._session.download(id)
        try:
            opened = envelope.unseal(data)
        except WireError:
            return Content(bytes(data))
        if opened.kind != envelope.CONTENT:
            return None
        content = envelope.content_of(opened)
        self._tracker.ledger.contents.setdefault(content.digest, Object("", content.digest, id=id))
        return content

    def _find_content(self, name: str, id: str, digest: bytes) -> Content:
        """Fetch an object that was put; its id is not told where both were stored at once."""
        ids = [] if id.startswith(NO_ID[0]) else [id]
        ids = ids or [r.result_id for r in self._session.list_results(name=[result_name(name)])]
        for found in ids:
            opened = self._session.open_result(found)
            if opened.kind == envelope.CONTENT and opened.claim == digest:
                self._tracker.ledger.contents[digest] = Object(name, digest, id=found)
                return envelope.content_named(opened, digest)
        raise ClusterError(f"the object named {name!r} is gone from session {self.session_id}")

    # ----- waiting, cancelling, ending

    def progress(self) -> tuple[int, int]:
        """Return how many units have ended, and how many were sent."""
        return self._tracker.ended, self._tracker.sent

    def drain(self) -> None:
        """Wait for sub-tasks, and fetch the failures that nobody has asked for."""
        if not self._tracker.sent or self._is_over or self._ends == "leave":
            return
        tell = time.monotonic() + _SILENCE
        for pause in pauses(float("inf")):
            left, counts = self._session.unfinished()
            if not left:
                break
            if time.monotonic() >= tell:
                tell += 10 * _SILENCE
                logger.warning(
                    "session %s still has %s that other tasks have made: waiting for them",
                    self.session_id,
                    counted(left, "task"),
                )
            self._session.line.closing.wait(pause)
        self._is_over = True
        if self._logs:
            self._tracker.fetch_rest()  # logs lie in packs, also in those that nobody has asked for
            self._unread.clear()
            for _, _, logs in self._notes(LOGS):
                for log in logs:
                    relay(*log)
        is_known = self._tracker.fetched == self._tracker.sent == sum(counts.values())
        if is_known:
            return
        for _, errors, _ in self._notes(FAILURES):
            self.failures += errors
        for status in ("ERROR", "TIMEOUT"):
            if counts.get(status):
                self.failures += self._failures_of(status)

    def _notes(self, title: str) -> Iterator[envelope.Pack]:
        """Return what tasks have noted under a title; what cannot be read is told, and left out."""
        for result in self._session.list_results(name=[title]):
            try:
                yield envelope.pack_of(self._session.open_result(result.result_id))
            except (StaleError, WireError) as error:
                logger.warning("what a task has noted (%s) is left out: %s", title, error)

    def _failures_of(self, status: str) -> list[Failure]:
        """Return the failures of sub-tasks that no value of ours has told of."""
        found: list[Failure] = []
        told = self._sender.abort_handler.told
        for task in self._session.failed_tasks(status):
            records = verdict.read(task.error)
            failure = verdict.first_failure(*records) if records is not None else None
            if failure is not None:
                found.append(failure)
            elif task.created_by and not any(t in task.error or task.error in t for t in told):
                told.append(task.error)
                found.append(Failure("died", f"the cluster ended it: {task.error}", task.id))
        return found

    def cancel(self, cell: Outputs) -> bool:
        """Stop a unit; True when it will not run to its end."""
        with self._sender.abort_handler.sending:
            stored = self._tracker.ledger.cells.get(cell)
            unit = self._tracker.open.get(stored.id) if stored is not None else None
            if unit is None or stored is None:
                return False
            found = self._session.statuses([stored.id]).values()  # nothing, where it has expired
            self._tracker.lost(unit, failed_columns(unit, cancelled(unit)), [])
            self._session.cancel_tasks([r.owner_task_id for r in found if r.owner_task_id])
            return True

    def cancel_all(self, reason: str) -> None:
        """Cancel the session: all that is unfinished, sub-tasks of units that have ended, too."""
        self._is_over = True
        ids = self._tracker.cancel(reason)
        self._session.line.stop_sending()  # a thread may wait there for an answer
        try:
            if self._ends != "leave":
                self._session.cancel()
                self._is_cancelled = True
            elif ids:  # others work in this session, too
                owners = [r.owner_task_id for r in self._session.statuses(ids, 5.0).values()]
                self._session.cancel_tasks([owner for owner in owners if owner])
        except ClusterUnreachable:
            self._is_gone = True
            endpoint = self._session.line.endpoint
            units = counted(len(ids), "unit")
            logger.warning("%s not cancelled: nobody answers at %s", units, endpoint)
        except ClusterError as error:  # what has brought us here is worth more
            logger.warning("%s not cancelled: %s", counted(len(ids), "unit"), error)

    def close(self) -> None:
        """Stop listening; what is stored can still be fetched."""
        self.failures += self._tracker.unknown_roots()
        self._sender.close()
        try:
            if self._is_gone or self._is_cancelled:  # that was told
                pass
            elif self._ends == "stop":
                self._session.stop_submission()
            elif self._ends == "end" and (self._is_over or not self._tracker.sent):
                self._session.end()
        except ClusterError as error:
            logger.warning("the session was not closed: %s", error)


def _as_promised(cell: Outputs, columns: list[list[Any]], id: str) -> list[list[Any]]:
    """Take of a pack of which only the id was known what its cell has room for."""
    output, place = len(cell.columns) - 1, cell.n - 1
    several = f"{id}.{output}.{place}" if output or place else id
    try:
        record = only_record(columns, several)
    except LookupError as error:
        raise WireError(str(error)) from None
    made: list[list[Any]] = [[None] * cell.n for _ in cell.columns]
    made[output][place] = record
    return made
