"""Fetched packs become records: what a unit has stored is looked at, and put into its outputs.

Enters: where an outcome is. Leaves: records in the tracker, failures for what is gone, and lines
that tasks have logged. When something is fetched is decided by `fetch`.
"""

from __future__ import annotations

from typing import Any

from pymonik.backend.armonik.fetch import PackLocation
from pymonik.backend.armonik.large_values import Value
from pymonik.backend.armonik.session import Session
from pymonik.backend.armonik.tracker import SubmissionTracker
from pymonik.environment.versions import VERSIONS
from pymonik.errors import ClusterError, StaleError, WireError
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs, only_record
from pymonik.wire import envelope
from pymonik.wire.logs import relay


class RecordReader:
    """Reads what units have stored, on the threads of the fetcher."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.tracker = SubmissionTracker(self._fetch, self._fetch_value)
        # What workers have said of versions that differ.
        self._reported: set[str] = set()

    def _fetch(self, outputs: Outputs, place: PackLocation) -> int:
        size = 0
        try:
            opened = self._session.open_result(place.id)
            is_known = place.digest != envelope.digest_of_names(place.id)
            if is_known:
                envelope.named(opened, place.digest)
            size = opened.body.nbytes + sum(buffer.nbytes for buffer in opened.buffers)
            columns, errors, logs = envelope.pack_of(opened)
            if is_known:
                outputs.demand(columns)
            else:
                columns = _as_promised(outputs, columns, place.id)
        except (ClusterError, WireError) as error:
            if isinstance(error, ClusterError) and not isinstance(error, StaleError):
                self.tracker.break_down(error)
                return size
            failure = self._lost(outputs, error)
            columns = [[failure] * outputs.n for _ in outputs.columns]
            errors, logs = [], []
        for log in logs:
            if log[0] != VERSIONS:
                relay(*log)
            elif log[2] not in self._reported:  # each worker reports it
                self._reported.add(log[2])
                relay(*log)
        self.tracker.fetched_records(outputs, place, columns, errors)
        return size

    def _lost(self, outputs: Outputs, why: Exception) -> Failure:
        stored = self.tracker.stored_objects.outputs.get(outputs)
        name = stored.name if stored is not None and stored.name else "?"
        return Failure("lost", f"its value is gone from the cluster: {why}", name)

    def _fetch_value(self, outputs: Outputs, value: Value) -> None:
        record: Content | Failure
        try:
            opened = self._session.open_result(value.reference.id)
            record = envelope.content_named(opened, value.reference.digest)
        except (StaleError, WireError) as error:
            record = self._lost(outputs, error)
        except ClusterError as error:
            self.tracker.break_down(error)
            return
        self.tracker.fetched_value(outputs, value, record)


def _as_promised(outputs: Outputs, columns: list[list[Any]], id: str) -> list[list[Any]]:
    """Take of a pack of which only the id was known what its outputs have room for."""
    output, place = len(outputs.columns) - 1, outputs.n - 1
    several = f"{id}.{output}.{place}" if output or place else id
    try:
        record = only_record(columns, several)
    except LookupError as error:
        raise WireError(str(error)) from None
    made: list[list[Any]] = [[None] * outputs.n for _ in outputs.columns]
    made[output][place] = record
    return made
