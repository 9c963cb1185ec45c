"""The channel of an executor to its host: a socket pair, and what the two say to each other.

Enters: frames. Leaves: frames: reports, logs, plans of sub-tasks.

    to it      ("hello", settings)  ("run", [entry, …])  ("object", found)
    from it    ("ready", pid)  ("stale",)  ("bound",)  ("ask", id)
               ("report", number, start, stop, columns, errors)
               ("held", number, values)  ("late", number)
               ("end", …as report…, seconds, plan)  ("log", name, level, text, fields, traceback)
               ("fault", number, journal, text, traceback)

An entry is what `UnitRunner.run` takes; hosts make it (`host.messages.entry_of`).
"""

from __future__ import annotations

import _socket
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from pymonik.runtime.executor import mappings
from pymonik.wire.byte_cache import CacheInfo
from pymonik.wire.frames import Decoder, Encoder, receive, send_part


class HostChannel:
    """The executor's end. Messages are taken by the main thread, and sent by any."""

    def __init__(self, sock: _socket.socket) -> None:
        self._sock = sock
        self._decoder = Decoder(mappings.received)
        self._encoder = Encoder(remember=False)
        # Guards the socket: calls, threads of theirs and log handlers send.
        self._sending = threading.Lock()
        # The thread that sends, and what came in between by itself.
        self._sender = 0
        self._late: deque[Any] = deque()
        # One question at a time: answers have no number. Taken before `_sending`; `messages` takes
        # neither, since the thread that is in it runs the call that asks.
        self._asking = threading.Lock()
        self._inbox: deque[Any] = deque()

    @property
    def contents(self) -> CacheInfo:
        """What is kept of the contents that arrived."""
        return self._decoder.info

    @property
    def is_closed(self) -> bool:
        """Whether this process has let go of its end."""
        return self._sock.fileno() < 0

    def close(self) -> None:
        """Let go of this end: no message comes, and none goes."""
        self._sock.close()

    def leave_open(self) -> None:
        """Leave this end to the kernel, which closes it when the process is gone."""
        self._sock.detach()

    def messages(self) -> Iterator[tuple[str, Any]]:
        """Return messages as they come, until the host has closed the socket."""
        while self._inbox or self._receive():
            yield self._inbox.popleft()

    def _receive(self) -> bool:
        """Wait for messages; False when the host has closed the socket."""
        arrived: list[Any] = []
        while not arrived:
            data, fds = receive(self._sock)
            if not data:
                return False
            arrived = self._decoder.feed(data, fds)
        self._inbox.extend(arrived)
        return True

    def ask(self, result_id: str) -> Any:
        """Return an object that the host has; raises LookupError. What else comes is kept."""
        with self._asking:
            self.send("ask", result_id)
            while True:
                # What came before the answer, such as more units, waits its turn in the loop of
                # `messages`.
                for place, (kind, obj) in enumerate(self._inbox):
                    if kind == "object":
                        del self._inbox[place]
                        if obj is None:
                            raise LookupError(f"there is no object {result_id!r} here, or not yet")
                        return obj
                if not self._receive():
                    raise LookupError("the engine has ended")

    def send(self, *message: Any) -> None:
        """Send one message; the socket blocks, so that a slow host slows the executor down."""
        # Asked before the lock is: a finalizer may run here while this very thread holds it.
        thread = threading.get_ident()
        if self._sender == thread:  # a finalizer has logged in the middle of it
            self._late.append(message)
            return
        with self._sending:
            self._sender = thread
            try:
                self._push(message)
                while self._late:
                    self._push(self._late.popleft())
            finally:
                self._sender = 0

    def _push(self, message: Any) -> None:
        frame, files = self._encoder.encode(message)
        if not files:
            self._sock.sendall(frame)
            return
        view = memoryview(frame)
        while view:
            sent, files = send_part(self._sock, view, files)
            view = view[sent:]
