"""Where in Python an executor was when a signal ended it: SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL.

Enters, in an executor: what `faulthandler` writes, into a memory file that its host has open, too.
Leaves, in the host: the stack of the thread that crashed, as the traceback of the failure.
"""

from __future__ import annotations

import os
import re

from pymonik.system.memory_file import open_memory_file

# `faulthandler` writes a hundred frames at most: this is more than they take.
_LIMIT = 32 << 10
_ESCAPED = r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})"


def open_crash_file() -> int:
    """Open a new file for the stack of a crash; return its descriptor."""
    return open_memory_file()


def python_stack(fd: int, root: str) -> str:
    """Return the stack that a process left behind, without frames of files below `root`/pymonik.

    The most recent call comes first, as `faulthandler` has it. "" when it left none.
    """
    try:
        text = os.pread(fd, _LIMIT, 0).decode(errors="replace")
    except OSError:
        return ""
    # `faulthandler` writes ASCII: other characters of file names are escaped.
    text = re.sub(_ESCAPED, lambda match: chr(int(match[1] or match[2] or match[3], 16)), text)
    # Of what follows a blank line, only the stack is about this crash.
    heading, _, rest = text.partition("\n\n")
    own = os.path.join(root, "pymonik", "")
    stack = [line for line in rest.partition("\n\n")[0].splitlines() if own not in line]
    return "\n".join([heading, *stack]).strip()
