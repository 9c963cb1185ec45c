"""The executor: the child process that runs units, and knows nothing of ArmoniK.

Enters: frames on a socket pair. Leaves: frames: reports, logs, plans of sub-tasks. Started as a
fresh interpreter, never forked; SIGINT does nothing to it, and it ends with its whole process group
as soon as the other end of its socket closes. What the two say to each other stands in `channel`.
"""

from __future__ import annotations

import _socket
import atexit
import contextlib
import faulthandler
import gc
import os
import select
import signal
import sys
import threading
import time
from typing import Any

from pymonik.runtime.executor.channel import HostChannel
from pymonik.system.code_bundle import release_bundle
from pymonik.wire.byte_cache import CacheInfo
from pymonik.wire.journal import SharedJournal

# Seconds that removing temporary folders may take once the host is gone.
_CLEANING = 2.0


class Executor:
    """One child: a channel to its host, and the loop that does what comes there."""

    def __init__(self, channel: HostChannel, page: SharedJournal) -> None:
        self._channel = channel
        self._page = page
        # Runs units, once a host has said for what: loaded by then.
        self._runner: Any = None
        self._began = time.time()
        # Whether another host has asked for this process, which cannot serve it.
        self._is_stale = False

    def serve(self) -> None:
        """Run units until the socket closes."""
        for kind, what in self._channel.messages():
            if kind == "run":
                # A stale one runs nothing: it has told the host, which starts another and kills
                # this one.
                for entry in () if self._is_stale else what:
                    try:
                        self._runner.run(*entry)
                    except BaseException as error:
                        self._runner.fault(entry[0], error)
            elif kind == "hello":
                self._is_stale = self._runner is not None and self._is_outdated()
                if self._is_stale:
                    self._channel.send("stale")
                else:
                    self._hello(**what)

    def _fetch(self, result_id: str) -> Any:
        """Ask for an object: the agent where there is one, else the host."""
        from pymonik.runtime.executor.state import STATE

        if STATE.task is not None:
            return STATE.extension().fetch(*STATE.task, result_id)
        return self._channel.ask(result_id)

    def fall_silent(self) -> None:
        """Hand on the last half lines, and leave the socket to the kernel.

        It closes it when this process is gone, which is what the host waits for.
        """
        if self._channel.is_closed:  # in a fork, which has none
            return
        if self._runner is not None:
            self._runner.finish_lines()
        self._channel.leave_open()

    def leave_to_parent(self) -> None:
        """Be an ordinary process, in a fork of this one: no host listens to it.

        The host sees by the socket that the parent has died: no other process may hold it open.
        """
        self._channel.close()
        self._page.leave()
        if signal.getsignal(signal.SIGINT) is _nothing:
            # Nobody ends a fork for the program: Ctrl-C does, as with any process.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._runner is not None:
            self._fall_back()
            self._runner.services.restore.end_with_call()

    def _hello(
        self,
        worker: str,
        path: list[str] | None,
        folder: str | None,
        slots: int,
        isolates_delegating: bool,
        optimize: Any,
        level: int,
        token: str,
        session_id: str,
        surroundings: Any,
        variables: tuple[tuple[str, str | None], ...],
        fixed: frozenset[str],
        extension: str,
    ) -> None:
        """Become ready: take over the module path and the settings of the host.

        Another host may use this process after the first: what is loaded stays, and nothing else.
        """
        if self._runner is not None:
            self._runner.services.restore()
        _take_paths(path, folder, surroundings)
        from pymonik.capture.definitions.shown import SHOWN
        from pymonik.record.current import CURRENT, close_here, open_here
        from pymonik.runtime.executor.call_contexts import CallContexts
        from pymonik.runtime.executor.context import serve
        from pymonik.runtime.executor.later_subtasks import LaterSubtasks
        from pymonik.runtime.executor.logs import forward, use_level
        from pymonik.runtime.executor.pools import serve as serve_pools
        from pymonik.runtime.executor.restorer import Restorer
        from pymonik.runtime.executor.state import STATE, use_token
        from pymonik.runtime.executor.unit_runner import UnitRunner

        use_token(token)
        serve()
        subtasks = LaterSubtasks(slots, isolates_delegating, optimize)
        if self._runner is not None:
            close_here(self._runner.services.subtasks)
        CURRENT.set(subtasks)
        open_here(subtasks)
        SHOWN.space = vars(sys.modules["__main__"])
        serve_pools()
        STATE.worker = worker
        STATE.session_id = session_id
        STATE.extension_name = extension
        STATE.fetch = self._fetch
        STATE.caches = self._caches
        if self._runner is None:
            finish_lines, self._fall_back = forward(self._channel.send)
            restore = Restorer(True)
            runner = UnitRunner(self._page, self._channel.send, finish_lines)
        else:
            restore, runner = self._runner.services.restore, self._runner
        use_level(level)
        restore.rebase()
        contexts, mover = CallContexts(), None
        if surroundings is not None:
            from pymonik.runtime.executor.surroundings import Mover

            restore.settle({n: value for n, value in variables if n not in fixed})
            mover = Mover(surroundings, restore, fixed, folder, path is None, contexts)
        runner.begin(worker, subtasks, restore, contexts, mover, is_lazy=optimize is True)
        self._runner = runner
        self._channel.send("ready", os.getpid())

    def _is_outdated(self) -> bool:
        """Return whether files that modules were loaded from have changed since this process began.

        A fresh process would load them anew. Those that came with a unit change with it.
        """
        import importlib

        importlib.invalidate_caches()  # what was installed meanwhile is to be found
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            with contextlib.suppress(OSError, ValueError):  # there is no file, as in an archive
                if isinstance(path, str) and os.stat(path).st_mtime > self._began:
                    return True
        return False

    def _caches(self) -> dict[str, CacheInfo]:
        return {"functions": self._runner.functions.info, "contents": self._channel.contents}


