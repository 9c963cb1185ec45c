"""Streams of answers that stall are cut: a deadline cannot tell a slow line from a dead one.

Enters: streams under way. Leaves: their answers, or `Stalled` once nothing has come for long. gRPC
sets a deadline when a call begins, when nobody knows how much will come; a ping finds a connection
that is dead, but not a stream of which the end was lost on a line that lives.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc

from pymonik.system.failed_calls import let_go
from pymonik.system.waits import yielding_lock


class Stalled(grpc.RpcError):  # type: ignore[misc]  # grpc has no types
    """A stream on which nothing has come for long: as an error of gRPC, which has none for that."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self._seconds = seconds

    def code(self) -> Any:
        """Return the status of what was waited for too long."""
        return grpc.StatusCode.DEADLINE_EXCEEDED

    def details(self) -> str:
        """Return for how long nothing has come, as a text."""
        return f"nothing came for {self._seconds:g} s"


class _Stream:
    """A stream under way, and when it is to be cut unless something comes."""

    __slots__ = ("call", "due", "is_cut")

    def __init__(self, call: Any, due: float) -> None:
        self.call = call
        self.due = due
        self.is_cut = False


class StallGuard:
    """Watches streams, on a thread that lives while there are some.

    closing: set when the channel is closed, which ends all streams.
    """

    def __init__(self, closing: threading.Event) -> None:
        self._closing = closing
        # Guards the two below; taken again by a finalizer of the user's that reads amid it.
        self._lock = yielding_lock()
        self._streams: set[_Stream] = set()
        self._thread: threading.Thread | None = None

    def answers(self, call: Any, seconds: float) -> Iterator[Any]:
        """Pass on the answers of a stream; raise `Stalled` once none has come for so long."""
        stream = _Stream(call, time.monotonic() + seconds)
        has_stalled = False
        self._begin(stream)
        try:
            for answer in call:
                # Without the lock: the thread that watches reads the old time or the new one.
                stream.due = time.monotonic() + seconds
                yield answer
        except grpc.RpcError as error:
            has_stalled = stream.is_cut
            if not has_stalled:
                raise
            let_go(error)
        finally:
            with self._lock:
                self._streams.discard(stream)
        if has_stalled:
            raise Stalled(seconds)

    def _begin(self, stream: _Stream) -> None:
        with self._lock:
            if self._thread is None:
                # A daemon: it sleeps until the first stream is due, and no exit is to wait for it.
                thread = threading.Thread(target=self._watch, name="pymonik-stalls", daemon=True)
                thread.start()
                self._thread = thread
            self._streams.add(stream)

    def _watch(self) -> None:
        # None at first: the lock makes it wait until the stream it was started for is there.
        pause = 0.0
        while True:
            self._closing.wait(pause)
            now = time.monotonic()
            with self._lock:
                late = {stream for stream in self._streams if now >= stream.due}
                self._streams -= late
                for stream in late:
                    stream.is_cut = True
                if self._closing.is_set() or not self._streams:
                    self._thread = None
                # What begins later is due later: the limit is one for all.
                pause = min((stream.due - now for stream in self._streams), default=0.0)
            for stream in late:
                stream.call.cancel()
            if self._thread is not threading.current_thread():
                return
