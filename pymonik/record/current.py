"""The current recorder: where a call goes that does not name its client.

A block makes its client current in its context; a thread without one uses the only client open.
"""

from __future__ import annotations

from abc import abstractmethod
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

from pymonik._pickled import pickled
from pymonik.errors import NoClientError

# Recorders: their class stands above, since what it is pickled as is `current_recorder`.
CURRENT: ContextVar[Any] = ContextVar("pymonik_current", default=None)
# As keys, in order: several threads may open one client at once. Weak: a client that no variable
# has any more ends its session, see `Pymonik.__del__`.
_OPEN: WeakKeyDictionary[Any, None] = WeakKeyDictionary()


class LaterRecorder:
    """Stands for a recorder that is made, with all that it loads, when one is first asked for."""

    # What a call asks its scope for, see `Scope`: none yet.
    recorder = ready = None

    @abstractmethod  # for the type checker: see `graph.verbs`
    def made(self) -> Any:
        """Return the recorder."""


@pickled
def current_recorder() -> Any:
    """Return the recorder of this context, or the only one open in this process."""
    recorder = CURRENT.get()
    if isinstance(recorder, LaterRecorder):
        recorder = recorder.made()
        CURRENT.set(recorder)  # usual calls of this context ask it themselves
    if recorder is not None:
        return recorder
    open_ones = open_recorders()
    if len(open_ones) == 1:
        (recorder,) = open_ones
        return recorder.made() if isinstance(recorder, LaterRecorder) else recorder
    if open_ones:
        raise NoClientError(
            f"{len(open_ones)} clients are open and none is current in this thread: pass pymonik="
        )
    raise NoClientError(
        "no client is open here: use `with Pymonik():`, or create one, keep it in a variable, and "
        "pass pymonik="
    )


def open_here(recorder: Any) -> None:
    """Let a recorder serve threads that have no current one, as long as no other is open."""
    _OPEN[recorder] = None


def open_recorders() -> list[Any]:
    """Return the recorders that serve threads without a current one."""
    recorders = (reference() for reference in _OPEN.keyrefs())
    return [recorder for recorder in recorders if recorder is not None]


def close_here(recorder: Any) -> None:
    """Let a recorder serve no thread any more."""
    _OPEN.pop(recorder, None)
