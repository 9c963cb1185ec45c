"""Lost results: why one was aborted, and what can still be done.

A cluster that loses a result ends all tasks that need it, whole tasks, though only some of their
calls may need it. So for each aborted result: was it the task's own failure, then the owner's error
tells; or that of an input, then calls that need the input fail with its story, and a unit that can
still make other values is sent once more, with the failure stored in place of the input.

Enters: ids of aborted results. Leaves: outputs filled with failures, and units sent again. Works on
a thread of its own, since it asks the control plane.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from armonik.protogen.common import task_status_pb2 as statuses
from armonik.protogen.common.result_status_pb2 import RESULT_STATUS_COMPLETED

from pymonik.backend.armonik.download import late_row_pauses
from pymonik.backend.armonik.messages import ENDED
from pymonik.backend.armonik.session import Session
from pymonik.backend.armonik.tracker import SubmissionTracker, failed_columns
from pymonik.backend.bringing import BRINGING
from pymonik.errors import ClusterError, StaleError
from pymonik.humanize import counted
from pymonik.plan.lost_inputs import failed_inputs, propagate_failures
from pymonik.plan.unit import Unit
from pymonik.system.deferred_signals import start_thread
from pymonik.system.waits import PatientLock, yielding_lock
from pymonik.values.outcome import Failure
from pymonik.wire import error_text
from pymonik.wire.program import site_of

logger = logging.getLogger("pymonik.armonik")

# A cluster ends what depends on a lost result within moments; after so long, in seconds, it has
# never heard of the dependence: the result was lost while its user was being submitted.
_CASCADE = 2.0
_NO_RECORD = "the cluster no longer has a record of it: the record has expired or was deleted"
_RUNNING = {
    statuses.TASK_STATUS_CREATING,
    statuses.TASK_STATUS_DISPATCHED,
    statuses.TASK_STATUS_PENDING,
    statuses.TASK_STATUS_PROCESSED,
    statuses.TASK_STATUS_PROCESSING,
    statuses.TASK_STATUS_SUBMITTED,
}


class AbortHandler:
    """Finds out about lost results, on a thread that starts with the first of them."""

    def __init__(
        self,
        tracker: SubmissionTracker,
        session: Session,
        send: Callable[[Sequence[Unit]], None],
        sending: PatientLock,
    ) -> None:
        self._tracker = tracker
        self._session = session
        self._send = send
        # What the cluster said of tasks that could not answer themselves.
        self.reported: list[str] = []
        # Held while units are pruned and sent, so that none is sent behind our back.
        self.sending = sending
        # Results that ended badly, or of which there is no record: (id, whether it is gone).
        self._lost: queue.SimpleQueue[tuple[str, bool] | None] = queue.SimpleQueue()
        # Ids of those that are in work: what is told of one of them again is no news.
        self._known: set[str] = set()
        # Guards `_known` and `_thread`: ids come from several threads, and from finalizers amid it.
        self._taking = yielding_lock()
        self._thread: threading.Thread | None = None

    def aborted(self, ids: Sequence[str]) -> None:
        """Take note of aborted results."""
        self._take(ids, False)

    def gone(self, ids: Sequence[str]) -> None:
        """Take note of results of which the cluster has no record."""
        self._take(ids, True)

    def _take(self, ids: Sequence[str], is_gone: bool) -> None:
        with self._taking:
            for id in ids:
                if id not in self._known:  # else it is in work, and found again meanwhile
                    self._known.add(id)
                    self._lost.put((id, is_gone))
            if self._thread is None:
                # A daemon: without somebody who waits, nobody needs to know how results were lost.
                thread = threading.Thread(target=self._run, name="pymonik-aborts", daemon=True)
                start_thread(self, thread)

    def close(self) -> None:
        """End the thread, after all that it was given; another one starts when it is needed."""
        with self._taking:
            if self._thread is not None:
                # Behind what it was given. One that starts meanwhile takes from the same queue.
                self._lost.put(None)
                self._thread = None

    def _run(self) -> None:
        suspects: list[str] = []
        while True:
            try:
                first = self._lost.get(timeout=_CASCADE if suspects else None)
            except queue.Empty:
                self._guarded(partial(self._cancel_stuck, suspects))
                suspects = []
                continue
            entries = [first]
            # All that came together: a cascade ends thousands, which one question to the cluster
            # settles. Never waited for: after `close` another thread may take from here, too.
            with contextlib.suppress(queue.Empty):
                while True:
                    entries.append(self._lost.get_nowait())
            lost = [entry for entry in entries if entry is not None]
            ids = {id for id, _ in lost}
            gone = {id for id, is_gone in lost if is_gone}
            if ids:
                self._guarded(partial(self.settle, ids, gone))
            with self._taking:
                # Only now: what was told again meanwhile was in work.
                self._known -= ids
            if None in entries:
                return
            suspects = [
                id for id, u in self._tracker.open_units() if self._tracker.was_lost_under(u)
            ]

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            with BRINGING, self.sending:
                work()
        except ClusterError as error:
            self._tracker.break_down(error)
        except Exception as error:
            logger.exception("the cause of a lost result could not be found")
            self._tracker.break_down(error)

    def _cancel_stuck(self, ids: Sequence[str]) -> None:
        """Cancel tasks whose input was lost while they were sent: nothing else would end them.

        The cluster ends what it knows to depend on a result in the moment in which that is lost.
        """
        open_ones = {id for id, _ in self._tracker.open_units()}
        rows = self._session.statuses([id for id in ids if id in open_ones])
        stuck = [r.owner_task_id for r in rows.values() if r.status not in ENDED]
        self._session.cancel_tasks([owner for owner in stuck if owner])

    def settle(self, ids: set[str], gone: Collection[str] = ()) -> None:
        """Let the units of aborted results end, or send them again; gone: those without a row."""
        results = self._with_causes(ids, gone)
        unsent: list[Unit] = []
        resent: set[int] = set()
        for id_, unit in self._tracker.open_units():
            # What waits for a unit that is sent again was ended together with it.
            ended_too = not resent.isdisjoint(map(id, unit.needs))
            if ended_too or (id_ in results and not self._end(unit, results[id_])):
                unsent.append(unit)
                resent.add(id(unit.outputs))
        for unit in unsent:
            self._tracker.reopen(unit)
        if unsent:
            logger.info("an input was lost: %s sent again without it", counted(len(unsent), "task"))
            self._send(unsent)

    def _end(self, unit: Unit, result: Any) -> bool:
        """Let a unit end with failures; False when it can still give a value."""
        if not self._tracker.was_lost_under(unit):
            self._lose(unit, result)
            return True
        failed = failed_inputs(unit)
        columns, is_lost = propagate_failures(unit.program, failed)
        if is_lost:
            self._lose_below(unit, columns, failed)
        return is_lost

    def _with_causes(self, ids: set[str], gone: Collection[str]) -> dict[str, Any]:
        """Ask about aborted results and, behind them, open inputs that may be the cause.

        Gives their rows, None for those that the cluster has no record of.
        """
        all_rows: dict[str, Any] = {}
        asked: set[str] = set()
        wanted = set(ids)
        while wanted:
            rows = self._rows(wanted - asked, wanted & ids - set(gone))
            asked |= wanted
            for result_id, row in rows.items():
                if row is not None and row.status == RESULT_STATUS_COMPLETED:
                    self._tracker.stored(result_id)
                elif result_id in ids or (row is not None and row.status in ENDED):
                    all_rows[result_id] = row
            units = self._tracker.open_units_of(all_rows)
            wanted = set(self._tracker.open_inputs(units)) - asked
        return all_rows

    def _rows(self, ids: set[str], ended: Collection[str]) -> dict[str, Any]:
        """Ask about results, until the rows of those say so that have `ended`: rows may be late."""
        rows: dict[str, Any] = dict.fromkeys(ids)
        rows.update(self._session.statuses(list(ids)))
        for pause in late_row_pauses():
            behind = [id for id in ended if rows[id] is None or rows[id].status not in ENDED]
            if not behind or self._session.rpc.closing.wait(pause):
                break
            rows.update(self._session.statuses(behind))
        return rows

    def _lose_below(self, unit: Unit, columns: list[list[Any]], failed: dict[int, Any]) -> None:
        errors = []
        if not columns:
            first = next(r for cs in failed.values() for c in cs for r in c if type(r) is Failure)
            errors.append(first.below(unit.name))
        self._tracker.lost(unit, columns, errors)

    def _lose(self, unit: Unit, result: Any) -> None:
        explained = self._explain(unit, result)
        if isinstance(explained, Failure):
            errors = [] if unit.outputs.columns else [explained]
            self._tracker.lost(unit, failed_columns(unit, explained), errors)
            return
        columns, errors = explained
        shape = [len(column) for column in columns]
        if shape != [unit.n] * len(unit.outputs.columns):
            first = error_text.first_failure(columns, errors)
            assert first is not None
            columns, errors = failed_columns(unit, first), [] if unit.outputs.columns else [first]
        self._tracker.lost(unit, columns, errors)

    def _explain(self, unit: Unit, result: Any) -> Any:
        """Return the records that a task answered with, or a failure that says why not."""
        where = site_of(unit.program.steps[0], 0) if unit.program.steps else ""
        if result is None:
            return Failure("lost", _NO_RECORD, unit.name, where)
        if not result.owner_task_id:
            return Failure("cancelled", "its task was never accepted", unit.name, where)
        try:
            task = self._ended_task(result.owner_task_id)
        except StaleError:
            return Failure(
                "lost",
                "the cluster no longer has a record of its task: the record has expired",
                unit.name,
                where,
            )
        text = task.output.error or task.status_message
        records = error_text.loads(text)
        if records is not None:
            return records
        if (
            task.status in (statuses.TASK_STATUS_CANCELLED, statuses.TASK_STATUS_CANCELLING)
            or not text
        ):
            return Failure("cancelled", text or "it was cancelled", unit.name, where)
        kind = "timeout" if task.status == statuses.TASK_STATUS_TIMEOUT else "died"
        self.reported.append(text)
        text = f"the cluster ended its task {task.id}: {text}"
        return Failure(kind, text, unit.name, where, worker=task.pod_hostname)

    def _ended_task(self, id: str) -> Any:
        """Ask about a task that has ended, until its row says so."""
        task = self._session.task(id)
        for pause in late_row_pauses():
            if task.status not in _RUNNING or self._session.rpc.closing.wait(pause):
                break
            task = self._session.task(id)
        return task
