"""Who runs the loop of a host: its own thread, or one that waits for a value (Leader/Followers).

Enters: the loop's turns, and threads that wait. Leaves: turns run, by one thread at a time. Who
waits while nothing else is under way runs the loop itself: what it waits for need not be handed
from thread to thread. The host's own thread rests meanwhile, and comes back when it is called, or
finds by itself that there is something to do that no thread waits for. (Schmidt et al.:
Leader/Followers, PLoP 2000.)
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from pymonik.errors import BackendError
from pymonik.system.deferred_signals import DeferredSignals
from pymonik.system.forks import fork_safe
from pymonik.system.held_locks import held_here
from pymonik.system.waits import MOMENT

# Seconds after a wait in which the next one is expected: a program waits for one call after the
# other. What an idle executor says by itself may be heard that much late.
_EXPECTED = 0.02
# How often the host's thread looks then whether there is something to do that no thread waits for:
# units that are sent without a wait begin that much late.
_NAP, _LONG_NAP = 0.001, 0.004
# The only key of `_leader`.
_RIGHT = "right"
# Frames that a turn may need on top of those of who waits: a user's own recursion must not be what
# an engine fails of.
_FRAMES = 150


class Leadership:
    """The right to run the loop, held by one thread at a time; at first, by the host's own.

    turn: waits for news, at most until a time, and does what is due; returns whether anything has
    come that somebody may wait for. wake: ends the wait of a turn. is_busy: whether there is
    anything to do, or under way.
    """

    def __init__(
        self,
        turn: Callable[[float | None], bool],
        wake: Callable[[], object],
        is_busy: Callable[[], bool],
    ) -> None:
        self._turn, self._wake, self._is_busy = turn, wake, is_busy
        # The right itself: the thread that runs the loop, while one does. Taken by `setdefault` and
        # given back by `clear`, each one step of C: who takes a lock would be known as its owner
        # only behind that, and a finalizer in between would wait for its own thread. At first
        # nobody can take it: it is that of the host's thread, which has not begun.
        self._leader: dict[str, int | None] = {_RIGHT: None}
        # The number of the host's own thread, from its start to its end.
        self._own: int | None = None
        # A binary semaphore: released to wake the host's thread. No thread owns it.
        self._called = fork_safe(threading.Lock())
        self._called.acquire()
        self._waited = float("-inf")
        self._has_ended = False
        # Whether a thread that waits leads, and whether it is to look again at what it waits for.
        self.is_lent = self._is_asked = False
        # Whether the host's thread was called, maybe while somebody led (`act`).
        self._is_called = False
        # What a turn has raised in a thread that waited: the engine fails of it.
        self._error: BaseException | None = None

    def begin(self, thread: int | None) -> None:
        """Let the host's thread lead, by its number; called by it, and by who has started it."""
        self._own = thread

    def leave(self) -> None:
        """Let no thread lead any more: the host's ends, and another one may get its number."""
        self._own = self._leader[_RIGHT] = None

    def rest(self) -> None:
        """Let others lead as long as one is expected to: the host's thread comes back leading.

        Raises what was raised meanwhile, once no other leads. What a finalizer does amid this is
        done amid a turn (`leads_here`): nobody would bring what it waits for when the others have
        had enough.
        """
        if not self._may_rest():
            return
        nap = _NAP
        self._leader.clear()
        while self._may_rest() or self._leader.setdefault(_RIGHT, self._own) != self._own:
            # Wakes early when it is called; else it looks by itself, since who sends without a
            # wait does not call.
            self._called.acquire(timeout=nap)
            nap = min(2 * nap, _LONG_NAP) if self._leader else _NAP
        if self._error is not None:
            raise self._error

    def _may_rest(self) -> bool:
        if self._has_ended or self._error is not None or self._is_busy():
            return False
        return time.monotonic() - self._waited < _EXPECTED

    def lead(self, is_over: Callable[[], Any], end: float | None) -> Any:
        """Run the loop until a wait is over, if no other thread does.

        Return what `is_over` has said, None where this thread has not led to the end of its wait.
        """
        thread, leader = threading.get_ident(), self._leader
        # It would wait for itself. A wait that is over already is none.
        if thread == self._own or leader.get(_RIGHT) == thread:
            if result := is_over():
                return result
            raise BackendError(
                "cannot wait for a value here: this code (such as a finalizer or a log handler) "
                "runs inside the engine's own work, and the value would never come; wait for it "
                "in another thread"
            )
        # Now, not only at the end: the host's thread may be deciding whether to rest.
        self._waited = time.monotonic()
        if leader or not _has_room():
            self.give_up()
            return None
        # A handler of the user's may raise, as that of Ctrl-C does: not amid a turn.
        with DeferredSignals(self._wake) as signals:
            if leader.setdefault(_RIGHT, thread) != thread:
                return None
            self.is_lent, self._is_asked = True, False
            try:
                # It may have come before this thread led, and woke no thread.
                if result := is_over():
                    return result
                # When to check whether this thread holds locks that others need; None after the
                # check.
                soon: float | None = self._waited + MOMENT
                while not (signals.waiting or self._has_ended):
                    news = self._take_turn(soon if end is None else min(end, soon or end))
                    # Clear the flag before checking: a request made during the check is seen by the
                    # next one.
                    asked, self._is_asked = self._is_asked, False
                    if (news or asked) and (result := is_over()):
                        return result
                    now = time.monotonic()
                    if self._error is not None or (end is not None and now >= end):
                        break
                    if soon is not None and now >= soon:
                        soon = None
                        if held_here():  # `changed` yields them, and lets others lead
                            break
            finally:
                self._waited = time.monotonic()
                self.is_lent = False
                leader.clear()
                self.give_up()
        return None

    def act(self, work: Callable[[], object]) -> bool:
        """Do now what this thread asks for, unless another one leads; return whether it was done.

        It waits for nothing. Who waits for what was asked leads later: until then it is under way.
        Called within `DeferredSignals`: what a handler raises is not to be raised amid a turn.
        """
        thread, leader = threading.get_ident(), self._leader
        # Look at `leader` first: in a finalizer that interrupts a turn, the leader is this thread.
        if leader or self._has_ended or not _has_room():
            return False
        if leader.setdefault(_RIGHT, thread) != thread:
            return False
        self._is_called = False
        try:
            work()
        except BaseException as error:  # as in `_take_turn`; what was asked for ends with the rest
            self._error = error
            return False
        finally:
            leader.clear()
            # In this order: who calls from now on finds that nobody leads.
            if self._is_called or self._error is not None:
                self.call()
        return True

    def give_up(self) -> None:
        """Leave what is to be done to the host's thread: this one has waited, or has no time to."""
        if not self._may_rest():
            self.call()

    def _take_turn(self, end: float | None) -> bool:
        try:
            return self._turn(end)
        except BaseException as error:  # of no wait in particular: raised in all, by the host
            self._error = error
            return False

    @property
    def is_led(self) -> bool:
        """Return whether any thread leads."""
        return bool(self._leader)

    @property
    def leads_here(self) -> bool:
        """Return whether this thread leads, or is the host's own, which no other may wait for."""
        thread = threading.get_ident()
        return thread == self._own or self._leader.get(_RIGHT) == thread

    def call(self) -> None:
        """Call the host's thread back, unless somebody leads, who sees to it."""
        # Not a promise, since it may be let go of right now: who lets go calls by itself
        # (`give_up`, `act`).
        self._is_called = True
        if not self._leader:
            with contextlib.suppress(RuntimeError):  # it has been called
                self._called.release()

    def look_again(self) -> None:
        """Let who leads and waits look whether its wait is over."""
        if self.is_lent:
            self._is_asked = True
            self._wake()

    def end(self) -> None:
        """Let only the host's thread lead from now on."""
        self._has_ended = True
        self._wake()
        self.call()


def _has_room() -> bool:
    """Return whether a turn fits on the stack of this thread."""
    try:
        sys._getframe(max(0, sys.getrecursionlimit() - _FRAMES))
    except ValueError:  # there are not so many frames
        return True
    return False
