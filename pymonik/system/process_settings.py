"""What a program sets of its process, and a task may depend on: the locale, and limits.

Enters: this process. Leaves: its settings in plain types, which another process can take over.
"""

from __future__ import annotations

import _locale  # what `locale` asks, without its own function: every call is asked
import contextlib
import locale
import socket
import sys
from collections.abc import Callable
from typing import NamedTuple

_ALL = int(locale.LC_ALL)
_digits: Callable[[], int] | None = getattr(sys, "get_int_max_str_digits", None)  # since 3.10.7


class ProcessSettings(NamedTuple):
    """The locale, the digits that an integer may have as text, and the timeout of new sockets.

    digits: None where this Python has no such limit.
    """

    locale: str
    digits: int | None
    timeout: float | None


def process_settings() -> ProcessSettings:
    """Return the settings of this process."""
    digits = None if _digits is None else _digits()
    return ProcessSettings(_locale.setlocale(_ALL), digits, socket.getdefaulttimeout())


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
