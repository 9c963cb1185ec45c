"""Arguments as they are made for a call: what has no state of its own arrives without.

Enters: the content of an argument. Leaves: its value. While it is made, this thread knows so: what
is loaded amid a call leaves alone what that call has given to the same objects.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from pymonik.values.content import Content


class _Loading(threading.local):
    is_argument = False


_LOADING = _Loading()


def load_argument(content: Content, slots: Sequence[Any] = ()) -> Any:
    """Make the value of an argument for one call, `slots` standing in its numbered holes."""
    outer, _LOADING.is_argument = _LOADING.is_argument, True
    try:
        return content.load(slots)
    finally:
        _LOADING.is_argument = outer


def is_argument() -> bool:
    """Return whether what this thread loads is an argument of a call that is about to begin."""
    return _LOADING.is_argument
