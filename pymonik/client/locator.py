"""Locating: where the value of a call will be, which is known once the call was sent.

Enters: a node that somebody needs the value of. Leaves: its location, after a flush where it was
not sent yet; or an error, when it will never be. Waiting for the value itself is left to
`arrivals`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymonik.client.arrivals import amid_flush, lost, timeout_error
from pymonik.client.engine import LazyBackend
from pymonik.client.flusher import Flushers
from pymonik.client.state import ClientState
from pymonik.errors import NoClientError
from pymonik.graph.ir import Put


class Locator:
    """Knows where values will be; sends what is `pending` by `flush` when it has to."""

    def __init__(
        self,
        state: ClientState,
        pending: list[Any],
        engine: LazyBackend,
        flush: Callable[[], None],
    ) -> None:
        self._pending = pending
        self._state = state
        self._engine = engine
        self._flush = flush
        self._flushers = Flushers()

    def locate(self, node: Any, timeout: float | None = None, end: float | None = None) -> Any:
        """Return the location of a node, sending it first if it was not sent.

        Raises TimeoutError when it is not sent by `end`: `timeout` after the wait began. Raises
        NoClientError when the client was closed before, BackendError amid a flush of this thread,
        and what a flush raises.
        """

        def is_sent() -> bool:
            return node.location is not None and not (type(node) is Put and node in self._pending)

        if not is_sent():
            if not self._state.is_closed:
                if end is None:
                    self._flush()
                else:
                    self._flush_by(node, timeout, end, is_sent)
            if node.location is None:
                if self._state.is_closed:
                    raise NoClientError(
                        f"this client {self._state.ended}, and the call was never sent"
                    )
                if self._state.is_compiling and self._state.is_held_here:
                    raise amid_flush()
                raise lost(node)
        return node.location

    def _flush_by(
        self, node: Any, timeout: float | None, end: float, is_sent: Callable[[], bool]
    ) -> None:
        # An engine of this process answers at once, and may run the calls in this very thread. Who
        # holds the lock already, such as a finalizer that runs amid a flush, waits for no other
        # thread.
        if not self._engine.opened().traits.is_remote or self._state.is_held_here:
            self._flush()
        elif not self._flushers.flush_by(self._flush, end, is_sent):
            raise timeout_error(timeout, (node, 0))