def _take_paths(path: list[str] | None, folder: str | None, surroundings: Any) -> None:
    """Look for modules, and stand, where the host says; folder: that an environment brings along.

    path: None in a venv, which has one of its own.
    """
    if path is not None:
        sys.path[:] = path if surroundings is None else surroundings.path
    if folder is not None:
        sys.path.insert(0, folder)
    elif surroundings is not None and surroundings.folder:
        with contextlib.suppress(OSError):  # somebody has removed it
            os.chdir(surroundings.folder)


def _end_with(lifeline: int) -> None:
    """End this process and all it started as soon as the host is gone."""
    poller = select.poll()
    # Nothing is written to this pipe: it becomes readable when the host has closed its end.
    poller.register(lifeline, select.POLLHUP | select.POLLIN)
    while not poller.poll():
        pass
    # A thread, so that a folder that does not let itself be removed keeps nobody alive.
    cleaner = threading.Thread(target=_clean_up, name="pymonik-cleaner", daemon=True)
    cleaner.start()
    cleaner.join(_CLEANING)
    os.killpg(0, signal.SIGKILL)


def _clean_up() -> None:
    """Remove the folders of this process: no host is left to do it."""
    running = sys.modules.get("pymonik.runtime.executor.state")
    if running is not None and running.has_folders():
        running.sweep(running.folder_token())


def _nothing(number: int, frame: Any) -> None:
    """Do nothing: Ctrl-C is meant for the program, which ends its executors itself."""


def _load() -> None:
    """Load all that the first unit needs before it comes: this process may be started ahead."""
    import pymonik.capture.definitions.function_maker
    import pymonik.runtime.executor.logs
    import pymonik.runtime.executor.pools
    import pymonik.runtime.executor.surroundings
    import pymonik.runtime.executor.unit_runner  # noqa: F401  # only loaded


def main(sock_fd: int, lifeline: int, page_fd: int, crash_fd: int) -> None:
    """Serve on an inherited socket; called by the host's bootstrap line.

    crash_fd: where the host reads the Python stack when a signal has ended this process.
    """
    faulthandler.enable(crash_fd, all_threads=False)
    # A handler, where SIG_IGN would be inherited by the programs that tasks start.
    signal.signal(signal.SIGINT, _nothing)
    # Of its own: the main thread may be anywhere in user code when the host goes.
    threading.Thread(
        target=_end_with, args=(lifeline,), name="pymonik-lifeline", daemon=True
    ).start()
    page = SharedJournal(page_fd)
    os.close(page_fd)
    sock = _socket.socket(fileno=sock_fd)
    for fd in (sock_fd, lifeline, crash_fd):
        os.set_inheritable(fd, False)
    executor = Executor(HostChannel(sock), page)
    # Before any call: tasks may fork.
    os.register_at_fork(after_in_child=executor.leave_to_parent)
    # Registered first, it is called last: what follows `serve` is the end of any Python process.
    # What tasks have left for it, functions of `atexit`, finalizers, open files, has its turn.
    atexit.register(executor.fall_silent)
    _load()
    release_bundle()
    # The bootstrap line has put it off. What is loaded by now stays: looked through by the first
    # collection, it would take a fifteenth of the time until the first value.
    gc.freeze()
    gc.enable()
    executor.serve()
