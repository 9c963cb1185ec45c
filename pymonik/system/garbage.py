"""Garbage collection: put off by blocks of several threads, and seen while it is going on.

Enters: blocks in which none is to be collected, and what is to hold behind them. Leaves: the same
switch of the process, as the program has set it; what was loaded among what is old; and whether a
collection is going on.
"""

from __future__ import annotations

import gc
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from pymonik.system.forks import fork_safe
from pymonik.system.held_locks import yielding

T = TypeVar("T")

# Such blocks, and the thread that each is of, and whether garbage is to be collected again behind
# the last of these.
_waiting: dict[object, int] = {}
_collects = False
# Guards these two; a finalizer may come here amid it, until there are none. Not one that is waited
# for patiently: `waits` stands on this module.
_counting = yielding(fork_safe(threading.RLock()))
# The phases of a collection: the one that the collector has come to stands last.
_phases: OrderedDict[str, None] = OrderedDict.fromkeys(("start", "stop"))


def put_off(block: object) -> None:
    """Collect no garbage until `go_on`, also where a handler of a signal raises amid this."""
    global _collects
    thread = threading.get_ident()
    with _counting:
        collects = gc.isenabled()
        # No call is between these: no finalizer comes here amid them, and no handler.
        if not _waiting:
            _collects = collects
        _waiting[block] = thread
        gc.disable()


def go_on(block: object) -> None:
    """End a block that has put it off; again where a handler has raised amid this."""
    with _counting:
        _waiting.pop(block, None)
        _collect_again()


def collecting_later(make: Callable[[], T]) -> T:
    """Return what is made, with garbage collected behind it.

    For many objects, none in a cycle; or where all of the stack may be used up, and finalizers have
    no room. No block of a context manager: Ctrl-C may come amid its methods, and then none would be
    collected from then on.
    """
    block = object()
    try:
        put_off(block)
        return make()
    finally:
        try:
            go_on(block)
        except BaseException:  # raised by a handler, as that of Ctrl-C
            go_on(block)
            raise


def spare_young() -> None:
    """Take what is young for old, without looking through it, where a collection is due.

    For blocks that have loaded modules, which stay: each would end with a look at little else.
    Garbage among them is found, as all that is old, when everything is looked through. What the
    program has frozen stays so: nothing is done then, nor where it collects none.
    """
    due = gc.get_threshold()[0]
    if 0 < due < gc.get_count()[0] and is_collecting() and not gc.get_freeze_count():
        # Lists that are joined, whatever their length; and the count of the young begins anew.
        gc.freeze()
        gc.unfreeze()


def watch_collections() -> None:
    """Let `is_under_way` know of collections from now on."""
    # Called with the phase and what is true of it, and wholly in C: in a function of Python that
    # the collector calls, Ctrl-C would be ignored.
    callback: Any = _phases.move_to_end
    if callback not in gc.callbacks:
        gc.callbacks.append(callback)


def is_under_way() -> bool:
    """Return whether a collection is going on: a finalizer runs, in this thread or another.

    The collector has cleared weak references then to all that it found, before the finalizers,
    which may still use it.
    """
    # Copied in C: another collection may begin, or end, between any two calls of Python.
    return [*_phases][-1] == "start"


def is_collecting() -> bool:
    """Return whether garbage is collected, as the program has it: not while it is put off."""
    with _counting:
        return gc.isenabled() or (bool(_waiting) and _collects)


def set_collecting(collects: bool) -> None:
    """Collect garbage, or none: while it is put off, from its end on."""
    global _collects
    with _counting:
        if _waiting:
            _collects = collects
        (gc.enable if collects and not _waiting else gc.disable)()


def _collect_again() -> None:
    """Let garbage be collected if it was before, once no thread has put it off."""
    global _collects
    if _collects and not _waiting:
        _collects = False
        gc.enable()


def _forget_others() -> None:
    """Let the child of a fork collect garbage, unless it is its own thread that has put it off."""
    thread = threading.get_ident()
    for block in [one for one, waiter in _waiting.items() if waiter != thread]:
        del _waiting[block]
    _collect_again()


if hasattr(os, "register_at_fork"):
    # The other threads, and so the ends of their blocks, have stayed behind.
    os.register_at_fork(after_in_child=_forget_others)
