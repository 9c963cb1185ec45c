"""What was submitted: which units are open, where outcomes are, and what has come of them.

Enters: word of what was sent, stored, lost or fetched, from several threads. Leaves: filled
outputs, callbacks that are due, and `changed` notified. Sends nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from pymonik.backend.armonik.fetch import OPEN, Fetcher, PackLocation
from pymonik.backend.armonik.large_values import HERE, Value
from pymonik.backend.bringing import demand_other_thread
from pymonik.plan.requests import ClusterObject
from pymonik.plan.stored_objects import StoredObjects
from pymonik.plan.unit import Unit
from pymonik.system.conditions import SafeCondition
from pymonik.values.failures import Failures
from pymonik.values.outcome import PENDING, Failure
from pymonik.values.outputs import Callback, Outputs, call_back
from pymonik.wire.program import element_of, site_of


class Waiters(SafeCondition):
    """A condition that knows how many wait for it, and calls `begun` with its lock before each."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.begun: Callable[[], object] = lambda: None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, as a condition does; called with its lock."""
        self._demand_held()
        demand_other_thread()
        depth = len(self._let_go.states)
        self.count += 1
        try:
            self.begun()
            return super().wait(timeout)
        finally:
            try:
                self._hold(depth)  # first: others count, too
            finally:
                self.count -= 1


