"""The end of a client: all that was recorded is waited for, or dropped and cancelled.

Enters: a block that ends, an error that ends it early, the end of the program. Leaves: a client
that takes no calls, and a backend that was let go of.
"""

from __future__ import annotations

import atexit
import itertools
import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from pymonik.client.arrivals import ArrivalWait
from pymonik.client.cached_values import CachedValues
from pymonik.client.callbacks import ENDINGS
from pymonik.client.client_settings import ClientSettings
from pymonik.client.engine import LazyBackend
from pymonik.client.handled import Handled, tell_of_others
from pymonik.client.notifier import Notifier
from pymonik.client.state import ClientState
from pymonik.client.submitter import Submitter
from pymonik.errors import BackendError, ClusterError
from pymonik.graph.ir import Call
from pymonik.humanize import counted
from pymonik.record.current import close_here, open_here
from pymonik.record.recorder import Recorder, users_line
from pymonik.system.safe_logging import safely
from pymonik.values.foreign import harmless

logger = logging.getLogger("pymonik")
# Why calls were never sent: a block that an error has left, or a client that nobody asked.
_LEFT = "the block was left early"
_FORGOTTEN = "get() or wait() for them, flush() or close() the client"
# Calls that are named where several were never sent: a line is to be read.
_NAMED = 5

# Those of clients that have opened their backend and were not closed, in that order. Weak: a client
# has handles in its names and calls, which hold it, so that to hold a part of it is to hold it.
_OPEN: WeakKeyDictionary[Lifetime, None] = WeakKeyDictionary()


