"""Downloads: the data of results, also of those whose rows are late.

An event may come before its row: for up to 90 ms after the event COMPLETED the control plane has
answered that it knows no data, or, where values are kept in rows, with no bytes at all. So what an
event said stands: a read that knows less is repeated. A value is gone when its row says so, or is
not there any more.

Enters: ids of results that have ended. Leaves: envelopes, opened.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from armonik.protogen.common import results_common_pb2
from armonik.protogen.common.result_status_pb2 import (
    RESULT_STATUS_ABORTED,
    RESULT_STATUS_DELETED,
)

from pymonik.backend.armonik.refusals import is_fault, is_transient
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.errors import ClusterError, StaleError, WireError
from pymonik.settings import settings
from pymonik.wire import envelope
from pymonik.wire.envelope import Envelope

logger = logging.getLogger("pymonik.armonik")

# How long a read may know less than an event has said, in seconds: 0.09 were seen.
LATE = 10.0
# Seconds between two reads, doubled each time: what was seen is over after five of them, and two
# requests a second are no load.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.5
# After that the row is looked at, too: it says whether waiting is of use.
_ASK_ROW = 0.1
# How often bytes that are no envelope are read before that is believed.
_DOWNLOADS = 3


def late_row_pauses(seconds: float | None = None) -> Iterator[float]:
    """Return pauses in which a row that is late is waited for, as long as that can be."""
    pause, end = _FIRST_PAUSE, time.monotonic() + (LATE if seconds is None else seconds)
    while time.monotonic() < end:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)


class Downloader:
    """Downloads results of one session."""

    def __init__(self, rpc: RpcClient, results: Any, row_of: Callable[[str], Any]) -> None:
        self.session_id = ""
        self._rpc = rpc
        self._results = results
        self._row_of = row_of

    def open(self, id: str) -> Envelope:
        """Download a result that has ended, and open its envelope.

        Raises StaleError when it is gone, WireError when it is no envelope.
        """
        pauses = late_row_pauses()
        ask_row = time.monotonic() + _ASK_ROW
        broken = 0
        while True:
            try:
                data = self.download(id)
                broken += bool(data)
                return envelope.unseal(data)
            except (StaleError, WireError) as error:
                logger.debug("result %s: %s; reading it again", id, error)
                pause = next(pauses, None)
                if broken >= _DOWNLOADS or pause is None or self._rpc.closing.wait(pause):
                    raise
            if not broken and time.monotonic() >= ask_row:
                self._demand_row(id)
                # Then once a second, beside the reads: a row that is gone stays so.
                ask_row = time.monotonic() + 1.0

    def _demand_row(self, id: str) -> None:
        row = self._row_of(id)
        if row is None:
            raise StaleError(f"the cluster no longer has a record of it (result {id})")
        if row.status in (RESULT_STATUS_ABORTED, RESULT_STATUS_DELETED):
            fate = "deleted" if row.status == RESULT_STATUS_DELETED else "aborted"
            raise StaleError(f"the cluster has {fate} it (result {id})")

    def download(self, id: str) -> bytearray:
        """Return the data of a result.

        Patience begins anew after a download that has brought more than all before it.
        """
        patience, most = settings().patience, 0
        pauses, end = self._rpc.pauses(patience), time.monotonic() + patience
        while True:
            data = bytearray()
            try:
                self._rpc.gather(data, self._results.DownloadResultData, self._request(id), end)
                return data
            except ClusterError as error:
                if len(data) > most:
                    most = len(data)
                    pauses, end = self._rpc.pauses(patience), time.monotonic() + patience
                if is_fault(error) and time.monotonic() < end:
                    continue  # the breaker makes the pause
                pause = next(pauses) if is_transient(error) else None
                if pause is None:
                    raise self._rpc.given_up(error, patience) from None
                if self._rpc.closing.wait(pause):
                    raise

    def _request(self, id: str) -> Any:
        kind = results_common_pb2.DownloadResultDataRequest
        return kind(session_id=self.session_id, result_id=id)
