"""The hosts of this process that live: closed as the program ends, left alone by its forks."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Protocol


class Closes(Protocol):
    """What a program that ends closes."""

    def close(self) -> None:
        """End it, and all that it has started."""


OPEN_HOSTS: weakref.WeakSet[Closes] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    # A list: hosts may be collected while one of them is closed.
    for host in list(OPEN_HOSTS):
        host.close()


if hasattr(os, "register_at_fork"):
    # The executors are those of the parent, which goes on with them.
    os.register_at_fork(after_in_child=OPEN_HOSTS.clear)
