"""What a call may change of its whole process that nothing tells of: signals, timers, the umask.

Enters: this process as calls are to find it. Leaves: the same, behind a call that has changed it.
A timer that one call has left would end the next. The functions that change these are wrapped, so
that other calls pay nothing; the user's own process is left as it is.
"""

from __future__ import annotations

# What `signal` wraps: without its enums, whose making would cost more than all the rest here.
import _signal  # type: ignore[import-not-found]
import functools
import os
import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pymonik.runtime.executor.state import CHANGES

# What is noted when one of these is called.
CHANGED = "process"
_CHANGING = ("signal", "alarm", "setitimer", "pthread_sigmask", "set_wakeup_fd")
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_NUMBERS = tuple(sorted(map(int, signal.valid_signals())))


class ProcessWide:
    """Handlers, timers, the mask of signals, and the umask, as they are when it is made.

    installed: parts of the paths of packages, whose handlers stay: they are set once in a process,
    when the package is imported.
    """

    def __init__(self, installed: tuple[str, ...]) -> None:
        self._installed = installed
        self._handlers = {number: _signal.getsignal(number) for number in _NUMBERS}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._wakeup = _without_wakeup()
        self._umask = os.umask(0o077)
        os.umask(self._umask)

    def put_back(self) -> None:
        """Make them what they were; for the main thread, which alone may set handlers."""
        for timer in _TIMERS:  # first: none is to call a handler amid this
            signal.setitimer(timer, 0)
        for number, handler in self._handlers.items():
            current = _signal.getsignal(number)
            # None: not set by Python, which cannot set it either.
            if current is not handler and handler is not None and not self._is_installed(current):
                _signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        os.umask(self._umask)

    def _is_installed(self, handler: Any) -> bool:
        path = getattr(getattr(handler, "__code__", None), "co_filename", "")
        return any(part in path for part in self._installed)


def _without_wakeup() -> int:
    """Return the descriptor that signals are written to; -1 for none."""
    # Python tells which it was only where another one is set: put back at once.
    descriptor = signal.set_wakeup_fd(-1)
    if descriptor != -1:
        signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    return descriptor


def watch() -> None:
    """Note in `CHANGES` from now on when one of these is changed."""
    for name in _CHANGING:
        _wrap(signal, name)
    _wrap(os, "umask")


def _wrap(module: ModuleType, name: str) -> None:
    function = getattr(module, name)
    wrapped = _noting(function)
    # Functions in C are pickled by the name of the module in C: found there, it is itself.
    for place in (module, sys.modules[function.__module__]):
        setattr(place, name, wrapped)


def _noting(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **keywords: Any) -> Any:
        CHANGES.append(CHANGED)
        return function(*args, **keywords)

    return wrapper
