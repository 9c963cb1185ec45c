"""Forks that tasks make of an executor: such a process ends where the call does that has made it.

Enters: what the call raised in the fork, if anything. Leaves: nobody. The call itself goes on in
the parent, which alone answers for it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from typing import NoReturn


def end_fork(error: BaseException | None) -> NoReturn:
    """End a fork as a process of its own ends: with what it printed, and a code that tells how."""
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
