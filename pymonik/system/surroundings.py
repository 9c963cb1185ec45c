"""The surroundings of a call: what a process is when a call is recorded, and when it runs.

Enters: this process, looked at whenever a call is recorded. Leaves: the surroundings that the
executors of an engine start in, and `Changes`: what was different from those at a call. As long as
nothing is, a call costs one comparison, and nothing travels.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from pymonik.system.arithmetic import Arithmetic, arithmetic, glance, snapshot
from pymonik.system.deep_stack import recursion_limit
from pymonik.system.dict_version import NO_VERSION, version_of
from pymonik.system.process_settings import ProcessSettings, process_settings
from pymonik.system.structs import NamedTuple
from pymonik.system.warning_filters import Filter, plain_filters


class Surroundings(NamedTuple):
    """Folder, variables, module path, arguments, warnings filters, recursion limit, and more.

    levels: those that loggers have of their own, by their names; of the root, "".
    """

    folder: str
    variables: Mapping[str, str]
    path: tuple[str, ...]
    argv: tuple[str, ...]
    filters: tuple[Filter, ...]
    recursion: int
    arithmetic: Arithmetic
    levels: tuple[tuple[str, int], ...]
    process: ProcessSettings


class Changes(NamedTuple):
    """What differs from the surroundings that an engine began with; None where nothing does.

    variables: names and values, None where one is not set any more.
    """

    folder: str | None = None
    variables: tuple[tuple[str, str | None], ...] = ()
    path: tuple[str, ...] | None = None
    argv: tuple[str, ...] | None = None
    filters: tuple[Filter, ...] | None = None
    recursion: int | None = None
    arithmetic: Arithmetic | None = None
    levels: tuple[tuple[str, int], ...] | None = None
    process: ProcessSettings | None = None


NO_CHANGES = Changes()
# Loggers whose levels are no business of the user's tasks.
_OURS = "pymonik"
# Comparisons of all variables that take as long, together, as to load what tells versions of dicts.
_WORTH = 500
_level = attrgetter("level")


def surroundings() -> Surroundings:
    """Return the surroundings that this process has now."""
    return Surroundings(
        _folder(),
        dict(os.environ),
        tuple(os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)),
        tuple(map(str, sys.argv)),
        plain_filters(),
        recursion_limit(),
        arithmetic(),
        _levels(),
        process_settings(),
    )


class SurroundingsWatch:
    """Tells what has changed since it was made."""

    def __init__(self) -> None:
        # Equal changes are one object: calls that agree on them can share a unit.
        self._known: dict[Changes, Changes] = {}
        # Versions of dicts are told by a library that takes a millisecond to load: not before the
        # first value, unless the program has it, or its calls have cost more.
        self._has_versions = "_ctypes" in sys.modules
        # What the last look has found, whole: threads may have other settings of arithmetic, and a
        # call is not to be given what another thread finds meanwhile. It is looked at before the
        # base is: what changes in between has changed since.
        self.found = _Sight(self._has_versions)
        self.base = surroundings()
        # What takes a while, the levels of loggers and the locale, is looked at once for each of
        # these; and the one that it was looked at for last.
        self.due = self.looked = object()

    def look_again(self) -> None:
        """Let the next call look at what takes a while, too."""
        self.due = object()

    def looks_same(self) -> bool:
        """Look at what takes a while; return whether it is as it was found.

        Whoever asks compares the rest, and leaves it to `changes` where anything differs.
        """
        due = self.due
        if not (self._has_versions and _is_slow_as(self.found)):
            return False
        self.looked = due  # behind the look: calls of other threads rely on it
        return True

    def changes(self) -> Changes | None:
        """Return what is different now, None for nothing: one object as long as it is the same.

        A call like one before asks for no more than whether `found` holds: `record.usual_call`.
        """
        found, due = self.found, self.due
        is_same = found.holds()
        if due is not self.looked:
            if not (is_same and self._has_versions and _is_slow_as(found)):
                self._has_versions = True
                found = self._look()
            # Behind the look: calls of other threads rely on it.
            self.looked = due
        elif not is_same:
            found = self._look()
        return found.changes

    def _look(self) -> _Sight:
        """Take in all of it, and work out what has changed."""
        compared = self.found.compared
        if compared is not None and compared.left <= 0:
            self._has_versions = True
        # In this order: what changes meanwhile differs from what was seen, and is looked at again.
        seen = _Sight(self._has_versions, compared)
        changes = difference(self.base, surroundings())
        if changes != NO_CHANGES:
            seen.changes = self._known.setdefault(changes, changes)
        self.found = seen
        return seen


class _Compared:
    """Variables that are compared, as often as is worth it: after that there is to be a version.

    left: how often. No lock: threads that count at once count too few.
    """

    __slots__ = ("_variables", "left")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, variables: Mapping[Any, Any], left: int) -> None:
        self._variables = dict(variables)
        self.left = left

    def __eq__(self, other: object) -> bool:
        self.left -= 1
        return self.left > 0 and self._variables == other


class _Sight:
    """What a look has found: copies of what every call compares, what takes a while, the changes.

    It has slots, which are read faster than the fields of a tuple: every call does.
    """

    __slots__ = ("argv", "arithmetic", "changes", "compared", "context", "entries", "filters",
                 "folder", "level", "levels", "limit", "loggers", "number", "path", "process",
                 "variables", "version")  # fmt: skip

    def __init__(self, has_versions: bool, before: _Compared | None = None) -> None:
        """See what there is now; nothing has changed until somebody says so."""
        self.changes: Changes | None = None
        variables = _variables()
        # Read before the variables are: a change of them meanwhile is one that was not seen.
        of_dict = has_versions and type(variables) is dict
        self.version = (version_of(variables) if of_dict else None) or NO_VERSION
        self.number = self.version[0]
        # Those that have a version are the same as long as it is; others are compared with a copy.
        left = _WORTH if before is None else before.left
        self.compared = None if has_versions else _Compared(variables, left)
        is_known = self.version is not NO_VERSION
        self.variables = variables if is_known else self.compared or dict(variables)
        self.folder = _raw_folder()
        self.path, self.argv = list(sys.path), list(sys.argv)
        self.filters = list(warnings.filters)
        self.limit, self.level = recursion_limit(), logging.root.level
        # `context` is kept as long as `arithmetic`, which is a part of it.
        self.arithmetic, self.context = snapshot()
        # What stands under the names of loggers, those that are made, and their levels.
        self.entries: list[Any] = list(logging.root.manager.loggerDict.values())
        self.loggers = [entry for entry in self.entries if isinstance(entry, logging.Logger)]
        self.levels = list(map(_level, self.loggers))
        self.process = process_settings()

    def holds(self) -> bool:
        """Return whether what every call looks at is as it was found.

        Calls like one before compare the same, all of it, by themselves: `record.usual_call`.
        """
        variables = _variables()
        return bool(
            (self.variables is variables or self.variables == variables)
            and self.number == self.version[0]
            and self.limit == recursion_limit()
            and self.level == logging.root.level
            and self.arithmetic == glance()
            and self.path == sys.path
            and self.argv == sys.argv
            and self.filters == warnings.filters
            and self.folder == _raw_folder()
        )


def _is_slow_as(found: _Sight) -> bool:
    """Compare what takes a while: a loop in C over all loggers."""
    return bool(
        list(logging.root.manager.loggerDict.values()) == found.entries
        and list(map(_level, found.loggers)) == found.levels
        and process_settings() == found.process
    )


def _variables() -> Any:
    """Return the mapping behind `os.environ`, which is compared without decoding anything."""
    return getattr(os.environ, "_data", os.environ)


def applied(changes: Changes | None, base: Surroundings) -> Surroundings:
    """Return the surroundings that changes make of others."""
    if changes is None:
        return base
    names = {**base.variables, **dict(changes.variables)}
    variables = {name: value for name, value in names.items() if value is not None}
    merged: list[Any] = [b if b is not None else a for a, b in zip(base, changes)]
    return Surroundings(merged[0], variables, *merged[2:])


def difference(before: Surroundings, after: Surroundings) -> Changes:
    """Return what has to be changed in some surroundings to have others."""
    names = sorted(before.variables.keys() | after.variables.keys())
    old, new = before.variables, after.variables
    variables = tuple((n, new.get(n)) for n in names if old.get(n) != new.get(n))
    changed: list[Any] = [b if a != b else None for a, b in zip(before, after)]
    return Changes(changed[0], variables, *changed[2:])


def _levels() -> tuple[tuple[str, int], ...]:
    loggers = list(logging.root.manager.loggerDict.items())
    own = [
        (name, one.level)
        for name, one in loggers
        if isinstance(one, logging.Logger) and one.level and not name.startswith(_OURS)
    ]
    return ("", logging.root.level), *sorted(own)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # somebody has removed it
        return ""


def _raw_folder() -> bytes:
    try:
        return os.getcwdb()
    except OSError:
        return b""
