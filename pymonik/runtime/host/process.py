"""One executor as its host sees it: a process, a socket, a lifeline and a page of progress.

Enters: frames to send. Leaves: messages that arrived, and how the process ended. Reading and
writing never block: the host's loop calls when the socket is ready.
"""

from __future__ import annotations

import _socket
import contextlib
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pymonik.errors import BackendError
from pymonik.runtime.executor.state import sweep
from pymonik.settings import PACKAGE
from pymonik.system.children import has_exited
from pymonik.system.crash import open_crash_file, python_stack
from pymonik.wire.frames import Decoder, Encoder, Outbox, receive
from pymonik.wire.journal import Journal, SharedJournal, open_page

# Of a page that was another host's.
_NOTHING = Journal(-1, 0, [], [])
# All that were started and not ended: a fork of this process must not hold them open.
_ALIVE: weakref.WeakSet[Process] = weakref.WeakSet()

if TYPE_CHECKING:
    from pymonik.environment.builder import Built
    from pymonik.environment.value import Environment
    from pymonik.system.surroundings import Surroundings

_ROOT = os.path.dirname(PACKAGE)
# Modules are loaded without collecting garbage, of which there is none: a twentieth of the time.
_BOOT = (
    "import gc, sys; gc.disable(); {path}; from pymonik.runtime.executor.main import main; "
    "main({socket}, {lifeline}, {page}, {crash})"
)
# The package is found where this host found it: before all others, but for those of a venv.
_HERE, _BEHIND = "sys.path[0] = {root!r}", "sys.path[0:1] = []; sys.path.append({root!r})"
# Seconds that an executor may take to end by itself: it has closed its socket, which is the last
# thing it does but for handlers of `atexit`.
_ENDING = 0.5
# Seconds between looks whether it has ended: as `subprocess` has them, which has no other way.
_SHORTEST_LOOK, _LONGEST_LOOK = 5e-4, 0.05
# Read by OpenMP, OpenBLAS, MKL and numexpr when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Process:
    """A running executor, which serves a host once it is greeted.

    threads: of the libraries in it. options: of its interpreter. environment: the one it lives in,
    None for that of the host; built: how it lives there.
    """

    number: int

    def __init__(
        self,
        threads: int,
        options: Sequence[str],
        environment: Environment | None = None,
        built: Built | None = None,
    ) -> None:
        self.environment = environment
        # The events of its socket that a pool waits for now.
        self.listened = 0
        # Whether it has ever run anything: tasks may have left something for its end.
        self.used = False
        # Where in Python it was when a signal such as SIGSEGV ended it: known from `end` on.
        self.stack = ""
        # Names the temporary folders of its tasks, which are removed when it has ended.
        self._token = os.urandom(8).hex()
        self._decoder = Decoder()
        self._encoder = Encoder(remember=True)
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            self.socket, end = _socket.socketpair()
            ours.callback(self.socket.close)
            theirs.callback(end.close)
            # The program may have set a default timeout: then its descriptor does not block.
            end.setblocking(True)
            # Nothing is ever written to it. Ours is held by this process alone: however that ends,
            # the kernel closes it, and the executor ends, too (`main._end_with`).
            lifeline, self._lifeline = os.pipe()
            ours.callback(os.close, self._lifeline)
            theirs.callback(os.close, lifeline)
            page_fd = open_page()
            theirs.callback(os.close, page_fd)
            self._page = SharedJournal(page_fd)
            ours.callback(self._page.close)
            self._page.end()
            self._crash = open_crash_file()
            ours.callback(os.close, self._crash)
            inherited = (end.fileno(), lifeline, page_fd, self._crash)
            self._popen = _start(inherited, threads, built, options)
            # Closed by `end`, or here and now if it did not start.
            self._ours = ours.pop_all()
        self.socket.setblocking(False)
        self.outbox = Outbox(self.socket)
        _ALIVE.add(self)
        # Whether it has said to this host that it is there, and whether it has said anything else.
        # Before, its page may hold a unit of another host, which had the same number.
        self.ready = self.proven = False
        self.kill_reason = ""
        # Whether it has served a host, and another one before that.
        self._is_greeted = self.reused = False
        # Whether the system may give its number to another process.
        self._is_reaped = False

    def greet(self, number: int, hello: dict[str, Any]) -> None:
        """Let it serve a host, under a number that it has there; it may have served another."""
        self.reused, self._is_greeted = self._is_greeted, True
        if self.reused:
            self._page.look_anew()
        self.number = number
        self.ready = self.proven = False
        self.kill_reason = ""
        self.send("hello", {**hello, "token": self._token})

    def is_alive(self) -> bool:
        """Return whether the process runs."""
        return not self._has_exited()

    def _has_exited(self) -> bool:
        """Return whether the process has ended, and leave it to `end` to reap it."""
        return has_exited(self._popen)

    def leave_to_parent(self) -> None:
        """Close what a fork of the host has of it: it would live on until that ends, too."""
        with contextlib.suppress(OSError):
            self._ours.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    def send(self, *message: Any) -> None:
        """Send a message, or keep what the socket does not take now."""
        try:
            self.outbox.push(*self._encoder.encode(message))
        except OSError:  # it died; the closed socket will tell
            pass

    def receive(self) -> list[Any] | None:
        """Return the messages that have arrived; None when the other side has closed."""
        try:
            data, fds = receive(self.socket)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self._decoder.feed(data, fds) if data else None

    @property
    def call(self) -> tuple[int, int, int]:
        """What it runs now: number of the unit (-1: none), element, step."""
        if self.reused and not self.ready:
            return -1, 0, 0
        element, step, _, number = self._page.numbers[:4].tolist()
        return number, element, step

    @property
    def journal(self) -> Journal:
        """What it has finished since its last report, once it is dead."""
        if self.reused and not self.ready:
            return _NOTHING
        return self._page.journal()

    def peek(self) -> Journal | None:
        """Return what it has finished since its last report; None when nothing is new."""
        if not self.ready:
            return None
        return self._page.peek()

    def tell_idle(self, is_idle: bool) -> None:
        """Let it know whether other executors have nothing to do."""
        self._page.tell_idle(is_idle)

    def is_overdue(self) -> bool:
        """Return whether the running call is past its `max_duration`."""
        if not self.ready:
            return False
        deadline = self._page.numbers[2]
        return bool(deadline) and time.monotonic_ns() > deadline

    def kill(self, reason: str) -> None:
        """End it at once, with everything it started; nothing once `end` has reaped it."""
        self.kill_reason = self.kill_reason or reason
        if self._is_reaped:  # its number may be another process's by now
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def leave(self) -> None:
        """Let it end in order: it has nothing to run, and nothing more will come."""
        self.kill_reason = self.kill_reason or "retired"
        with contextlib.suppress(OSError):
            self.socket.shutdown(_socket.SHUT_WR)

    def end(self) -> str:
        """Wait for its end and let go of it; say how it ended."""
        # Its socket is closed, so it is ending; one that has only closed it is killed.
        until, pause = time.monotonic() + _ENDING, _SHORTEST_LOOK
        while not self._has_exited() and time.monotonic() < until:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK)
        # Before it is reaped, and for what it has started, too: see `_has_exited`.
        self.kill("it closed its socket")
        code = self._popen.wait()
        self._is_reaped = True
        self.stack = python_stack(self._crash, _ROOT) if code < 0 else ""
        # Behind the look at the crash file, which is one of them.
        with contextlib.suppress(OSError):
            self._ours.close()
        _ALIVE.discard(self)
        # Only now that it was reaped: nothing makes a folder any more.
        sweep(self._token)
        if code < 0:
            is_named = -code in {number.value for number in signal.Signals}
            return f"signal {-code}" + (f", {signal.Signals(-code).name}" if is_named else "")
        return f"exit code {code}"


