"""Filters of warnings in plain types, which another process can take over.

Enters: those of this process. Leaves: the same as tuples of text and numbers, and filters made of
these.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import warnings
from functools import lru_cache
from typing import Any

# A warnings filter in plain types: action, message, category, module, line.
Filter = tuple[str, Any, str, Any, int]


def plain_filters() -> tuple[Filter, ...]:
    """Return the filters of this process."""
    return tuple(map(_plain, warnings.filters))


def set_filters(plain: tuple[Filter, ...]) -> None:
    """Let warnings be filtered as they were elsewhere, but for filters of unknown categories."""
    filters = _filters(plain)
    current: Any = warnings.filters  # a list, though typed as what cannot be changed
    try:
        is_same = bool(current == filters)
    except Exception:  # a task may have put anything into it
        is_same = False
    if not is_same:
        if type(current) is list:
            current[:] = filters
        else:  # something else was put in its place
            warnings.filters = filters.copy()
        decide_anew()


def decide_anew() -> None:
    """Let what was decided by the old filters of warnings be decided anew."""
    with warnings.catch_warnings():
        pass


def _plain(entry: tuple[Any, ...]) -> Filter:
    action, message, category, module, line = entry
    name = f"{category.__module__}:{category.__qualname__}"
    return action, _pattern(message), name, _pattern(module), line


def _pattern(given: Any) -> Any:
    return (given.pattern, given.flags) if isinstance(given, re.Pattern) else given


# Clients of one program differ in their filters seldom, and in few ways.
@lru_cache(maxsize=16)
def _filters(plain: tuple[Filter, ...]) -> list[Any]:
    return [made for made in map(_filter, plain) if made is not None]


def _filter(plain: Filter) -> tuple[Any, ...] | None:
    action, message, name, module, line = plain
    place, _, path = name.partition(":")
    category: Any = None
    with contextlib.suppress(Exception):  # a module that is not here, or fails: no warning is lost
        category = importlib.import_module(place)
        for part in path.split("."):
            category = getattr(category, part)
    if not isinstance(category, type):
        return None
    return action, _compiled(message), category, _compiled(module), line


def _compiled(given: Any) -> Any:
    return re.compile(*given) if isinstance(given, tuple) else given
