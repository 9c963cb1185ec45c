"""Watching: word of results that have ended, from one event stream and from looks at their rows.

Events can be missed, come twice and in any order, a stream can end, or be silent for ever: so every
end is taken as news only once, and `polling` says when what is open is to be asked for. Enters: a
session. Leaves: calls of `heard(ids and how they ended)` on threads of its own.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from pymonik.backend.armonik.download import LATE
from pymonik.backend.armonik.messages import ENDED
from pymonik.backend.armonik.polling import RECHECK_MOST, Polling
from pymonik.backend.armonik.refusals import is_fault, is_transient
from pymonik.backend.armonik.session import Session
from pymonik.backend.bringing import BRINGING
from pymonik.errors import ClusterError
from pymonik.settings import settings
from pymonik.system.deferred_signals import DeferredSignals
from pymonik.system.failed_calls import let_go
from pymonik.system.waits import yielding_lock
from pymonik.wire.statuses import code_of

logger = logging.getLogger("pymonik.armonik")

# How often it is looked whether something is due: nobody is asked for that.
_TICK = 1.0
# An id that is not listed may be late; so long after it was missed, its session is asked for.
_ASK_SESSION = 1.0
# Seconds before a stream that was cut is opened again: looks go on meanwhile.
_LONGEST_PAUSE = 10.0


@dataclass(frozen=True)
class Listeners:
    """What a watcher asks its owner, and what it calls.

    open_ids: what is to end. is_awaited: whether somebody waits. heard: takes how results have
    ended, and gives those whose end is news. gone: takes ids without records. expired: makes the
    error of a session that is not known any more. broken: no value will come. is_over: whether
    the owner is closed and nobody waits any more.
    """

    open_ids: Callable[[], Collection[str]]
    is_awaited: Callable[[], bool]
    heard: Callable[[dict[str, str]], Collection[str]]
    gone: Callable[[Sequence[str]], None]
    expired: Callable[[], ClusterError]
    broken: Callable[[ClusterError], None]
    is_over: Callable[[], bool]


class EventWatcher:
    """Two threads: one reads the stream, the other looks when the stream says nothing."""

    def __init__(self, session: Session, listeners: Listeners) -> None:
        self._session = session
        self._rpc = session.rpc
        self._to = listeners
        # Set by `close`, looked at by both threads between any two requests.
        self._closing = threading.Event()
        # Ends the pause of the thread that looks: there is something new to look for.
        self._wake = threading.Event()
        # Guards `_polling` and `_stream`; taken again by a finalizer amid it.
        self._lock = yielding_lock()
        self._polling = Polling(time.monotonic())
        self._stream: Any = None
        self._is_replacing = False
        # Whether it was told that the stream is of no use. Without the lock: two threads that find
        # it at once tell it twice, at worst.
        self._is_reported = False
        # Ids that were not listed, and since when. Of the thread that looks.
        self._missing: dict[str, float] = {}
        # What the threads do that were not started yet: who takes one of these starts its thread.
        self._unstarted: list[Callable[[], None]] = [self._look_on, self._read]

    def start(self) -> None:
        """Start the threads, unless others have; what a handler raises amid it loses none."""
        while self._unstarted:
            with DeferredSignals(), contextlib.suppress(IndexError):  # others were faster
                target = self._unstarted.pop()
                try:
                    # Daemons: a stream may be silent for ever, and the program is to end.
                    threading.Thread(
                        target=self._guarded, args=(target,), name="pymonik-watch", daemon=True
                    ).start()
                except RuntimeError:  # the system has none to spare: who listens next tries again
                    self._unstarted.append(target)
                    raise

    def _guarded(self, work: Callable[[], None]) -> None:
        """End all waits when this thread ends before its time, whatever ended it."""
        try:
            with BRINGING:
                work()
        except ClusterError as error:
            self._fail(error)
        except BaseException as error:
            if self._is_closing:  # the channel was closed under it
                return
            logger.exception("watching session %s failed", self._session.id)
            problem = ClusterError(f"session {self._session.id} cannot be watched: {error!r}")
            problem.__cause__ = error
            self._fail(problem)

    @property
    def _is_closing(self) -> bool:
        return self._closing.is_set() or self._rpc.closing.is_set()

    def close(self) -> None:
        """Stop listening."""
        # First: a stream that is being opened now is cancelled by the thread that opens it.
        self._closing.set()
        self._wake.set()
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()

    def expects(self) -> None:
        """Take note that results were declared, whose ends the stream is to report."""
        with self._lock:
            self._polling.expects(time.monotonic())
        self._wake.set()

    def wanted(self) -> None:
        """Take note that somebody begins to wait, also under locks of theirs."""
        if self._polling.is_polling:
            self._wake.set()

    def _read(self) -> None:
        # Seconds, doubled while streams end before they have said anything: each is a request.
        pause = 0.1
        while not self._closing.is_set():
            has_spoken = False
            try:
                if self._rpc.breaker.is_open:  # it fails at everything now
                    self._rpc.probe(settings().patience)
                for event in self._opened():
                    # A stream that has said something was no trouble: the next is opened soon.
                    pause, has_spoken = 0.1, True
                    self._take(event)
                logger.debug("the event stream ended; opening it again")
            except grpc.RpcError as error:
                let_go(error)
                if self._take_replacing():
                    continue
                pause = self._pause_after(error, has_spoken, pause)
            finally:
                with self._lock:
                    self._stream = None
            self._closing.wait(pause)
            pause = min(2 * pause, RECHECK_MOST)

    def _opened(self) -> Any:
        """Open a stream."""
        stream = self._session.watch()
        with self._lock:
            self._stream = stream
            self._polling.opened(time.monotonic())
        if self._closing.is_set():  # meanwhile: nobody has seen this stream
            stream.cancel()
        return stream

    def _pause_after(self, error: Any, has_spoken: bool, pause: float) -> float:
        if self._closing.is_set():
            return 0.0
        with self._lock:
            self._polling.opened(time.monotonic())
        cause = self._rpc.explain(self._session.events.GetEvents, error)
        if has_spoken or is_transient(cause):  # cut on its way, with whatever status: see proxies
            return min(pause, _LONGEST_PAUSE)
        if is_fault(cause):
            self._rpc.note(cause)
            return pause
        self._tell(f"no events ({code_of(error)})")
        return RECHECK_MOST

    def replace_stream(self) -> None:
        """End the stream that is open; its thread opens another one."""
        with self._lock:
            stream, self._is_replacing = self._stream, self._stream is not None
        if stream is not None:
            stream.cancel()

    def _take_replacing(self) -> bool:
        with self._lock:
            was, self._is_replacing = self._is_replacing, False
        return was

    def _take(self, event: Any) -> None:
        with self._lock:
            self._polling.spoke(time.monotonic())
        kind = event.WhichOneof("update")
        if kind not in ("new_result", "result_status_update"):
            return
        update = getattr(event, kind)
        how = ENDED.get(update.status)  # a late CREATED undoes nothing
        if how is not None:
            is_news = bool(self._to.heard({update.result_id: how}))
            with self._lock:
                self._polling.reported(update.result_id, is_news)

    def _look_on(self) -> None:
        while not (self._closing.is_set() or self._to.is_over()):
            self._rpc.tell_silence()
            is_awaited = self._to.is_awaited()
            with self._lock:
                now = time.monotonic()
                is_to_replace = self._polling.is_to_renew(now)
                if not self._polling.is_polling and self._polling.is_silent(now):
                    self._polling.takes_over()
                    self._tell("the event stream is silent")
                    is_to_replace = True
                due = self._polling.due(is_awaited)
            if is_to_replace:
                self.replace_stream()
            if now < due:
                # Short even where nothing is due: whether anybody still waits is asked, not told.
                self._wake.wait(min(due - now, _TICK))
                # Before the next look at what is due: whoever wakes this has noted why before.
                self._wake.clear()
                continue
            self._look()

    def _look(self) -> None:
        began = time.monotonic()
        ids = list(self._to.open_ids())
        rows = self._session.statuses(ids) if ids else {}
        ended = {id: ENDED[r.status] for id, r in rows.items() if r.status in ENDED}
        news = self._to.heard(ended)
        self._note_missing([id for id in ids if id not in rows])
        with self._lock:
            now = time.monotonic()
            # Of what is open now: some may have been declared while it was looked.
            has_open = any(id not in ended for id in self._to.open_ids())
            self._polling.looked(now, now - began, news, has_open, bool(self._missing))

    def _note_missing(self, ids: Sequence[str]) -> None:
        """Report results that the cluster has lost, once it has not listed them for a while."""
        now = time.monotonic()
        self._missing = {id: self._missing.get(id, now) for id in ids}
        longest = now - min(self._missing.values(), default=now)
        if longest >= _ASK_SESSION and not self._session.is_known():
            raise self._to.expired()
        gone = [id for id, since in self._missing.items() if now - since >= LATE]
        if gone:
            self._to.gone(gone)

    def _fail(self, error: ClusterError) -> None:
        if not self._is_closing:
            self._to.broken(error)

    def _tell(self, why: str) -> None:
        if not self._is_reported:
            self._is_reported = True
            text = "%s of session %s: polling for results instead, up to once a second"
            logger.warning(text, why, self._session.id)

    def ask(self, ids: list[str]) -> dict[str, str]:
        """Ask how results are; pass on, and return, what has ended.

        For results of which the stream may have told before they were expected here.
        """
        if not ids:
            return {}
        rows = self._session.statuses(ids)
        ended = {id: ENDED[r.status] for id, r in rows.items() if r.status in ENDED}
        self._to.heard(ended)
        if len(ended) < len(ids):
            with self._lock:
                self._polling.adopted(time.monotonic())
            self._wake.set()
        return ended
