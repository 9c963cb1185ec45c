"""Sending: units go to the session, and what stands in their way is cleared.

Enters: units and contents. Leaves: units open in the tracker, or ended with failures. Three things
can stand in the way: an input that has failed already (its users fail here, or are sent with the
failure stored in its place); a refusal, because an input was aborted while the plan was under way;
and an input aborted just before its users were known, for whom the control plane would do nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pymonik.backend.armonik.aborts import AbortHandler
from pymonik.backend.armonik.download import late_row_pauses
from pymonik.backend.armonik.events import EventWatcher
from pymonik.backend.armonik.messages import ENDED
from pymonik.backend.armonik.session import Session
from pymonik.backend.armonik.subscription import Subscription
from pymonik.backend.armonik.tracker import SubmissionTracker, cancelled, failed_columns
from pymonik.errors import ClusterError, PartitionError, StaleError
from pymonik.humanize import counted
from pymonik.plan.dispatch import dispatch
from pymonik.plan.fan_in import bounded
from pymonik.plan.lost_inputs import failed_inputs, propagate_failures
from pymonik.plan.make_requests import Sending, SubmissionContext, sending
from pymonik.plan.plan import Plan
from pymonik.plan.requests import ClusterObject
from pymonik.plan.unit import Unit
from pymonik.system.waits import yielding_lock
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.wire import envelope

logger = logging.getLogger("pymonik.armonik")

# How often a submission is put right and sent again before its refusal is believed.
_REFUSALS = 5
# How long rows are looked at for the reason of a refusal that names none of them, in seconds.
_UNNAMED = 0.5


class Sender:
    """Sends units of one client, one plan at a time."""

    def __init__(
        self, session: Session, tracker: SubmissionTracker, context: SubmissionContext
    ) -> None:
        # The lock is held while units are sent: by clients' threads, and by that of the handler,
        # which sends some again.
        self.abort_handler = AbortHandler(tracker, session, self._send_again, yielding_lock())
        self._session = session
        self._tracker = tracker
        self._context = context
        self._subscription = Subscription(session, tracker, self.abort_handler)
        # Bytes of the submission under way; read by whoever shows progress.
        self._to_upload = 0

    def upload(self) -> tuple[int, int]:
        """Return the bytes of the submission under way that were sent, and all of its bytes."""
        return self._session.store.uploaded, self._to_upload

    def listen(self) -> EventWatcher:
        """Return the watcher of the session; it starts with the first need of it."""
        return self._subscription.listen()

    def close(self) -> None:
        """Stop listening once no thread waits for what goes on without this client."""
        self._subscription.close()

    def submit(self, plan: Plan) -> None:
        """Send a plan, without the units that can give nothing but failures."""
        with self.abort_handler.sending:
            units = list(plan.units)
            try:
                self._check_partitions(units)
                self._context = replace(self._context, versions=plan.versions)
                # In this order: what has failed needs no tasks that gather its inputs.
                units = bounded(self._without_lost(units), self._context.optimize)
                self.send(units, plan.blobs, plan.tables())
            except BaseException as error:
                self._fail_unsent([*plan.units, *units], error)
                raise

    def send(
        self,
        units: Sequence[Unit],
        blobs: Iterable[Content] = (),
        tables: dict[str, Any] | None = None,
    ) -> None:
        """Send units; a refusal for the sake of an input is cleared up, and the rest sent again."""
        if not units and not tables:
            return
        self._check_open()
        self.listen()
        for attempt in range(_REFUSALS + 1):
            outside = self._tracker.open_inputs(units)
            work = sending(units, blobs, self._tracker.stored_objects, self._context, tables)
            self._session.store.begin()
            self._to_upload = work.size
            try:
                dispatch(work.requests, self._session.store, partial(self._expect, work.outputs))
                break
            except StaleError as error:
                rest = self._put_right(work, error)
                if attempt == _REFUSALS or rest is None:
                    raise
                units = rest
                logger.info("sending %s again: %s", counted(len(units), "task"), error)
            # They were stored before any unit was refused.
            tables, blobs = None, ()
        if self._tracker.is_cancelled:  # what was submitted since is not among what was cancelled
            self._cancel([output.id for _, output in work.outputs if output.id])
        if outside:
            self._look_again(outside, units)

    def _send_again(self, units: Sequence[Unit]) -> None:
        """Send units once more; where that fails, their values fail."""
        try:
            self.send(units)
        except BaseException as error:
            self._fail_unsent(units, error)
            if not self._tracker.is_cancelled:
                raise

    def _expect(self, outputs: Sequence[tuple[Unit, ClusterObject]]) -> None:
        with self._tracker.changed:
            self._check_open()
            # Before the request that submits them: an end that is told sooner than its answer has a
            # unit.
            self._tracker.expect(outputs)
        self.listen().expects()

    def _check_open(self) -> None:
        if self._tracker.is_cancelled:
            raise ClusterError(f"session {self._session.id} was cancelled by this client")
        if self._tracker.problem is not None:  # every wait for what would be sent ends with it
            raise self._tracker.problem

    def store(self, content: Content, resend: bool) -> ClusterObject:
        """Store an object by itself, unless it is stored already; give where it is."""
        stored_objects = self._tracker.stored_objects
        with self.abort_handler.sending:
            if resend:
                stored_objects.contents.pop(content.digest, None)
            try:
                work = sending((), (content,), stored_objects, self._context)
                dispatch(work.requests, self._session.store)
            except BaseException:
                stored_objects.forget_unsent()
                raise
            return stored_objects.contents[content.digest]

    def _check_partitions(self, units: Sequence[Unit]) -> None:
        # A cluster would queue them all the same, and no pod would ever take them.
        allowed = self._session.partition_ids
        for name in {unit.options.partition_id for unit in units} - {None, *allowed}:
            raise PartitionError(
                f"partition {name!r} is not one of this session: it has "
                f"{', '.join(map(repr, allowed))}; name all with Pymonik(partition=[…])"
            )

    def _without_lost(self, units: Sequence[Unit]) -> list[Unit]:
        """Let units fail whose values all need an input that has failed already."""
        sendable = []
        for unit in units:
            columns = _lost(unit)
            if columns is None:
                sendable.append(unit)
            else:
                self._tracker.lost(unit, columns, [])
        return sendable

    def _put_right(self, work: Sending, refusal: StaleError) -> list[Unit] | None:
        """Find the inputs that a refusal is about; return the units to send again, None if none.

        Later consumers were sent first, and may wait for units that will not run now: they find
        the failures stored in place of values.
        """
        pending = {id(output) for output in work.unsent()}
        units = [(unit, output) for unit, output in work.outputs if id(output) in pending]
        stored = self._stored_inputs([unit for unit, _ in units])
        gone = self._gone(list(stored), refusal)
        if not gone:
            return None
        self.abort_handler.settle(set(filter(self._tracker.open.__contains__, gone)))
        for name in gone:
            self._forget(stored[name])
        sendable = []
        for unit, output in units:
            columns = _lost(unit)
            if columns is None:
                sendable.append(unit)
            else:
                pack = envelope.seal_pack(output.digest, columns, [])
                self._session.store.stream(output.id, pack)
                self._tracker.lost(unit, columns, [])
        return sendable

    def _gone(self, inputs: Sequence[str], refusal: StaleError) -> list[str]:
        """Return the inputs that a refusal is about, once their rows say so: these may be late."""
        is_named = any(id in str(refusal) for id in inputs)
        for pause in late_row_pauses(None if is_named else _UNNAMED):
            rows = self._session.statuses(inputs)
            gone = [id for id in inputs if not _is_usable(rows.get(id))]
            if gone or not inputs or self._session.rpc.closing.wait(pause):
                return gone
        return []

    def _stored_inputs(self, units: Sequence[Unit]) -> dict[str, ClusterObject]:
        stored_objects = self._tracker.stored_objects
        ours = {id(unit.outputs) for unit in units}
        objects: dict[str, ClusterObject] = {}
        for unit in units:
            for source in unit.inputs:
                if isinstance(source, Content):
                    stored = stored_objects.contents.get(source.digest)
                else:
                    stored = stored_objects.outputs.get(source) if id(source) not in ours else None
                if stored is not None and stored.id:
                    objects[stored.id] = stored
        return objects

    def _forget(self, stored: ClusterObject) -> None:
        """Let an object that is gone be stored anew with the next unit that needs it."""
        stored_objects = self._tracker.stored_objects
        if stored_objects.contents.get(stored.digest) is stored:
            del stored_objects.contents[stored.digest]
        for outputs in [outputs for outputs, entry in stored_objects.outcomes() if entry is stored]:
            stored_objects.outputs.pop(outputs, None)
            place = self._tracker.fetcher.places.get(outputs)
            if outputs.missing and place is not None:
                failure = Failure("lost", "its value is gone from the cluster", stored.name)
                columns = [[failure] * outputs.n for _ in outputs.columns]
                self._tracker.fetched_records(outputs, place, columns, [])

    def _look_again(self, outside: list[str], units: Sequence[Unit]) -> None:
        """Look at inputs that were open when their users were sent.

        One that was aborted in between has ended no task that came after it: such tasks would wait
        for ever. They are cancelled, and come back by way of the abort handler.
        """
        ended = self.listen().ask(outside)
        aborted = {id for id, how in ended.items() if how != "stored"}
        if not aborted:
            return
        ids_of = self._tracker.stored_objects.ids_of
        users = [unit.outputs for unit in units if not aborted.isdisjoint(ids_of(unit.needs))]
        owners = [r.owner_task_id for r in self._session.statuses(ids_of(users)).values()]
        self._session.cancel_tasks([owner for owner in owners if owner])

    def _fail_unsent(self, units: Sequence[Unit], error: BaseException) -> None:
        """Fail what was not sent; cancel the part of it that was."""
        text = f"it was not sent: {error}"
        sent = self._tracker.stored_objects.ids_of(unit.outputs for unit in units)
        for unit in units:
            if unit.outputs.missing:
                self._tracker.lost(unit, failed_columns(unit, cancelled(unit, text)), [])
        self._tracker.stored_objects.forget_unsent()
        if not (isinstance(error, ClusterError) and error.is_outage):  # else nothing answers
            self._cancel(sent)

    def _cancel(self, ids: Sequence[str]) -> None:
        try:
            # Seconds: whoever waits for it has an error to raise, and tasks that go on do no harm.
            owners = [r.owner_task_id for r in self._session.statuses(ids, 5.0).values()]
            self._session.cancel_tasks([owner for owner in owners if owner])
        except ClusterError as problem:
            logger.warning("the tasks of a failed submission were not cancelled: %s", problem)


def _lost(unit: Unit) -> list[list[Any]] | None:
    """Return the records of a unit that can give nothing but failures, None if it can give more."""
    failed = failed_inputs(unit)
    if not failed:
        return None
    columns, is_lost = propagate_failures(unit.program, failed)
    return columns if is_lost else None


def _is_usable(result: Any) -> bool:
    """Return whether tasks may depend on a result: it is stored, or will be.

    One that is CREATED may be behind the event of its end.
    """
    return result is not None and ENDED.get(result.status, "stored") == "stored"
