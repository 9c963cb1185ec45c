"""The aftermath of lost results: why one was aborted, and what can still be done.

A cluster that loses a result ends all tasks that need it, whole tasks, though only some of their
calls may need it. So for each aborted result: was it the task's own failure, then the owner's error
tells; or that of an input, then calls that need the input fail with its story, and a unit that can
still make other values is sent once more, with the failure stored in place of the input.

Enters: ids of aborted results. Leaves: cells filled with failures, and units sent again. Works on a
thread of its own, since it asks the control plane.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from armonik.protogen.common.result_status_pb2 import (
    RESULT_STATUS_ABORTED,
    RESULT_STATUS_COMPLETED,
    RESULT_STATUS_DELETED,
)
from armonik.protogen.common.task_status_pb2 import (
    TASK_STATUS_CANCELLED,
    TASK_STATUS_CANCELLING,
    TASK_STATUS_TIMEOUT,
)

from pymonik.backend.armonik.rpc import StaleError
from pymonik.backend.armonik.session import Session
from pymonik.backend.armonik.tracker import Books, failed_columns
from pymonik.errors import ClusterError
from pymonik.humanize import counted
from pymonik.plan.lost_inputs import blame, failed_inputs
from pymonik.plan.plan import Unit
from pymonik.values.outcome import Failure
from pymonik.wire import error_text as verdict
from pymonik.wire.program import site_of

logger = logging.getLogger("pymonik.armonik")


class Aftermath:
    """Finds out about lost results, on a thread that starts with the first of them."""

    def __init__(
        self,
        books: Books,
        session: Session,
        send: Callable[[Sequence[Unit]], None],
        sending: threading.RLock,
    ) -> None:
        self._books = books
        self._session = session
        self._send = send
        # What the cluster said of tasks that could not answer themselves.
        self.told: list[str] = []
        # Held while units are pruned and sent, so that none is sent behind our back.
        self.sending = sending
        self._aborted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def aborted(self, ids: Sequence[str]) -> None:
        """Take note of aborted results."""
        for id in ids:
            self._aborted.put(id)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pymonik-aftermath", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread; another one starts when it is needed."""
        if self._thread is not None:
            self._aborted.put(None)
            self._thread = None

    def _run(self) -> None:
        while (id := self._aborted.get()) is not None:
            ids = {id}
            while not self._aborted.empty():
                more = self._aborted.get()
                if more is None:
                    return
                ids.add(more)
            try:
                with self.sending:
                    self.settle(ids)
            except ClusterError as error:
                self._books.break_down(error)
            except Exception as error:
                logger.exception("a lost result could not be explained")
                self._books.break_down(error)

    # ----- deciding

    def settle(self, ids: set[str]) -> None:
        """Let the units of aborted results end, or send them again."""
        results = self._with_causes(ids)
        again: list[Unit] = []
        cells_again: set[int] = set()
        for id_, unit in self._books.open_units():
            # What waits for a unit that is sent again was ended together with it.
            ended_too = not cells_again.isdisjoint(map(id, unit.needs))
            if ended_too or (id_ in results and not self._end(unit, results[id_])):
                again.append(unit)
                cells_again.add(id(unit.cell))
        for unit in again:
            self._books.again(unit)
        if again:
            logger.info("an input was lost: %s sent again without it", counted(len(again), "task"))
            self._send(again)

    def _end(self, unit: Unit, result: Any) -> bool:
        """Let a unit end with failures; False when it can still give a value."""
        if not self._books.was_lost_under(unit):
            self._lose(unit, result)
            return True
        failed = failed_inputs(unit)
        columns, is_lost = blame(unit.program, failed)
        if is_lost:
            self._lose_below(unit, columns, failed)
        return is_lost

    def _with_causes(self, ids: set[str]) -> dict[str, Any]:
        """Ask about aborted results and, behind them, open inputs that may be the cause."""
        found: dict[str, Any] = {}
        asked: set[str] = set()
        wanted = set(ids)
        while wanted:
            asked |= wanted
            statuses = self._session.statuses(list(wanted))
            for result_id, result in statuses.items():
                if result.status == RESULT_STATUS_COMPLETED:
                    self._books.stored(result_id)
                elif result.status in (RESULT_STATUS_ABORTED, RESULT_STATUS_DELETED):
                    found[result_id] = result
            units = [self._books.open[id] for id in found if id in self._books.open]
            wanted = set(self._books.open_inputs(units)) - asked
        return found

    def _lose_below(self, unit: Unit, columns: list[list[Any]], failed: dict[int, Any]) -> None:
        errors = []
        if not columns:
            first = next(r for cs in failed.values() for c in cs for r in c if type(r) is Failure)
            errors.append(first.below(unit.name))
        self._books.lost(unit, columns, errors)

    def _lose(self, unit: Unit, result: Any) -> None:
        told = self._explain(unit, result)
        if isinstance(told, Failure):
            errors = [] if unit.cell.columns else [told]
            self._books.lost(unit, failed_columns(unit, told), errors)
            return
        columns, errors = told
        shape = [len(column) for column in columns]
        if shape != [unit.n] * len(unit.cell.columns):
            first = verdict.first_failure(columns, errors)
            assert first is not None
            columns, errors = failed_columns(unit, first), [] if unit.cell.columns else [first]
        self._books.lost(unit, columns, errors)

    def _explain(self, unit: Unit, result: Any) -> Any:
        """Give the records that a task answered with, or a failure that says what became of it."""
        where = site_of(unit.program.steps[0], 0) if unit.program.steps else ""
        if not result.owner_task_id:
            return Failure("cancelled", "its task was never accepted", unit.name, where)
        try:
            task = self._session.task(result.owner_task_id)
        except StaleError:
            return Failure("died", "its task is gone: it has expired", unit.name, where)
        text = task.output.error or task.status_message
        told = verdict.read(text)
        if told is not None:
            return told
        if task.status in (TASK_STATUS_CANCELLED, TASK_STATUS_CANCELLING) or not text:
            return Failure("cancelled", text or "it was cancelled", unit.name, where)
        kind = "timeout" if task.status == TASK_STATUS_TIMEOUT else "died"
        self.told.append(text)
        text = f"the cluster ended its task {task.id}: {text}"
        return Failure(kind, text, unit.name, where, worker=task.pod_hostname)
