"""What runs in this process now: the call, its own folder, and whether it changed the process.

Enters: the runner's marks. Leaves: what `context` makes the contexts of tasks of. `DIRTY` is set by
an audit hook in executors when a call changes the environment or the working directory, which costs
other calls nothing; in the user's own process no hook is left behind, and every call is followed by
a look.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pymonik.runtime.executor.fork import end_fork
from pymonik.runtime.executor.module_path import ModulePath
from pymonik.runtime.executor.output import Output
from pymonik.values import seeds

DIRTY: list[str] = []


class Extension(Protocol):
    """A module of an engine that serves the tasks of a cluster: what only it can ask its agent.

    target, order: where the agent is, and the request that it sent.
    """

    def session_of(self, order: bytes) -> str:
        """Return the id of the session of a task."""

    def declare(self, target: str, order: bytes, name: str) -> str:
        """Declare a result that a sub-task will make; return its id."""

    def fetch(self, target: str, order: bytes, result_id: str) -> Any:
        """Return the object of an id; raises LookupError."""

    def task_handler(self, target: str, request: bytes) -> Any:
        """Return the low-level handler of the task that runs."""


class State:
    """The step, element and attempt that run now."""

    __slots__ = (
        "attempt", "caches", "environment", "extension_name", "fetch", "index", "made",
        "session_id", "step", "task", "worker",
    )  # fmt: skip

    def __init__(self) -> None:
        self.step: Any = None
        self.index = 0
        self.attempt = 1
        self.worker = ""
        # That of the embedded engine; in a worker, the request of the task has it.
        self.session_id = ""
        # The environment that the units of now were given, None where they were given none.
        self.environment: Any = None
        # The context of a call, made once: (step, index, attempt, context).
        self.made: tuple[Any, int, int, Any] | None = None
        # Gives an object of the session by its id: see `retrieve`.
        self.fetch: Any = None
        self.caches: Any = dict
        # In a worker of a cluster: where its agent is, and the request that it sent.
        self.task: tuple[str, bytes] | None = None
        # The module that serves such tasks.
        self.extension_name = ""

    def extension(self) -> Extension:
        """Load what the engine has added to this executor, for tasks of a cluster."""
        return importlib.import_module(self.extension_name)

    def begin(self, step: Any, index: int, attempt: int) -> None:
        """Note that a call begins."""
        self.step = step
        self.index = index
        self.attempt = attempt

    def end(self) -> None:
        """Note that no call runs."""
        self.step = self.made = None

    @property
    def element(self) -> int | None:
        """The place of the call in its map, None for a single call."""
        base = self.step.base
        if isinstance(base, list):
            element: int = base[self.index]
            return element
        return None if base is None else base + self.index

    @property
    def seed(self) -> bytes | None:
        """The seed of the call; None where it has none: see `seeds`."""
        return seeds.seed_at(self.step.places, self.index, self.element)


STATE = State()


_EVENTS = frozenset({"os.putenv", "os.unsetenv", "os.chdir", "os.fchdir"})


# Whether a file was opened to be written to, since somebody has looked.
WRITTEN: list[bool] = []
_WRITES = os.O_WRONLY | os.O_RDWR


def _note(event: str, args: Any) -> None:
    if event in _EVENTS:
        DIRTY.append(event)
    elif event == "open" and not WRITTEN and type(args[2]) is int and args[2] & _WRITES:
        WRITTEN.append(True)


def _folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # somebody has removed the folder it stands in
        return ""


# What was put in place for the call that runs: hashes by paths.
PLACED: dict[str, str] = {}
_OWN: list[str] = []
_FOLDERS: dict[str, str] = {}
_PREFIX = "pymonik-task-"


# Tells the temporary folders of this process from those of others: numbers of processes are used
# again, and processes of several containers may share a folder. An executor's is its host's choice.
_token = ""


def folder_token() -> str:
    """Return what is in the names of the temporary folders of this process."""
    global _token
    if not _token:
        _token = os.urandom(8).hex()
    return _token


def use_token(token: str) -> None:
    """Take over the token that the host has chosen for this executor."""
    global _token
    _token = token


def call_folder() -> str:
    """Return the folder of the call that runs, which it runs in; made when first asked for."""
    if not _OWN:
        import tempfile

        made = tempfile.mkdtemp(prefix=f"{_PREFIX}{folder_token()}-")
        _OWN.append(os.path.realpath(made))
        DIRTY.append("folder")
        os.chdir(_OWN[0])
    return _OWN[0]


def own_prefix(name: str) -> str:
    """Return what the names of temporary folders begin with that go with this process."""
    return f"{_PREFIX}{folder_token()}-{name}-"


# What is to be undone when the value of the call was stored.
LEFT: list[Callable[[], None]] = []


def defer_until_stored(undo: Callable[[], None]) -> None:
    """Undo something when the value of the call that runs was stored."""
    LEFT.append(undo)
    DIRTY.append("left")


def clean_up() -> None:
    """Undo what the last call has left for the time after it."""
    while LEFT:
        LEFT.pop()()


def process_folder(name: str) -> str:
    """Return a folder that goes with this process; made when first asked for."""
    if name not in _FOLDERS:
        import atexit
        import tempfile

        if not _FOLDERS:
            atexit.register(_sweep_own, os.getpid())
        _FOLDERS[name] = tempfile.mkdtemp(prefix=own_prefix(name))
    return _FOLDERS[name]


def has_folders() -> bool:
    """Return whether this process has temporary folders now."""
    return bool(_OWN or _FOLDERS)


def _remove_own_folder() -> None:
    import shutil

    shutil.rmtree(_OWN.pop(), ignore_errors=True)


def _sweep_own(pid: int) -> None:
    """Remove what is left of process `pid` in the end; its forks leave that to it."""
    if os.getpid() == pid:
        sweep(folder_token())


def sweep(token: str) -> None:
    """Remove the folders that the process of a token has left behind."""
    import glob
    import shutil
    import tempfile

    for left in glob.glob(os.path.join(tempfile.gettempdir(), f"{_PREFIX}{token}-*")):
        shutil.rmtree(left, ignore_errors=True)


class Restorer:
    """Puts variables, working directory and output back as they were when it was made."""

    def __init__(self, watch: bool) -> None:
        self._original = self._variables = dict(os.environ)
        self._raw: dict[Any, Any] = {}
        self._folder = self._home = _folder()
        self._remember()
        self._watch = watch
        self._is_fork = False
        if watch:
            sys.addaudithook(_note)

    def rebase(self) -> None:
        """Let folder and output of now be what calls find, and the variables of the beginning."""
        self._variables = self._original
        self._folder = self._home = _folder()
        self._remember()
        self._put_back()

    def use_output(self) -> None:
        """Let text go where it goes now, and be logged from the levels of now on."""
        self._output = Output()

    def use_path(self, path: Sequence[str]) -> None:
        """Let imports look there from now on."""
        sys.path[:] = path
        self._path = ModulePath()

    def settle(self, variables: Mapping[str, str | None]) -> None:
        """Change variables for good; None: not set."""
        self.expect(variables)
        self._original = self._variables

    def expect(self, variables: Mapping[str, str | None], folder: str | None = None) -> None:
        """Set variables and folder for what runs next: calls find them, and leave them as they are.

        A variable that is None is not set; without a folder it is the one of before.
        """
        merged = {**self._original, **variables}
        self._variables = {name: value for name, value in merged.items() if value is not None}
        self._folder = folder or self._home
        self._put_back()
        self()

    def _remember(self) -> None:
        self._output, self._path = Output(), ModulePath()
        self._is_output_changed = is_output_changed = self._output.watch()
        is_path_changed = self._path.is_changed

        def is_due() -> bool:
            return bool(DIRTY) or is_output_changed() or is_path_changed()

        # Whether a call has changed anything that is to be put back: asked after each.
        self.is_due: Callable[[], bool] = is_due

    def end_with_call(self) -> None:
        """Let this process, a fork that a call has made, end where the call does.

        The call itself ends in the parent: nothing that its fork returns is the value.
        """
        self._is_fork = True
        self._is_output_changed = lambda: True  # which makes it due: calls are asked no more

    def end_if_fork(self, error: BaseException | None = None) -> None:
        """End this process when it is a fork of an executor; error: what the call raised in it."""
        if self._is_fork:
            end_fork(error)

    def __call__(self) -> None:
        """Put back what the last call has changed."""
        self.end_if_fork()
        self._path.put_back()
        if self._is_output_changed():
            self._output.put_back()
        if self._watch or self._is_changed():
            self._put_back()
        PLACED.clear()
        if _OWN:
            _remove_own_folder()
        # Without the hook every call is followed by a look.
        DIRTY[:] = [] if self._watch else ["unwatched"]

    def _is_changed(self) -> bool:
        # The mapping behind os.environ, where there is one: comparing it decodes nothing.
        raw = getattr(os.environ, "_data", None)
        return raw is None or raw != self._raw or _folder() != self._folder

    def _put_back(self) -> None:
        zone = os.environ.get("TZ")
        for name in [name for name in os.environ if name not in self._variables]:
            del os.environ[name]
        for name, value in self._variables.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        if os.environ.get("TZ") != zone:
            time.tzset()
        with contextlib.suppress(OSError):  # removed, by a call or before it
            os.chdir(self._folder)
        self._raw = dict(getattr(os.environ, "_data", {}))
