"""Interruptions: a handler of a signal that raises, as that of Ctrl-C does, at a place of choice.

Handlers run where a function of Python begins, and where one of C has returned: such places are
counted, so that a law can try one after the other. And a finalizer that has its turn amid a lock.
"""

from __future__ import annotations

import gc
import inspect
import signal
import sys
from collections.abc import Callable
from typing import Any


class Interruption:
    """Presses Ctrl-C at one place of what the main thread does in the block, and takes the error.

    modules: places in functions of these alone count, by their names or beginnings of them.
    """

    def __init__(self, place: int, modules: tuple[str, ...] = ("pymonik.",)) -> None:
        self._left = place
        self._modules = modules

    @property
    def has_come(self) -> bool:
        """Whether there was such a place."""
        return self._left <= 0

    def __enter__(self) -> Interruption:
        # What others have left is not collected meanwhile: its finalizers are no places of the
        # block, and what they raise is ignored.
        gc.freeze()
        # A process that was started in the background ignores it.
        self._handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.setprofile(self._look)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        sys.setprofile(None)
        signal.signal(signal.SIGINT, self._handler)
        gc.unfreeze()
        return kind is KeyboardInterrupt

    def _look(self, frame: Any, event: str, argument: Any) -> None:
        # A generator also begins where it is only closed: there, errors are ignored.
        if event not in ("call", "c_return") or frame.f_code.co_flags & inspect.CO_GENERATOR:
            return
        if frame.f_globals.get("__name__", "").startswith(self._modules):
            self._left -= 1
            if not self._left:
                sys.setprofile(None)
                # Not raised here: where signals are deferred, this one is.
                signal.raise_signal(signal.SIGINT)


def is_free(lock: Any) -> bool:
    """Return whether a lock is free; called by another thread than the one that may hold it."""
    taken = lock.acquire(blocking=False)
    if taken:
        lock.release()
    return bool(taken)


class TakenAgain:
    """A lock behind whose taking something else runs, once, in the same thread, as a finalizer may.

    Garbage is collected wherever Python calls, or makes, something: also while a lock is held.
    """

    def __init__(self, lock: Any, finalize: Callable[[], object]) -> None:
        self._lock = lock
        self._finalize: Callable[[], object] | None = finalize

    def __enter__(self) -> None:
        self._lock.acquire()
        finalize, self._finalize = self._finalize, None
        if finalize is not None:
            finalize()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