class Lifetime:
    """Closes or abandons a client; any thread may, while others use it.

    scope: gives the client, for those who look for one that is open; None once it was collected.
    """

    def __init__(
        self,
        scope: Callable[[], Any],
        state: ClientState,
        settings: ClientSettings,
        recorder: Recorder,
        submitter: Submitter,
        engine: LazyBackend,
        arrivals: ArrivalWait,
        notifier: Notifier,
        handled: Handled,
        cached_values: CachedValues,
    ) -> None:
        self._scope = scope
        self._state = state
        self._settings = settings
        self._recorder = recorder
        self._submitter = submitter
        self._engine = engine
        self._arrivals = arrivals
        self._notifier = notifier
        self._handled = handled
        # Numbers who would tell of calls never sent, of which the first does: the program may end
        # amid the end of a client.
        self._tellers = itertools.count()
        self._cached_values = cached_values

    def begin(self) -> None:
        """Let the client serve threads that have none of their own, now that it is open."""
        scope = self._scope()
        if scope is not None:  # else what is sent was recorded by a client that was collected
            open_here(scope)
        # Before the end of the program is registered: `_end_open_clients` looks here.
        _OPEN[self] = None
        ENDINGS.start()
        # Last registered runs first: before channels and emulators end.
        atexit.unregister(_end_open_clients)
        atexit.register(_end_open_clients)

    def close(self) -> None:
        """Send what is pending, wait for all of it, and let go of the backend.

        From now on only callbacks may record calls: these are waited for, too. Other threads may
        still wait for what they have recorded. Raises the first failure that nobody has looked at;
        BackendError amid a flush of this thread, and leaves the client open.
        """
        if self._state.is_closed:
            return
        if self._state.plans_under_way and self._state.is_held_here:
            raise BackendError(
                "cannot close the client here: this code (such as a finalizer) runs inside a "
                "flush of this client, and `close` would wait for that flush; close the client "
                "in another thread"
            )
        # From now on threads are refused, but for callbacks, whose calls are waited for.
        self._state.is_closing = True
        try:
            self._submitter.flush()
            leaves = self._engine.backend is None or self._leaves_work_behind()
            is_done = False
            # Callbacks record calls, whose values have callbacks: until a round in which there were
            # none.
            while not is_done:
                if not leaves:
                    self._arrivals.wait(self.is_idle, None, awaited=self._notifier.watched)
                self._notifier.drain()
                if self._recorder.pending:  # callbacks have recorded more
                    self._submitter.flush()
                    continue
                subtasks = None if leaves else self._engine.opened().traits.subtasks
                if subtasks is not None:
                    subtasks.drain()
                is_done = self.close_if_done(leaves)
        except BaseException as error:
            self.abandon(error)
            raise
        self._let_go()
        self._raise_unseen()

    async def end_beside(
        self, end: Callable[[BaseException | None], None], error: BaseException | None
    ) -> None:
        """End without blocking the event loop, by a function that closes or abandons."""
        import asyncio

        try:
            await self._engine.beside(end, error)
        except asyncio.CancelledError as cancelled:  # Ctrl-C, too: the thread that waits goes on
            await self._engine.beside(self.abandon, cancelled)
            raise

    def close_if_done(self, leaves: bool) -> bool:
        """Close the client unless a call has been recorded since: none is from now on."""
        with self._state.lock:
            # What another thread has sent meanwhile is to be waited for, too. Once another thread
            # has abandoned the client, it stays closed.
            is_done = not self._recorder.pending and (leaves or self.is_idle())
            self._state.is_closed = self._state.is_closed or is_done
            return self._state.is_closed

    def cancel(self) -> None:
        """Drop what was not sent, cancel what was, and close: later calls are told who did so."""
        place = f"was cancelled at {users_line()}"
        if not self._state.is_closed:
            self._state.ended = place
        self.abandon(None, f"the client {place}")

    def abandon(self, error: BaseException | None, why: str = _LEFT) -> None:
        """Drop what was not sent, and say why, cancel what was."""
        # First of all: a thread that finds its call pending no more finds the client closed.
        was_closed = self._state.is_closed
        self._state.is_closing = self._state.is_closed = True
        try:
            self._tell_unsent(why)
        finally:  # also where a second Ctrl-C comes amid that
            # Without the lock: whoever holds it may be waiting for a cluster that does not answer.
            self._recorder.pending.clear()
        is_ours = self._engine.is_of_this_process  # in a fork of it, the work is that of others
        if self._engine.backend is not None and is_ours and not was_closed:
            self._cancel_all(error)
        self._let_go()

    def _cancel_all(self, error: BaseException | None) -> None:
        backend = self._engine.opened()
        done, total = backend.progress()
        # What does not answer takes no order to cancel either: each request would be tried to the
        # end.
        if isinstance(error, ClusterError) and error.is_outage:
            logger.warning(
                "nothing is cancelled: the calls that were sent go on without this client"
            )
            return
        if done < total:
            open_units = counted(total - done, "unit")
            logger.warning("cancelling the calls that have not ended: %s", open_units)
        backend.cancel()

    def abandon_collected(self) -> None:
        """Let a thread end what no code can close any more; takes no lock, and sends nothing."""
        is_open = self._engine.backend is not None and not self._state.is_closed
        if is_open and self._engine.is_of_this_process:  # else no thread runs: it is the parent's
            ENDINGS.put(self._end_collected)

    def tell_unsent(self) -> None:
        """Say at the end of the program what was recorded and never asked for."""
        if self._engine.is_of_this_process and not self._state.is_closed:
            self._tell_unsent(_FORGOTTEN)

    def _tell_unsent(self, why: str) -> None:
        calls = [node for node in self._recorder.pending[:] if type(node) is Call]
        count = sum(map(self._recorder.will_run, calls))
        if count and next(self._tellers) == 0:
            # By instruction: a line is worked out for those alone that are named.
            places = list({(id(node.site), node.lasti): node for node in calls}.values())
            named = ", ".join(f"{node.spec.name} at {node.where}" for node in places[:_NAMED])
            named = harmless(named) + (", …" if len(places) > _NAMED else "")
            logger.warning("%s never sent (%s): %s", counted(count, "call"), named, why)

    def _end_collected(self) -> None:
        safely("what was never sent", self._tell_unsent, _FORGOTTEN)
        self._recorder.pending.clear()
        done, total = self._engine.opened().progress()
        # A cluster would run it to the end for nobody, and charge for it.
        if self._engine.traits.is_remote:
            self.end_early()
        elif done == total:  # what runs here goes on, and ends with the program at the latest
            self.abandon(None)

    def end_early(self) -> None:
        """Leave nothing open of a client left unclosed, as a block that is left early does."""
        engine = self._engine
        if engine.backend is None or not engine.traits.is_remote or not engine.is_of_this_process:
            return
        if self._settings.detach:
            self._tell_unsent(_FORGOTTEN)
            self._recorder.pending.clear()
            self._state.is_closing = self._state.is_closed = True
            self._let_go()
        else:
            self.abandon(None, _FORGOTTEN)

    def is_idle(self) -> bool:
        """Return whether all that was sent has ended, and all waits and callbacks for it, too."""
        done, total = self._engine.opened().progress()
        return done == total and not self._notifier.watches and not self._state.plans_under_way

    def state_text(self) -> str:
        """Return whether the client is closed, and if not, how much is pending, as a text."""
        return "closed" if self._state.is_closed else f"{counted(self._unsent(), 'call')} pending"

    def _unsent(self) -> int:
        pending = self._recorder.pending
        return sum(1 if n.n is None else n.n for n in pending if type(n) is Call)

    def _leaves_work_behind(self) -> bool:
        if self._settings.detach and self._engine.traits.is_here:
            logger.warning(
                "detach=True has no effect: the embedded engine ends with its client, so closing "
                "waits for its calls"
            )
            return False
        return self._settings.detach

    def _let_go(self) -> None:
        self._cached_values.keep()
        scope = self._scope()
        if scope is not None:
            close_here(scope)
        _OPEN.pop(self, None)
        if self._engine.backend is not None and self._engine.is_of_this_process:
            self._engine.backend.close()
        # Last of all: what a callback finds then is a client that was closed.
        self._notifier.tell_dropped()

    def _raise_unseen(self) -> None:
        backend = self._engine.backend
        failures = backend.traits.arrivals.failures.unhandled() if backend is not None else ()
        unseen = list(self._handled.unseen(failures))
        if unseen:
            error = unseen[0].error()
            tell_of_others(error, unseen[1:])
            raise error


def _end_open_clients() -> None:
    """End the sessions of clients that were made without a block: nothing else would."""
    # References: walked while clients end, the dictionary itself would change its size.
    for reference in _OPEN.keyrefs():
        lifetime = reference()
        if lifetime is not None:
            safely("a client that was not closed", lifetime.end_early)
    ENDINGS.drain()
