"""The ArmoniK backend: plans go to a control plane, values come back when they are wanted.

Enters: plans. Leaves: filled outputs. How a plan becomes requests stands in `plan.make_requests`;
what a lost result means, by `aborts`; when records are fetched, by `fetch`, and how they are read,
by `unpack`; who is open, by `tracker`; which objects have ids, by `objects`; what is left in the
end, by `drain`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from pymonik.backend.armonik.drain import SubtaskDrain
from pymonik.backend.armonik.objects import ClusterObjects
from pymonik.backend.armonik.session import Session
from pymonik.backend.armonik.submit import Sender
from pymonik.backend.armonik.tracker import cancelled, failed_columns
from pymonik.backend.armonik.unpack import RecordReader
from pymonik.backend.protocol import ABANDONED, SessionTraits
from pymonik.backend.traits import TRAITS
from pymonik.errors import ClusterError, ClusterUnreachable
from pymonik.humanize import counted
from pymonik.plan.make_requests import SubmissionContext
from pymonik.plan.placement import application
from pymonik.plan.plan import Plan
from pymonik.values.location import Wanted
from pymonik.values.outputs import Outputs

logger = logging.getLogger("pymonik.armonik")

# Seconds between two counts of the running tasks: each is a request, for a display of which nobody
# reads more.
_CENSUS = 2.0


class ClusterBackend:
    """One session of a cluster."""

    def __init__(
        self, session: Session, slots: int, optimize: Any, ends: str = "end", logs: bool = False
    ) -> None:
        """Serve one client; `ends` says what becomes of the session: end, stop or leave it.

        logs: bring here what tasks log.
        """
        self._session = session
        # Taken by who closes this, and never given back.
        self._closing = threading.Lock()
        self._ends = ends
        self._tracker = tracker = RecordReader(session).tracker
        self._sender = sender = Sender(
            session,
            tracker,
            SubmissionContext(
                session.id,
                slots,
                optimize,
                logs="pack" if logs else "",
                application=application(),
            ),
        )
        self._drain = SubtaskDrain(session, tracker, sender, ends == "leave", logs)
        objects = ClusterObjects(session, tracker, sender)
        self.traits = SessionTraits(
            **vars(TRAITS["armonik"]),
            session_id=session.id,
            slots=slots,
            arrivals=tracker,
            objects=objects,
            shared=objects,
            subtasks=self._drain,
            census=TaskCensus(session),
            transfer=sender,
        )
        # Set by who cancels, before it closes: `close` then says nothing more to the cluster.
        self._is_cancelled = False
        # Whether nothing answers any more.
        self._is_gone = False
        # Values can be fetched while any handle exists: a handle holds the client, the client this
        # backend, and threads that fetch the tracker.
        weakref.finalize(tracker, session.let_go, "values")

    def submit(self, plan: Plan) -> None:
        """Send a plan."""
        self._drain.expect(plan)
        self._sender.submit(plan)

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Bring records here, by their elements; also after `close`, while tasks go on."""
        self._tracker.fetcher.want(wanted)
        if self._tracker.open:
            self._sender.listen()

    def progress(self) -> tuple[int, int]:
        """Return how many units have ended, and how many were sent."""
        return self._tracker.ended, self._tracker.sent

    def cancel(self, outputs: Outputs | None = None) -> Callable[[], bool]:
        """Stop a unit, or the session; what is returned says whether it will not end by itself."""
        if outputs is None:
            self._cancel_all(ABANDONED)
            return lambda: True
        with self._sender.abort_handler.sending:
            stored = self._tracker.stored_objects.outputs.get(outputs)
            unit = self._tracker.open.get(stored.id) if stored is not None else None
            if unit is None or stored is None:
                return lambda: False
            rows = self._session.statuses([stored.id]).values()  # nothing, where it has expired
            self._tracker.lost(unit, failed_columns(unit, cancelled(unit)), [])
            self._session.cancel_tasks([r.owner_task_id for r in rows if r.owner_task_id])
            return lambda: True

    def _cancel_all(self, reason: str) -> None:
        """Cancel the session: all that is unfinished, sub-tasks of units that have ended, too."""
        self._drain.is_over = True
        ids = self._tracker.cancel(reason)
        # Behind `cancel` of the tracker: who was stopped in the middle finds out why there.
        self._session.rpc.stop_sending()  # a thread may wait there for an answer
        try:
            if self._ends != "leave":
                self._session.cancel()
                self._is_cancelled = True
            elif ids:  # others work in this session, too
                # Seconds: who leaves early has waited enough, and tasks that go on do no harm.
                owners = [r.owner_task_id for r in self._session.statuses(ids, 5.0).values()]
                self._session.cancel_tasks([owner for owner in owners if owner])
        except ClusterUnreachable:
            self._is_gone = True
            endpoint = self._session.rpc.endpoint
            units = counted(len(ids), "unit")
            logger.warning("%s not cancelled: nothing answers at %s", units, endpoint)
        except ClusterError as error:  # what has brought us here is worth more
            logger.warning("%s not cancelled: %s", counted(len(ids), "unit"), error)

    def close(self) -> None:
        """Stop listening; what is stored can still be fetched. A second call does nothing."""
        if not self._closing.acquire(blocking=False):
            return
        self._tracker.failures.note(self._tracker.unknown_roots())
        self._sender.close()
        try:
            if self._is_gone or self._is_cancelled:  # that was logged
                pass
            elif self._ends == "stop":
                self._session.stop_submission()
            elif self._ends == "end" and (self._drain.is_over or not self._tracker.sent):
                self._session.end()
        except ClusterError as error:
            logger.warning("the session was not closed: %s", error)
        finally:
            self._session.let_go("client")


class TaskCensus:
    """Counts the tasks that run: see `protocol.CountsRunning`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        # When to count the running tasks again, and how many there were.
        self._last = (0.0, 0)

    def running(self) -> int:
        """Return the tasks that run.

        The cluster is asked every two seconds at most, and only while somebody looks.
        """
        if time.monotonic() >= self._last[0]:
            with contextlib.suppress(ClusterError):
                # An old count is better than none: a progress bar goes on without an answer.
                self._last = (0.0, self._session.running())
            self._last = (time.monotonic() + _CENSUS, self._last[1])
        return self._last[1]
