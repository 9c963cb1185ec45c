"""What tasks leave for the end of their process: functions of `atexit`, finalizers, open files.

Enters: what the user's own code registers and opens. Leaves: whether there is any of it. An
executor that has some ends in order with its host, and is not kept for another client, so that what
was left for the end happens at the end of the block. What libraries register when they are loaded
stays as long as they do.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import stat
import sys
import weakref
from typing import Any

from pymonik.capture.local_modules import is_local
from pymonik.runtime.executor.state import WRITTEN

_FILES = "/dev/fd"


class Remains:
    """Looks at what has been left in this process since it was made."""

    def __init__(self) -> None:
        self._is_registered = False
        self._finalizers = len(_finalizers())
        self._files = _open_files()
        self._register: Any = atexit.register
        # In place of the function: `atexit` itself does not tell what is registered.
        atexit.register = self._registering

    def __bool__(self) -> bool:
        if self._is_registered:
            return True
        # The table that it keeps itself: asked for its length after each unit, not walked.
        if len(weakref.finalize._registry) > self._finalizers:  # type: ignore[attr-defined]
            functions = [info.func for info in list(_finalizers().values())]
            if any(_is_users(getattr(function, "__module__", None)) for function in functions):
                return True
        if WRITTEN:  # else no file was opened to be written to
            WRITTEN.clear()
            return not _open_files() <= self._files
        return False

    def _registering(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        if _is_users(sys._getframe(1).f_globals.get("__name__")):
            self._is_registered = True
        return self._register(function, *args, **kwargs)


def _is_users(module: str | None) -> bool:
    return module in (None, "__main__") or module not in sys.modules or is_local(module)


def _finalizers() -> dict[Any, Any]:
    registry: dict[Any, Any] = vars(weakref.finalize)["_registry"]
    return registry


def _open_files() -> set[tuple[int, int]]:
    """Return the files, by device and inode, that this process has open; without those of ours.

    Memory files, and others without a name, are no files of a user.
    """
    files = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(_FILES):
            with contextlib.suppress(OSError):  # the listing itself, which is closed
                status = os.fstat(int(name))
                if stat.S_ISREG(status.st_mode) and status.st_nlink:
                    files.add((status.st_dev, status.st_ino))
    return files
