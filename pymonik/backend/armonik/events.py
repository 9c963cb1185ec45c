"""Watching: word of results that have ended, from one event stream and, now and then, a listing.

Events can be missed, come twice and in any order, and a stream can end or fall silent: so every
status is taken as news only once, and what is still open is asked for when nothing was heard for a
while. Enters: a session. Leaves: calls of `heard(ids and how they ended)` on threads of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from typing import Any

import grpc

from pymonik.backend.armonik.messages import ENDED
from pymonik.backend.armonik.rpc import is_passing
from pymonik.backend.armonik.session import Session
from pymonik.errors import ClusterError

logger = logging.getLogger("pymonik.armonik")

# What is open is asked for when nothing was heard for so long, in seconds; then less often.
RECHECK = 10.0
RECHECK_MOST = 60.0

Heard = Callable[[dict[str, str]], None]


class Watcher:
    """Two threads: one reads the stream, the other asks when the stream says nothing."""

    def __init__(
        self,
        session: Session,
        heard: Heard,
        open_ids: Callable[[], Collection[str]],
        broken: Callable[[ClusterError], None],
    ) -> None:
        self._session = session
        self._heard = heard
        self._open_ids = open_ids
        self._broken = broken
        self._closing = threading.Event()
        self._news = threading.Event()
        self._stream: Any = None
        for target in (self._read, self._recheck):
            threading.Thread(target=target, name="pymonik-watch", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._closing.set()
        self._news.set()
        stream = self._stream
        if stream is not None:
            stream.cancel()

    # ----- the stream

    def _read(self) -> None:
        pause = 0.1
        while not self._closing.is_set():
            has_spoken = False
            try:
                self._stream = self._session.watch()
                if self._closing.is_set():  # meanwhile: nobody has seen this stream
                    self._stream.cancel()
                for event in self._stream:
                    pause, has_spoken = 0.1, True
                    self._take(event)
                logger.debug("the event stream ended; opening it again")
            except grpc.RpcError as error:
                if self._closing.is_set():
                    return
                # One that has worked was cut on its way, with whatever status: see proxies.
                if not is_passing(error) and not has_spoken:
                    logger.warning("no events (%s): asking for results instead", error.code())
                    pause = RECHECK_MOST
            except Exception:
                if self._closing.is_set():  # the channel was closed under it
                    return
                raise
            self._closing.wait(pause)
            pause = min(2 * pause, 10.0)

    def _take(self, event: Any) -> None:
        kind = event.WhichOneof("update")
        if kind not in ("new_result", "result_status_update"):
            return
        update = getattr(event, kind)
        how = ENDED.get(update.status)
        if how is not None:
            self._news.set()
            self._heard({update.result_id: how})

    # ----- asking

    def _recheck(self) -> None:
        pause = RECHECK
        while not self._closing.is_set():
            if self._news.wait(pause):
                self._news.clear()
                pause = RECHECK
                # News come in crowds: one look at the clock for all of them.
                self._closing.wait(RECHECK / 10)
                continue
            pause = min(1.5 * pause, RECHECK_MOST)
            try:
                self.ask(list(self._open_ids()))
            except ClusterError as error:
                if not self._closing.is_set():
                    self._broken(error)
                return

    def ask(self, ids: list[str]) -> dict[str, str]:
        """Ask how results are; pass on, and give, what has ended."""
        if not ids:
            return {}
        found = self._session.statuses(ids)
        ended = {id: ENDED[r.status] for id, r in found.items() if r.status in ENDED}
        self._heard(ended)
        return ended
