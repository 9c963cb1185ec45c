"""What a call may change of its process is put back behind it, as if it had one of its own.

Enters: this process as calls are to find it. Leaves: the same, after each call that has changed it:
variables, working directory, module path, what decides where text goes, whether garbage is
collected, and in executors what `process_wide` knows. A call that changed nothing costs a few
comparisons. A fork that a call has made of it ends where the call does.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from pymonik.capture.pickling.weak import hold_by
from pymonik.runtime.executor.process_wide import CHANGED as PROCESS
from pymonik.runtime.executor.process_wide import ProcessWide
from pymonik.runtime.executor.process_wide import watch as watch_process
from pymonik.runtime.executor.state import (
    CHANGES,
    OWN_FOLDER,
    PLACED,
    current_folder,
    hold_for_call,
    note_change,
    remove_own_folder,
)
from pymonik.system.garbage import is_collecting, set_collecting
from pymonik.system.warning_filters import decide_anew

# What lies in one of these is of a package that is installed: it adds folders of its own when it is
# imported, which happens once in a process.
_INSTALLED = (f"site-packages{os.sep}", f"dist-packages{os.sep}")


class Restorer:
    """Puts variables, working directory and output back as they were when it was made."""

    def __init__(self, watch: bool) -> None:
        hold_by(hold_for_call)
        self._original = self._variables = dict(os.environ)
        self._raw: dict[Any, Any] = {}
        self._folder = self._home = current_folder()
        self._remember()
        self._watch = watch
        self._is_fork = False
        self._wide = ProcessWide(_INSTALLED) if watch else None
        if watch:
            sys.addaudithook(note_change)
            watch_process()

    def rebase(self) -> None:
        """Let folder and output of now be what calls find, and the variables of the beginning."""
        self._variables = self._original
        self._folder = self._home = current_folder()
        self._remember()
        self._put_back()

    def use_output(self) -> None:
        """Let text go where it goes now, and be logged from the levels of now on."""
        self._output = Output()
        self._watch_anew()

    def use_path(self, path: Sequence[str]) -> None:
        """Let imports look there from now on."""
        sys.path[:] = path
        self._path = ModulePath()
        self._watch_anew()

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
        self._path = ModulePath()
        self.use_output()

    def _watch_anew(self) -> None:
        # Asked after each call, together with `CHANGES`, which tells of what hooks see.
        self.is_changed = self._output.watch(self._path)

    def is_due(self) -> bool:
        """Return whether a call has changed anything that is to be put back: asked after each."""
        return bool(CHANGES) or self.is_changed()

    def end_with_call(self) -> None:
        """Let this process, a fork that a call has made, end where the call does.

        The call itself ends in the parent: nothing that its fork returns is the value.
        """
        self._is_fork = True
        CHANGES.append("fork")  # which makes it due

    def end_if_fork(self, error: BaseException | None = None) -> None:
        """End this process when it is a fork of an executor; error: what the call raised in it."""
        if self._is_fork:
            _end_fork(error)

    def __call__(self) -> None:
        """Put back what the last call has changed."""
        self.end_if_fork()
        # What was held goes first: what its finalizers change is put back with the rest.
        CHANGES[:] = [change for change in CHANGES if type(change) is str]
        if self._wide is not None and PROCESS in CHANGES:
            self._wide.put_back()
        self._path.put_back()
        if self.is_changed():
            self._output.put_back()
        if self._watch or self._is_changed():
            self._put_back()
        PLACED.clear()
        if OWN_FOLDER:
            remove_own_folder()
        # Without the hook every call is followed by a look.
        CHANGES[:] = [] if self._watch else ["unwatched"]

    def _is_changed(self) -> bool:
        # The mapping behind os.environ, where there is one: comparing it decodes nothing.
        raw = getattr(os.environ, "_data", None)
        return raw is None or raw != self._raw or current_folder() != self._folder

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


class ModulePath:
    """`sys.path` as it was when this was made: what a task has added is gone when it ends."""

    def __init__(self) -> None:
        self.list = sys.path
        self.entries = list(sys.path)

    def put_back(self) -> None:
        """Put it back, but for what packages have added inside themselves."""
        if sys.path is self.list and sys.path == self.entries:
            return
        added = [entry for entry in sys.path if entry not in self.entries]
        self.entries += [one for one in added if any(part in str(one) for part in _INSTALLED)]
        self.list[:] = self.entries
        sys.path = self.list


class Output:
    """Standard streams, root logger, levels and disabled loggers as they are when it is made.

    And, as they are looked at together with them, whether garbage is collected, and which lists
    `sys.argv` and the filters of warnings are; what is in these is put back behind a unit.

    A task may replace `sys.stdout`, or configure logging, as it would in a process of its own. The
    call behind it is to be heard all the same.
    """

    def __init__(self) -> None:
        self._out, self._err = sys.stdout, sys.stderr
        self._collects = is_collecting()
        self._argv: Any = getattr(sys, "argv", None)
        self._warned: Any = warnings.filters
        self._root = root = logging.getLogger()
        self._handlers, self._filters = list(root.handlers), list(root.filters)
        self._level, self._disable = root.level, root.manager.disable
        self._disabled = {name for name, logger in _loggers() if logger.disabled}
        # `dictConfig` and `fileConfig` disable all loggers that they do not know: one tells.
        self._tasks = logging.getLogger("pymonik.task")
        self._tasks_level = self._tasks.level

    def watch(self, path: ModulePath) -> Callable[[], bool]:
        """Return what tells whether a call has changed any of it, or the module path.

        In one function, of its own variables, as it takes as long as all else around a small call.
        """
        listed, entries = path.list, path.entries
        out, err, root, handlers = self._out, self._err, self._root, self._handlers
        level, tasks, tasks_level = self._level, self._tasks, self._tasks_level
        # Where it is, the switch of the process is asked first: it takes a tenth of the time.
        collects, is_on = self._collects, gc.isenabled if self._collects else is_collecting
        argv, warned = self._argv, self._warned
        # What the property `disable` shows, without the call.
        manager, disable = vars(root.manager), vars(root.manager).get("_disable")

        def is_changed() -> bool:
            try:
                return (
                    sys.stdout is not out
                    or sys.stderr is not err
                    or sys.argv is not argv
                    or warnings.filters is not warned
                    or root.handlers != handlers
                    or root.level != level
                    or tasks.level != tasks_level
                    or tasks.disabled
                    or manager.get("_disable") != disable
                    or (is_on() is not collects and is_collecting() is not collects)
                    or sys.path is not listed
                    or sys.path != entries
                )
            except AttributeError:  # the call has deleted one of them
                return True

        return is_changed

    def put_back(self) -> None:
        """Make it what it was."""
        sys.stdout, sys.stderr = self._out, self._err
        set_collecting(self._collects)
        sys.argv = self._argv
        if getattr(warnings, "filters", None) is not self._warned:
            warnings.filters = self._warned
            decide_anew()
        self._root.handlers[:] = self._handlers
        self._root.filters[:] = self._filters
        self._root.setLevel(self._level)
        self._tasks.setLevel(self._tasks_level)
        logging.disable(self._disable)
        for name, logger in _loggers():
            if logger.disabled and name not in self._disabled:
                logger.disabled = False


def _loggers() -> list[tuple[str, logging.Logger]]:
    loggers = logging.getLogger().manager.loggerDict
    return [(name, one) for name, one in list(loggers.items()) if isinstance(one, logging.Logger)]


def _end_fork(error: BaseException | None) -> NoReturn:
    """End a fork as a process of its own ends: with what it printed, and a code that tells how.

    Leaves nobody: the call itself goes on in the parent, which alone answers for it.
    """
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        code = 1
        with contextlib.suppress(BaseException):  # such as one whose text cannot be had
            traceback.print_exception(type(error), error, error.__traceback__)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code & 0xFF)
