"""What a program sets of its process, and a task may depend on: the locale, and limits.

Enters: this process. Leaves: its settings in plain types, which another process can take over.
"""

from __future__ import annotations

import contextlib
import locale
import socket
import sys
from typing import NamedTuple


class ProcessSettings(NamedTuple):
    """The locale, the digits that an integer may have as text, and the timeout of new sockets.

    digits: None where this Python has no such limit.
    """

    locale: str
    digits: int | None
    timeout: float | None


def process_settings() -> ProcessSettings:
    """Return the settings of this process."""
    here = locale.setlocale(locale.LC_ALL)
    return ProcessSettings(here, _digits(), socket.getdefaulttimeout())


def set_process(wanted: ProcessSettings) -> None:
    """Give this process settings; a locale that is not there stays away."""
    now = process_settings()
    if now == wanted:
        return
    with contextlib.suppress(locale.Error):
        if now.locale != wanted.locale:
            locale.setlocale(locale.LC_ALL, wanted.locale)
    if wanted.digits is not None and now.digits != wanted.digits:
        sys.set_int_max_str_digits(wanted.digits)
    if now.timeout != wanted.timeout:
        socket.setdefaulttimeout(wanted.timeout)


def _digits() -> int | None:
    asked = getattr(sys, "get_int_max_str_digits", None)  # since 3.10.7
    return None if asked is None else asked()