class SubmissionTracker:
    """Everything that several threads look at; `changed` guards it."""

    def __init__(
        self,
        fetch: Callable[[Outputs, PackLocation], int],
        fetch_value: Callable[[Outputs, Value], None],
    ) -> None:
        self.changed = Waiters()
        self.stored_objects = StoredObjects()
        self.fetcher = Fetcher(self.changed, fetch, fetch_value, self.break_down)
        self.failures = Failures()
        # Those that came here only as what they did to calls below them, by their marks.
        self._passed_on: dict[str, Failure] = {}
        # What has broken the session: all waits end with it. Never unset.
        self.problem: BaseException | None = None
        # Whether everything was cancelled: nothing is sent from now on.
        self.is_cancelled = False
        # Units that were sent and have not ended, by the ids of their results.
        self.open: dict[str, Unit] = {}
        # Outputs of which nothing is stored, and when that was noted, by `_ticks`.
        self.gone: WeakKeyDictionary[Outputs, int] = WeakKeyDictionary()
        # What was sent, and what was lost, in one order.
        self._ticks = itertools.count(1)
        # Units: `ended` and `sent` are read without the lock, as a progress bar may.
        self.sent = 0
        self.ended = 0
        self.fetched = 0

    def unknown_roots(self) -> list[Failure]:
        """Return failures that are known only from the calls that needed them."""
        return [f for mark, f in self._passed_on.items() if mark not in self.failures]

    def expect(self, outputs: Iterable[tuple[Unit, ClusterObject]]) -> None:
        """Note units that are about to be sent: their outputs are declared."""
        with self.changed:
            for unit, output in outputs:
                if output.id in self.open:
                    continue
                self.sent += 1
                place = PackLocation(output.id, output.digest, next(self._ticks), unit.wanted)
                earlier = self.fetcher.places.get(unit.outputs)
                place.asked = earlier is not None and earlier.asked
                self.fetcher.expect(unit.outputs, place)
                self.open[output.id] = unit

    def stored(self, id: str) -> None:
        """Note that the outcome of a unit can be fetched."""
        with self.changed:
            unit = self.open.pop(id, None)
            if unit is None:
                return
            self.ended += 1
            if unit.outputs.columns:
                self.fetcher.stored(unit.outputs)
            else:  # its values are not asked for; that it failed is logged in the end
                del self.fetcher.places[unit.outputs]
                unit.outputs.settle(unit.outputs.missing)
            self.changed.notify_all()

    def cancel(self, reason: str) -> list[str]:
        """Let every open unit end as cancelled, and none begin; return their results."""
        with self.changed:
            self.is_cancelled = True
            ended = dict(self.open)
        for unit in ended.values():
            self.lost(unit, failed_columns(unit, cancelled(unit, reason)), [])
        return list(ended)

    def lost(self, unit: Unit, columns: Sequence[Sequence[Any]], errors: Sequence[Failure]) -> None:
        """Note that nothing is stored of a unit: its records are all there is."""
        with self.changed:
            stored = self.stored_objects.outputs.pop(unit.outputs, None)
            if stored is not None and self.open.pop(stored.id, None) is not None:
                self.ended += 1
            self.fetcher.places.pop(unit.outputs, None)
            self.gone[unit.outputs] = next(self._ticks)
            if not unit.outputs.missing:
                return
            due = self._fill(unit.outputs, columns, errors)
        call_back(due)

    def fetched_records(
        self,
        outputs: Outputs,
        place: PackLocation,
        columns: Sequence[Sequence[Any]],
        errors: Sequence[Failure],
    ) -> None:
        """Note the records of a unit."""
        with self.changed:
            if self.fetcher.places.get(outputs) is not place:
                return
            del self.fetcher.places[outputs]
            self.fetched += 1
            columns = self.fetcher.large_values.leave(outputs, place.number, columns)
            due = self._fill(outputs, columns, errors)
        call_back(due)

    def fetched_value(self, outputs: Outputs, value: Value, record: Any) -> None:
        """Note a value that lay out of line."""
        with self.changed:
            if value.state == HERE:
                return
            value.state = HERE
            if type(record) is Failure:
                self.failures.note([record])
            due = outputs.put(value.key.output, value.key.place, record)
            self.changed.notify_all()
        call_back(due)

    def reopen(self, unit: Unit) -> None:
        """Forget where the outcome of a unit was to be: it is sent once more."""
        with self.changed:
            stored = self.stored_objects.outputs.pop(unit.outputs, None)
            if stored is not None and self.open.pop(stored.id, None) is not None:
                self.sent -= 1

    def _fill(
        self, outputs: Outputs, columns: Sequence[Sequence[Any]], errors: Sequence[Failure]
    ) -> list[Callback]:
        failures = [r for column in columns for r in column if type(r) is Failure]
        self.failures.note(record for record in (*failures, *errors) if not record.path)
        for record in failures:
            if record.path:
                self._passed_on.setdefault(record.mark, record)
        outputs.errors += errors
        due = outputs.fill(0, columns)
        if not self.fetcher.large_values.holds(outputs):
            # None are left, unless a record was lost: a wait for its value now ends with that
            # error.
            due += outputs.give_up()
        left = 0
        if any(PENDING in column for column in columns):
            left = sum(PENDING in element for element in zip(*columns))
        outputs.settle(outputs.missing - left)
        self.changed.notify_all()
        return due

    def expects(self, outputs: Outputs) -> bool:
        """Return whether records of a unit are still to come here."""
        with self.changed:
            return outputs in self.fetcher.places or self.fetcher.large_values.holds(outputs)

    def watch(self, add: Callable[[], bool], callback: Callable[[], None]) -> None:
        """Look at outputs under the lock under which they are filled."""
        with self.changed:
            is_late = self.problem is not None or not add()
        if is_late:
            call_back([callback])

    def fetch_rest(self) -> None:
        """Fetch what is stored and was not asked for, and wait until it is here."""
        with self.changed:
            self.fetcher.fetch_rest()
            self.changed.wait_for(lambda: self.problem or not self.fetcher.is_fetching)

    def has_waiters(self) -> bool:
        """Return whether somebody waits for what is open, in a call or by a callback.

        Called under the lock.
        """
        if self.problem is not None or not self.open:
            return False
        return self.changed.count > 0 or any(unit.outputs.callbacks for unit in self.open.values())

    def is_awaited(self) -> bool:
        """Return whether somebody has asked for a value that has not come."""
        if self.changed.count:
            return True
        with self.changed:
            if self.problem is not None:  # waits end with that
                return False
            places = self.fetcher.places
            entries = (places.get(unit.outputs) for unit in self.open.values())
            return any(place is not None and place.asked for place in entries)

    def is_open(self, outputs: Outputs) -> bool:
        """Return whether the outcome of a unit is still to come."""
        place = self.fetcher.places.get(outputs)
        return place is not None and place.state == OPEN

    def open_units(self) -> list[tuple[str, Unit]]:
        """Return the units that were sent and have not ended, by their results, in order."""
        with self.changed:
            places = self.fetcher.places
            return sorted(self.open.items(), key=lambda item: places[item[1].outputs].number)

    def open_units_of(self, ids: Iterable[str]) -> list[Unit]:
        """Return the units of those results that are open: others may end at any moment."""
        with self.changed:
            units = map(self.open.get, ids)
            return [unit for unit in units if unit is not None]

    def was_lost_under(self, unit: Unit) -> bool:
        """Return whether an input of an open unit was lost after the unit had been sent."""
        with self.changed:
            place = self.fetcher.places.get(unit.outputs)
            if place is None:  # it has ended since the caller saw it open
                return False
            return any(self.gone.get(outputs, 0) > place.number for outputs in unit.needs)

    def open_inputs(self, units: Sequence[Unit]) -> list[str]:
        """Return the results that units wait for, beyond those that they make themselves."""
        with self.changed:
            ours = {id(unit.outputs) for unit in units}
            ids = {
                self.fetcher.places[outputs].id: None
                for unit in units
                for outputs in unit.needs
                if id(outputs) not in ours and self.is_open(outputs)
            }
        return list(ids)

    def break_down(self, problem: BaseException) -> None:
        """End all waits for values that will not come: callbacks have no other end."""
        due: list[Callback] = []
        with self.changed:
            self.problem = self.problem or problem
            # A list: what is not held by anybody may be collected, and leave, in the middle of
            # this. Those whose packs have come may still have values out of line.
            for outputs in [*list(self.fetcher.places), *self.fetcher.large_values.outputs()]:
                due += outputs.give_up()
            self.changed.notify_all()
        call_back(due)


def cancelled(unit: Unit, why: str = "it was cancelled") -> Failure:
    """Return the failure of a unit that will not run; it names the call, when there is only one."""
    if not unit.program.steps:
        return Failure("cancelled", why, unit.name)
    first = unit.program.steps[0]
    element = element_of(first, 0) if unit.n == 1 else None
    return Failure("cancelled", why, unit.name, site_of(first, 0), element)


def failed_columns(unit: Unit, failure: Failure) -> list[list[Any]]:
    """Return columns in which every value is one failure."""
    return [[failure] * unit.n for _ in unit.outputs.columns]
