"""The channel of an executor to its host: a socket pair, and what the two say to each other.

Enters: frames. Leaves: frames: reports, logs, plans of sub-tasks.

    to it      ("hello", settings)  ("run", [entry, …])  ("object", (question, answer))
    from it    ("ready", pid)  ("stale",)  ("bound",)  ("ask", question, id)
               ("report", number, start, stop, columns, errors)
               ("held", number, values)  ("late", number)
               ("end", …as report…, seconds, plan)  ("log", name, level, text, fields, traceback)
               ("fault", number, journal, text, traceback)

An entry is what `UnitRunner.run` takes; hosts make it (`host.messages.entry_of`).
"""

from __future__ import annotations

# What `queue` wraps: without its other queues, and without `heapq`, which no first call needs.
import _queue
import _socket
import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from pymonik.runtime.executor import mappings
from pymonik.system.deferred_signals import DeferredSignals
from pymonik.wire.byte_cache import CacheInfo
from pymonik.wire.frames import Decoder, Encoder, receive, send_part

# What a thread that waits for an answer is told where nobody reads any more.
_READ_ON = object()


class HostChannel:
    """The executor's end. Messages are taken by the main thread, and sent by any.

    Answers are for the thread that asks: one of a call, or one that a call has left behind.
    """

    def __init__(self, sock: _socket.socket) -> None:
        self._sock = sock
        self._decoder = Decoder(mappings.received)
        self._encoder = Encoder(remember=False)
        # Guards the socket: calls, threads of theirs and log handlers send.
        self._sending = threading.Lock()
        # The thread that sends, and what came in between by itself.
        self._sender = 0
        self._late: deque[Any] = deque()
        # Held by who reads the socket: the main thread while no call runs, else one that asks.
        # Taken before it is read, and never waited for with what has been read in hand.
        self._reading = threading.RLock()
        # Held by who asks: one thread at a time. Taken before the two above.
        self._asking = threading.RLock()
        self._numbers = itertools.count()
        # Questions without an answer, by number: where their threads wait for it.
        self._questions: dict[int, _queue.SimpleQueue[Any]] = {}
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
        is_open = True
        while is_open:
            with self._reading:
                # With the lock: another thread may have read some, while this one waited.
                while is_open and not self._inbox:
                    is_open = self._receive()
            # Whoever has asked while this thread read has to read for itself from now on.
            for answers in list(self._questions.values()):
                answers.put(_READ_ON)
            while self._inbox:
                yield self._inbox.popleft()

    def _receive(self) -> bool:
        """Wait for messages; False when the host has closed the socket."""
        data, fds = receive(self._sock)
        if not data:
            return False
        for message in self._decoder.feed(data, fds):
            if message[0] != "object":
                self._inbox.append(message)
                continue
            number, answer = message[1]
            answers = self._questions.get(number)
            if answers is not None:  # else whoever has asked was interrupted
                answers.put(answer)
        return True

    def ask(self, result_id: str) -> Any:
        """Return an object that the host has; raises LookupError. What else comes is kept."""
        # Asked before the locks are: a thread that a fork does not have may hold them for ever.
        if self.is_closed:
            raise LookupError(
                "cannot ask the engine for an object here: it does not listen to a fork of an "
                "executor, nor to an executor that is ending"
            )
        if self._reads_here():
            raise RuntimeError(
                "cannot ask the engine for an object here: this call interrupted the code that "
                "reads its messages"
            )
        # A handler that raises amid it would lose what else has come.
        with DeferredSignals(), self._asking:
            number, answers = next(self._numbers), _queue.SimpleQueue[Any]()
            # First: who reads meanwhile is to know where the answer goes.
            self._questions[number] = answers
            try:
                self.send("ask", number, result_id)
                answer = self._answer(answers)
            finally:
                del self._questions[number]
        if answer is None:
            raise LookupError(
                f"there is no object {result_id!r} on this engine, or it is not stored yet"
            )
        return answer

    def _answer(self, answers: _queue.SimpleQueue[Any]) -> Any:
        answer = _READ_ON
        while answer is _READ_ON:
            if not self._reading.acquire(blocking=False):
                answer = answers.get()  # who reads now hands it over, or leaves the reading to this
                continue
            try:
                # Looked at again with the lock: it may have come before.
                if answers.empty() and not self._receive():
                    raise LookupError("the engine has ended")
            finally:
                self._reading.release()
            with contextlib.suppress(_queue.Empty):
                answer = answers.get_nowait()
        return answer

    def _reads_here(self) -> bool:
        """Return whether this thread reads: then a finalizer amid it asks, and nobody reads on."""
        return bool(self._reading._is_owned())  # type: ignore[attr-defined]  # as Condition does

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
