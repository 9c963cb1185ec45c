"""Calls of gRPC that have failed: none of them is to be left to the end of the interpreter."""

from __future__ import annotations

from typing import Any


def let_go(error: Any) -> None:
    """Take its traceback from an error of gRPC, for whoever has caught it and made another of it.

    Such an error is the call itself, and the frames of its traceback hold it: a circle that lasts
    until garbage is collected, at the latest when the interpreter ends. Its finalizer takes the
    lock of the call. A thread of gRPC that the end of the interpreter has stopped amid that lock
    never gives it back, and the process would never end.
    """
    error.__traceback__ = None
