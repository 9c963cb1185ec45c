"""Patience: how long a request is waited for, and how long between two tries.

Enters: bytes of a request, and the seconds that a program has. Leaves: deadlines and pauses. Which
errors are worth another try is the business of `rpc`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from pymonik.settings import settings

# The first request of a client finds out whether anybody is there: in seconds.
FIRST = 5.0
# Seconds between two tries, at most: somebody waits for the server to come back.
_LONGEST_PAUSE = 5.0
# Bytes a second of the slowest line that is waited for.
_SLOWEST = 256 << 10


def deadline_of(size: int = 0, patience: float | None = None) -> float:
    """Return the seconds after which a request of so many bytes is given up."""
    patience = settings().patience if patience is None else patience
    # Half, so that a request that was lost without a word is tried once more within the patience.
    # But ten seconds at least: one that is merely slow would be asked again before it has answered.
    return max(10.0, patience / 2) + size / _SLOWEST


def pauses(patience: float) -> Iterator[float | None]:
    """Return pauses between tries, longer and longer, and None for the last try.

    Patience begins now. With any there are two tries, however long the first one takes.
    """
    return _until(time.monotonic() + patience, is_once=patience <= 0)


def _until(end: float, is_once: bool) -> Iterator[float | None]:
    # Seconds: a proxy that reloads answers again at once.
    pause = 0.05
    while not is_once:
        # Spread, so that clients that were cut off together do not come back together.
        yield pause * random.uniform(0.7, 1.3)
        pause = min(2 * pause, _LONGEST_PAUSE)
        is_once = time.monotonic() + pause >= end
    yield None
