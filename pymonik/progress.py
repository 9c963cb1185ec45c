"""Progress while waiting: a bar when stderr is a terminal, a callback for programs.

Enters: a backend's counts. Leaves: `Progress` values; nothing where nobody looks.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# A wait shorter than this shows no bar.
_PATIENCE = 0.5
_TICK = 0.1


@dataclass(frozen=True)
class Progress:
    """How far a client is: units that have ended, units that were sent, seconds waited.

    uploaded, to_upload: bytes of the submission under way that are at the cluster, and all of them.
    """

    done: int
    total: int
    seconds: float
    uploaded: int = 0
    to_upload: int = 0

    @property
    def share(self) -> float:
        """The part that is done, from 0 to 1."""
        return self.done / self.total if self.total else 1.0


@contextmanager
def watching(backend: Any, on_progress: Callable[[Progress], object] | None) -> Iterator[None]:
    """Show progress while the block waits."""
    if on_progress is None and not (sys.stderr is not None and sys.stderr.isatty()):
        yield
        return
    over = threading.Event()
    began = time.monotonic()

    def look() -> Progress:
        done, total = backend.progress()
        return Progress(done, total, time.monotonic() - began, *backend.upload)

    watcher = threading.Thread(target=_watch, args=(look, on_progress, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        if on_progress is not None:
            on_progress(look())


def _watch(
    look: Callable[[], Progress],
    on_progress: Callable[[Progress], object] | None,
    over: threading.Event,
) -> None:
    if on_progress is not None:
        while not over.wait(_TICK):
            on_progress(look())
        return
    if over.wait(_PATIENCE):
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("pymonik"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("units", total=look().total)
        while not over.wait(_TICK):
            now = look()
            bar.update(shown, completed=now.done, total=now.total)
