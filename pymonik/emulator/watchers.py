"""Live subscriptions to the notices of the machine, one unbounded channel each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue

from pymonik.emulator.state.instructions import Notice


class Watcher:
    """What one subscriber has still to see. Items are whatever its owner puts there."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.is_silent = False
        # None ends it. Unbounded: the machine must not wait for a client that reads slowly.
        self._channel: SimpleQueue[Notice | None] = SimpleQueue()

    def put(self, item: Notice) -> None:
        """Add an item."""
        if not self.is_silent:
            self._channel.put(item)

    def end(self) -> None:
        """Let the iteration stop after the items put so far."""
        self._channel.put(None)

    def __iter__(self) -> Iterator[Notice]:
        while (item := self._channel.get()) is not None:
            yield item


class Watchers:
    """All open subscriptions, by session."""

    def __init__(self) -> None:
        # Guards changes of the table; who publishes reads it without.
        self._lock = threading.Lock()
        # Tuples, so that publishing needs no lock of its own.
        self._watchers: dict[str, tuple[Watcher, ...]] = {}
        self._closed = False

    def open(self, session_id: str) -> Watcher:
        """Subscribe to a session from now on."""
        watcher = Watcher(session_id)
        with self._lock:
            self._watchers[session_id] = (*self._watchers.get(session_id, ()), watcher)
            # Closed for good: who subscribes to a server that shuts down gets an empty stream.
            if self._closed:
                watcher.end()
        return watcher

    def close(self, watcher: Watcher) -> None:
        """End a subscription."""
        with self._lock:
            others = self._watchers.pop(watcher.session_id, ())
            others = tuple(other for other in others if other is not watcher)
            if others:
                self._watchers[watcher.session_id] = others
        watcher.end()

    def publish(self, notice: Notice) -> None:
        """Pass a notice to those who watch its session."""
        for watcher in self._watchers.get(notice.session_id, ()):
            watcher.put(notice)

    def silence(self) -> None:
        """Send those who watch now nothing more; their streams stay open."""
        with self._lock:
            for watchers in self._watchers.values():
                for watcher in watchers:
                    watcher.is_silent = True

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._watchers

    def close_all(self) -> None:
        """End all subscriptions, as a server does that shuts down."""
        with self._lock:
            self._closed = True
            for watchers in self._watchers.values():
                for watcher in watchers:
                    watcher.end()
