"""The event loop of a thread: a call that runs in the thread of a program is not within its loop.

Enters: a thread in which a loop of `asyncio` may run, as in notebooks. Leaves: the same, with no
loop to be seen for a while: `asyncio.run` refuses to work within another one.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def outside_event_loop() -> Iterator[None]:
    """Let this thread be one in which no event loop runs, for as long as the block runs."""
    events: Any = sys.modules.get("asyncio.events")
    loop = None if events is None else events._get_running_loop()
    if loop is None:
        yield
        return
    events._set_running_loop(None)  # what the documentation has for those who write loops
    try:
        yield
    finally:
        events._set_running_loop(loop)
