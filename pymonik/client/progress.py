"""Progress while waiting: a bar when stderr is a terminal, a callback for programs.

Enters: a backend's counts. Leaves: `Progress` values; nothing without a callback.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from pymonik.system.deferred_signals import DeferredSignals
from pymonik.system.safe_logging import safely
from pymonik.system.structs import Struct
from pymonik.system.waits import yielding_locks

if TYPE_CHECKING:
    from pymonik.backend import Backend

# Seconds before somebody looks whether there is a terminal, and as many before that shows a bar:
# most waits are over by then, and cost neither a system call nor a thread.
PATIENCE = 0.25
# Seconds between two looks at the counts.
_TICK = 0.1
# Without a callback: it holds nothing, and serves all waits.
_NO_LOCK = nullcontext()


class Progress(Struct):
    """How far a client is: units that have ended, units that were sent, seconds waited.

    uploaded, to_upload: bytes of the submission under way that are at the cluster, and all of them.
    running: units that run now. failed: calls known to have failed, those that could not run
    because of them not counted. began: units that had ended before this wait.
    """

    done: int
    total: int
    seconds: float
    uploaded: int = 0
    to_upload: int = 0
    running: int = 0
    failed: int = 0
    began: int = 0

    @property
    def share(self) -> float:
        """The part that is done, from 0 to 1.

        >>> Progress(done=3, total=4, seconds=6.0).share
        0.75
        """
        return self.done / self.total if self.total else 1.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the pace of this wait; None before any unit has ended.

        >>> Progress(done=3, total=4, seconds=6.0).seconds_left
        2.0
        """
        ended = self.done - self.began
        return self.seconds / ended * (self.total - self.done) if ended > 0 else None

    def __str__(self) -> str:
        from pymonik.humanize import counted, seconds_text, size_text

        parts = [f"{self.done:,}/{counted(self.total, 'unit')}"]
        parts += [f"{self.running:,} running"] if self.running else []
        parts += [f"{self.failed:,} failed"] if self.failed else []
        if self.uploaded < self.to_upload:
            parts.append(f"{size_text(self.uploaded)} of {size_text(self.to_upload)} sent")
        left = self.seconds_left
        if left is not None and self.done < self.total:
            parts.append(f"about {seconds_text(left)} left")
        return ", ".join(parts)


def watching(
    backend: Backend, on_progress: Callable[[Progress], object] | None
) -> AbstractContextManager[None]:
    """Show progress while the block waits."""
    return _watching(backend, on_progress) if is_watched(on_progress) else _NO_LOCK


def is_watched(on_progress: Callable[[Progress], object] | None) -> bool:
    """Return whether anybody looks: a function, or who sits before a terminal."""
    return on_progress is not None or (sys.stderr is not None and sys.stderr.isatty())


@contextmanager
def _watching(backend: Backend, on_progress: Callable[[Progress], object] | None) -> Iterator[None]:
    # Free behind the block: it ends the thread that looks, and the pause between its looks. No
    # event, whose `set` is Python and may be left by what a handler raises.
    over = threading.Lock()
    over.acquire()
    began, before = time.monotonic(), backend.progress()[0]

    def look() -> Progress:
        done, total = backend.progress()
        traits = backend.traits
        uploaded, to_upload = traits.transfer.upload() if traits.transfer is not None else (0, 0)
        running = traits.census.running() if traits.census is not None else 0
        return Progress(
            done=done,
            total=total,
            seconds=time.monotonic() - began,
            uploaded=uploaded,
            to_upload=to_upload,
            # It may have been counted a while ago.
            running=min(running, total - done),
            failed=traits.arrivals.failures.count,
            began=before,
        )

    args = look, on_progress, over
    # A thread of its own: the one that waits sleeps on a condition, and calls nothing of the
    # user's, not even at the end. What that raises must not replace a value, or another error.
    watcher = threading.Thread(target=_watch, args=args, name="pymonik-progress", daemon=True)
    try:
        with DeferredSignals():  # `start` is Python, too
            watcher.start()
        yield
    finally:
        over.release()
        with suppress(RuntimeError):  # not started yet, if at all: it ends by itself
            yielding_locks(watcher.join)


def _watch(
    look: Callable[[], Progress],
    on_progress: Callable[[Progress], object] | None,
    over: threading.Lock,
) -> None:
    if on_progress is not None:
        is_last = False
        while not is_last:
            # One more look when the wait is over: a callback is told of the end, too.
            is_last = over.acquire(timeout=_TICK)
            safely("progress", lambda: on_progress(look()))
        return
    if over.acquire(timeout=PATIENCE):
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(20), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("", total=None)
        while True:
            now = look()
            bar.update(shown, completed=now.done, total=now.total, description=str(now))
            if over.acquire(timeout=_TICK):
                return
