"""What runs in this process now: the call, its own folder, and whether it changed the process.

Enters: the runner's marks. Leaves: what `context` makes the contexts of tasks of. An audit hook of
executors notes in `CHANGES` when a call changes the environment or the working directory, which
costs other calls nothing; in the user's own process no hook is left behind, and every call is
followed by a look.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, Protocol

from pymonik.values import seeds
from pymonik.values.outcome import Failure

# What the call that runs has changed of its process, by the names of audit events and of ours.
CHANGES: list[Any] = []


class HeldForCall:
    """Stands among the changes of a call for what it holds until it ends."""

    def __init__(self, what: Any) -> None:
        self.what = what


def hold_for_call(what: Any) -> None:
    """Hold an object until the call ends that runs now, or is about to."""
    CHANGES.append(HeldForCall(what))


class Extension(Protocol):
    """A module of an engine that serves the tasks of a cluster: what only it can ask its agent.

    target, raw_request: where the agent is, and the request that it sent.
    """

    def session_of(self, raw_request: bytes) -> str:
        """Return the id of the session of a task."""

    def declare(self, target: str, raw_request: bytes, name: str) -> str:
        """Declare a result that a sub-task will make; return its id."""

    def fetch(self, target: str, raw_request: bytes, result_id: str) -> Any:
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

    def task_session(self) -> str:
        """Return the id of the session that the call is of."""
        if self.task is None:
            return self.session_id
        return self.extension().session_of(self.task[1])

    def new_id(self, name: str) -> str:
        """Return an id for a value that a sub-task will make."""
        if self.task is None:
            return f"{self.session_id}-{os.urandom(8).hex()}"
        return self.extension().declare(*self.task, name)

    def failure(self, message: str) -> Failure:
        """Return what the call that runs has done wrong, as its outcome."""
        site = self.step.site if isinstance(self.step.site, str) else self.step.site[self.index]
        return Failure("error", message, self.step.name, site, self.element, self.worker)

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
        return seeds.seed_at(self.step.spawn_keys, self.index, self.element)


STATE = State()


# Audit events of what `Restorer` puts back: variables and the working directory.
_EVENTS = frozenset({"os.putenv", "os.unsetenv", "os.chdir", "os.fchdir"})


# Whether a file was opened to be written to, since somebody has looked.
WRITTEN: list[bool] = []
# Flags of `open` of which each lets a file be written to.
_WRITES = os.O_WRONLY | os.O_RDWR


def note_change(event: str, args: Any) -> None:
    """Note, as an audit hook, what a call changes of its process."""
    if event in _EVENTS:
        CHANGES.append(event)
    elif event == "open" and not WRITTEN and type(args[2]) is int and args[2] & _WRITES:
        WRITTEN.append(True)


def current_folder() -> str:
    """Return the working directory, "" where it was removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:  # somebody has removed the folder it stands in
        return ""


# What was put in place for the call that runs: hashes by paths.
PLACED: dict[str, str] = {}
# The folder of that call, if it has asked for one.
OWN_FOLDER: list[str] = []
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
    if not OWN_FOLDER:
        import tempfile

        made = tempfile.mkdtemp(prefix=f"{_PREFIX}{folder_token()}-")
        OWN_FOLDER.append(os.path.realpath(made))
        CHANGES.append("folder")
        os.chdir(OWN_FOLDER[0])
    return OWN_FOLDER[0]


def own_prefix(name: str) -> str:
    """Return what the names of temporary folders begin with that go with this process."""
    return f"{_PREFIX}{folder_token()}-{name}-"


# What is to be undone when the value of the call was stored.
CLEANUPS: list[Callable[[], None]] = []


def defer_until_stored(undo: Callable[[], None]) -> None:
    """Undo something when the value of the call that runs was stored."""
    CLEANUPS.append(undo)
    CHANGES.append("left")


def clean_up() -> None:
    """Undo what the last call has left for the time after it."""
    while CLEANUPS:
        # The last first, as `ExitStack` does: what came later may use what was there.
        CLEANUPS.pop()()


def process_folder(name: str) -> str:
    """Return a folder that goes with this process; made when first asked for."""
    if name not in _FOLDERS:
        import atexit
        import tempfile

        if not _FOLDERS:
            # With the number: a fork inherits what is registered, and must leave the folders to it.
            atexit.register(_sweep_own, os.getpid())
        _FOLDERS[name] = tempfile.mkdtemp(prefix=own_prefix(name))
    return _FOLDERS[name]


def has_folders() -> bool:
    """Return whether this process has temporary folders now."""
    return bool(OWN_FOLDER or _FOLDERS)


def remove_own_folder() -> None:
    """Remove the folder of the call that has ended."""
    import shutil

    shutil.rmtree(OWN_FOLDER.pop(), ignore_errors=True)


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
