"""Signals that wait: their handlers run when a block is over, and not in the midst of it.

Enters: a block of the main thread that must not be left half done. Leaves: the same handlers,
called behind it. What a handler raises, such as KeyboardInterrupt, is then raised where the block
ends. Other threads run no handlers: there nothing is done.
"""

from __future__ import annotations

# What `signal` wraps: without its enums, whose making would cost more than all the rest here.
import _signal  # type: ignore[import-not-found]
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol

from pymonik.system.garbage import go_on, put_off, spare_young

_NUMBERS = tuple(sorted(map(int, signal.valid_signals())))
# The main thread, which alone runs handlers; in a fork it is the one that has forked.
_main = threading.main_thread().ident
# The handlers of all signals when they were looked at last, and those of them that are functions.
_SEEN: tuple[list[Any], list[tuple[int, Any]]] = ([], [])
# The innermost block that the main thread is in.
_block: DeferredSignals | None = None


class DeferredSignals:
    """A block that no handler interrupts.

    noticed: called at once, amid the block, by a signal; waiting: the numbers of those that came.
    """

    def __init__(self, noticed: Callable[[], object] = lambda: None) -> None:
        self.waiting: list[int] = []
        self._noticed = noticed
        self._handlers: list[tuple[int, Any]] = []
        self._around: DeferredSignals | None = None

    def __enter__(self) -> DeferredSignals:
        global _block
        if threading.get_ident() == _main:
            self._handlers = _handlers()
            self._around = _block
            try:
                _block = self
                for number, _ in self._handlers:
                    _signal.signal(number, self._note)
            except BaseException:  # raised by the handler of one that had its own still
                self._leave()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if _block is self:
                self._leave()
        finally:
            if self.waiting:
                self._deliver()

    def _leave(self) -> None:
        global _block
        try:
            self._restore(self._handlers)
        finally:
            _block = self._around

    def _note(self, number: int, frame: Any) -> None:
        if self._is_open():
            self.waiting.append(number)
            self._noticed()
            return
        # The block is over: others that came as it ended have kept the handler from its place.
        handler = dict(self._handlers)[number]
        _signal.signal(number, handler)
        handler(number, frame)

    def _is_open(self) -> bool:
        block = _block
        while block is not None and block is not self:
            block = block._around
        return block is self

    def _restore(self, handlers: list[tuple[int, Any]]) -> None:
        place = 0
        try:  # around the whole loop: one that is in its place again may raise anywhere in it
            for number, handler in handlers:
                _signal.signal(number, handler)
                place += 1
        except BaseException:
            self._restore(handlers[place:])
            raise

    def _deliver(self) -> None:
        while self.waiting:
            try:
                signal.raise_signal(self.waiting.pop(0))
            finally:  # also behind a handler that raises
                self._deliver()


class Loading(DeferredSignals):
    """A block that loads modules: no handler, and no finalizer of garbage, finds them half loaded.

    Either may use a client, and would import what this thread is in the midst of; or wait for what
    a thread does that this one is about to start (`start_thread`).
    """

    def __enter__(self) -> Loading:
        super().__enter__()
        put_off(self)
        self._modules = len(sys.modules)
        return self

    def __exit__(self, *error: object) -> None:
        if len(sys.modules) > self._modules:
            spare_young()
        go_on(self)
        super().__exit__(*error)


class KeepsThread(Protocol):
    """An object that has a thread of its own, once that was started."""

    _thread: threading.Thread | None


def start_thread(owner: KeepsThread, thread: threading.Thread) -> threading.Thread:
    """Start the thread that an object keeps, and return it, or one that a finalizer has started."""
    # Whoever finds a thread waits for what it does: it runs when garbage is collected again.
    with Loading():
        if owner._thread is not None:
            return owner._thread
        owner._thread = thread
        try:
            thread.start()
        except RuntimeError:  # the system has none to spare
            owner._thread = None
            raise
    return thread


def _look_who_is_main() -> None:
    """Let the child of a fork know its main thread, and have the handlers that wait in no block.

    A block that the main thread was in while another one forked is left by nobody in the child.
    """
    global _main
    before, _main = _main, threading.main_thread().ident
    while _block is not None and _main != before:
        _block._leave()


if hasattr(os, "register_at_fork"):
    # A fork of another thread makes that one the main thread of the child.
    os.register_at_fork(after_in_child=_look_who_is_main)


def _handlers() -> list[tuple[int, Any]]:
    """Return the signals that have handlers, and these: looked through only where any is new."""
    global _SEEN
    handlers = [*map(_signal.getsignal, _NUMBERS)]
    if handlers != _SEEN[0]:
        _SEEN = handlers, [pair for pair in zip(_NUMBERS, handlers) if callable(pair[1])]
    return _SEEN[1]
