"""The end of a session: what sub-tasks have logged, and how those failed that nobody asks for.

Enters: the notes that tasks have stored, and their rows. Leaves: log lines, and failures. A unit of
a plan tells of itself; what its tasks submitted themselves is known to the cluster only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from pymonik.backend.armonik.patience import pauses
from pymonik.backend.armonik.session import Session
from pymonik.backend.armonik.submit import Sender
from pymonik.backend.armonik.tracker import SubmissionTracker
from pymonik.errors import ClusterError, StaleError, WireError
from pymonik.humanize import counted
from pymonik.plan.plan import Plan
from pymonik.plan.requests import FAILURES, LOGS
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs
from pymonik.wire import envelope, error_text
from pymonik.wire.logs import relay

logger = logging.getLogger("pymonik.armonik")

# Seconds after which a client says what it waits for in the end.
_SILENCE = 60.0


class SubtaskDrain:
    """Waits for sub-tasks: see `protocol.DrainsSubtasks`.

    is_left: the session goes on without this client. logs: bring here what tasks log.
    is_over: everything that was sent has ended, or was cancelled.
    """

    def __init__(
        self,
        session: Session,
        tracker: SubmissionTracker,
        sender: Sender,
        is_left: bool,
        logs: bool,
    ) -> None:
        # Set by who drains, and by who cancels, in any thread; unset by the next plan.
        self.is_over = False
        self._session = session
        self._tracker = tracker
        self._sender = sender
        self._is_left = is_left
        self._logs = logs
        # Held until their logs were read, whoever lets go of their values.
        self._unread: list[Outputs] = []

    def expect(self, plan: Plan) -> None:
        """Note a plan that is about to be sent: there is more to wait for."""
        self.is_over = False
        if self._logs:
            self._unread += [unit.outputs for unit in plan.units if unit.wanted]

    def drain(self) -> None:
        """Wait for sub-tasks, and fetch failures of values that were not asked for."""
        if not self._tracker.sent or self.is_over or self._is_left:
            return
        problem = self._tracker.problem
        if isinstance(problem, ClusterError) and problem.is_outage:
            raise problem  # nothing answers: nor would it say what is left
        tell = time.monotonic() + _SILENCE
        for pause in pauses(float("inf")):
            left, counts = self._session.unfinished()
            if not left:
                break
            if time.monotonic() >= tell:
                # After a minute, then every ten: it may be meant.
                tell += 10 * _SILENCE
                logger.warning(
                    "waiting: session %s still has %s that tasks of this client submitted",
                    self._session.id,
                    counted(left, "task"),
                )
            self._session.rpc.closing.wait(pause)
        self.is_over = True
        if self._logs:
            self._tracker.fetch_rest()  # logs lie in packs, also in those that nobody has asked for
            self._unread.clear()
            for _, _, logs in self._notes(LOGS):
                for log in logs:
                    relay(*log)
        # Every task of the session is a unit of ours, and all were fetched: no failure is unknown.
        is_known = self._tracker.fetched == self._tracker.sent == sum(counts.values())
        if is_known:
            return
        for _, errors, _ in self._notes(FAILURES):
            self._tracker.failures.note(errors)
        for status in ("ERROR", "TIMEOUT"):
            if counts.get(status):
                self._tracker.failures.note(self._failures_of(status))

    def _notes(self, title: str) -> Iterator[envelope.Pack]:
        """Return what tasks have noted under a title; log, and leave out, what cannot be read."""
        for result in self._session.list_results(name=[title]):
            try:
                yield envelope.pack_of(self._session.open_result(result.result_id))
            except (StaleError, WireError) as error:
                logger.warning("the logs of a task (%s) are left out: %s", title, error)

    def _failures_of(self, status: str) -> list[Failure]:
        """Return the failures of sub-tasks that no value of ours has shown."""
        failures: list[Failure] = []
        reported = self._sender.abort_handler.reported
        for task in self._session.failed_tasks(status):
            records = error_text.loads(task.error)
            failure = error_text.first_failure(*records) if records is not None else None
            if failure is not None:
                failures.append(failure)
            elif task.created_by and not any(t in task.error or task.error in t for t in reported):
                reported.append(task.error)
                failures.append(Failure("died", f"the cluster ended it: {task.error}", task.id))
        return failures
