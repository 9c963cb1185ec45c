"""Starting an executor ahead: while a program that has opened a block loads, and records.

Enters: what executors of a client begin with. Leaves: one more in the reserve, where the first plan
finds it. It is started before what runs hosts is loaded: both take as long, on two cores at a time.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from pymonik.runtime.host.process import Process, options_of
from pymonik.runtime.host.start_state import (
    available_cpus,
    ends_without_us,
    origin_of,
    threads_of,
)
from pymonik.settings import settings
from pymonik.system.deferred_signals import Loading

if TYPE_CHECKING:
    from pymonik.system.surroundings import Surroundings

logger = logging.getLogger("pymonik.host")


def start_ahead(base: Surroundings, workers: int | None) -> None:
    """Start an executor, unless one like it is kept, or none may be kept.

    base: the surroundings that the client was made in. What does not start now is started, and its
    failure told, by who needs it.
    """
    if not settings().keep_executors or ends_without_us() or sys.platform == "win32":
        return
    threads = threads_of(workers or available_cpus())
    origin = origin_of(base, threads)
    loaded = sys.modules.get("pymonik.runtime.host.reserve")
    # Without one while another thread loads it.
    reserve = getattr(loaded, "RESERVE", None)
    if reserve is not None and reserve.has(origin):
        return
    try:
        process = Process(threads, options_of(base))
    except OSError as error:
        logger.info("no executor could be started ahead: %s", error)
        return
    with Loading():
        from pymonik.runtime.host.reserve import RESERVE
    if not RESERVE.keep(origin, process):
        process.kill("retired")
        process.end()
