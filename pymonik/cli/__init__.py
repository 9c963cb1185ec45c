"""The command line: `pymonik run`, `pymonik graph …`.

Enters: arguments. Leaves: text on stdout, an exit code: 0 for success, 1 when the script or a check
failed, or nothing can be written, 2 for wrong usage. Nothing here is imported by `import pymonik`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys

# What a write gives where there is no room, or no device, for what is printed.
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EFBIG}


def main() -> None:
    """Run the command line."""
    _open_closed_streams()
    from pymonik.cli.app import app

    try:
        app(prog_name="pymonik")
    except OSError as error:
        # Of a file that cannot be written its command says so itself, and which.
        if error.errno not in _UNWRITABLE or error.filename is not None:
            raise
        with contextlib.suppress(OSError):
            os.write(2, f"pymonik: the output cannot be written: {error.strerror}\n".encode())
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 -- else the rest is tried again at the end
        sys.exit(1)


def _open_closed_streams() -> None:
    """Let standard streams that are closed lead nowhere: else the next file would be one of them.

    Python gives None for them, which has no methods.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            # Open to the end of the process, as standard streams are.
            setattr(sys, name, open(nowhere, mode, encoding="utf-8"))  # noqa: SIM115
