"""What a program sets of its process, and a task may depend on: the locale, and limits.

Enters: this process. Leaves: its settings in plain types, which another process can take over.
"""

from __future__ import annotations

# What `locale` and `socket` ask, without these: every call is asked, and a first result waits for
# what is loaded.
import _locale
import _socket
import contextlib
import sys
from collections.abc import Callable

from pymonik.system.structs import NamedTuple

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
    return ProcessSettings(_locale.setlocale(_locale.LC_ALL), digits, _socket.getdefaulttimeout())


def set_process(wanted: ProcessSettings) -> None:
    """Give this process settings; a locale that is not there stays away."""
    now = process_settings()
    if now == wanted:
        return
    if now.locale != wanted.locale:
        import locale  # few programs set one, and every executor would load it

        with contextlib.suppress(locale.Error):
            locale.setlocale(locale.LC_ALL, wanted.locale)
    if wanted.digits is not None and now.digits != wanted.digits:
        sys.set_int_max_str_digits(wanted.digits)
    if now.timeout != wanted.timeout:
        _socket.setdefaulttimeout(wanted.timeout)