def _start(
    inherited: tuple[int, int, int, int],
    threads: int,
    built: Built | None,
    options: Sequence[str],
) -> subprocess.Popen[bytes]:
    """Start an interpreter. inherited: its socket, lifeline, page and crash file."""
    if sys.platform == "win32":
        raise BackendError("the embedded engine runs on Linux and macOS; on Windows, use WSL")
    # What the user has set wins: these only say how the cores are shared where nobody has.
    variables = {**{name: str(threads) for name in _THREADS}, **os.environ}
    path = (_BEHIND if built is not None and built.venv else _HERE).format(root=_ROOT)
    sock, lifeline, page, crash = inherited
    boot = _BOOT.format(path=path, socket=sock, lifeline=lifeline, page=page, crash=crash)
    return subprocess.Popen(
        [sys.executable if built is None else built.python, *options, "-c", boot],
        stdin=subprocess.DEVNULL,
        pass_fds=inherited,
        # A session, and so a process group, of its own: `kill` ends with it all that tasks have
        # started in it.
        start_new_session=True,
        env=variables if built is None else built.child_environ(variables),
        cwd=None if built is None else built.working_dir,
    )


def options_of(surroundings: Surroundings | None) -> list[str]:
    """Return the options of executors: -O, -W and -X hold for calls as they do for the program."""
    if surroundings is None:
        return []
    given: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as `multiprocessing` does
    return given


def _leave_all_to_parent() -> None:
    for process in list(_ALIVE):
        process.leave_to_parent()


if hasattr(os, "register_at_fork"):
    # A fork that held a lifeline open would keep executors alive behind a host that has died.
    os.register_at_fork(after_in_child=_leave_all_to_parent)
