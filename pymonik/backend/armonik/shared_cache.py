"""Values of this session that other programs have made: found by the keys of their calls.

Enters: keys, and the tables that programs store beside the units they send. Leaves: where the
values are, as outputs like those of units sent from here. A value that failed, or that is gone, is
not found: it is made anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from armonik.protogen.common.result_status_pb2 import RESULT_STATUS_COMPLETED

from pymonik.backend.armonik.messages import ENDED
from pymonik.backend.armonik.session import Session
from pymonik.backend.armonik.tracker import SubmissionTracker
from pymonik.errors import StaleError, WireError
from pymonik.plan.requests import VALUES, ClusterObject
from pymonik.plan.unit import Unit, ValueLocation
from pymonik.values.options import DEFAULTS
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs
from pymonik.wire import envelope
from pymonik.wire.program import Program

logger = logging.getLogger("pymonik.armonik")

Pack = tuple[list[list[Any]], list[Failure]]


class SharedCache:
    """Knows the tables of a session, as far as they were read; `listen` asks what became of ids."""

    def __init__(
        self, session: Session, tracker: SubmissionTracker, listen: Callable[[list[str]], object]
    ) -> None:
        self._session = session
        self._tracker = tracker
        self._listen = listen
        self._locations: dict[str, Any] = {}
        self._read: set[str] = set()
        # When the newest table that was read was made: older ones are not listed again.
        self._newest: Any = None
        self._outputs: WeakValueDictionary[str, Outputs] = WeakValueDictionary()

    def find(self, wanted: Mapping[str, str]) -> dict[str, ValueLocation]:
        """Return where values are, of some keys with the names of their tasks."""
        self._read_tables()
        entries = {key: self._locations[key] for key in wanted if key in self._locations}
        # What a key stands for is one element of one unit.
        units = {places[0][0]: (wanted[key], *places[0]) for key, (places, *_) in entries.items()}
        unit_outputs = self._cells_of(units)
        locations = {}
        for key, (places, chunk, output, start, length) in entries.items():
            outputs = unit_outputs.get(places[0][0])
            if outputs is None:
                del self._locations[key]
            else:
                locations[key] = ValueLocation((outputs,), chunk, output, start, length)
        return locations

    def _read_tables(self) -> None:
        own = {table.id for table in self._tracker.stored_objects.tables}
        for table in self._session.tables(VALUES, self._newest):
            self._newest = table.created_at
            if table.result_id in own or table.result_id in self._read:
                continue
            self._read.add(table.result_id)
            try:
                self._locations.update(
                    envelope.names_of(self._session.open_result(table.result_id))
                )
            except (StaleError, WireError) as error:  # it is gone, or of another Python
                logger.debug(
                    "cached values are not looked up in the table %s: %s", table.result_id, error
                )

    def _cells_of(
        self, units: Mapping[str, tuple[str, str, bytes, int, int]]
    ) -> dict[str, Outputs]:
        unit_outputs = {
            id: outputs for id in units if (outputs := self._outputs.get(id)) is not None
        }
        results = self._session.statuses([id for id in units if id not in unit_outputs])
        stored = [id for id, r in results.items() if r.status == RESULT_STATUS_COMPLETED]
        # Without an owner, what is to make it may never be submitted.
        still_open = [i for i, r in results.items() if r.status not in ENDED and r.owner_task_id]
        for id, pack in self._packs({id: units[id] for id in stored}).items():
            unit_outputs[id] = self._outputs[id] = adopted(self._tracker, *units[id])
            place = self._tracker.fetcher.places[unit_outputs[id]]
            self._tracker.stored(id)
            self._tracker.fetched_records(unit_outputs[id], place, *pack)
        for id in still_open:
            unit_outputs[id] = self._outputs[id] = adopted(self._tracker, *units[id])
        if still_open:
            self._listen(still_open)
        return unit_outputs

    def _packs(self, units: Mapping[str, tuple[str, str, bytes, int, int]]) -> dict[str, Pack]:
        """Fetch packs, several at a time; those in which something failed are left out."""
        packs: dict[str, Pack] = {}

        def fetch(id: str) -> None:
            try:
                _, _, digest, n, outputs = units[id]
                opened = envelope.named(self._session.open_result(id), digest)
                columns, errors = envelope.records_of(opened)
                Outputs(n, outputs).demand(columns)
            except (StaleError, WireError) as error:
                logger.debug("a cached value cannot be read, and is computed again: %s", error)
                return
            if not errors and not any(type(r) is Failure for c in columns for r in c):
                packs[id] = columns, errors

        self._session.store.at_once([partial(fetch, id) for id in units])
        return packs


def adopted(
    tracker: SubmissionTracker, name: str, id: str, digest: bytes, n: int, columns: int
) -> Outputs:
    """Return the outputs for the outcome of a unit that another program has sent."""
    outputs = Outputs(n, columns)
    unit = Unit(0, Program((), n), (), outputs, DEFAULTS, name)
    output = tracker.stored_objects.outputs[outputs] = ClusterObject(name, digest, id=id)
    tracker.expect([(unit, output)])
    return outputs
