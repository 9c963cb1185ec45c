"""Running a unit in the surroundings in which its calls were recorded.

Enters: what the surroundings of an engine are, and how those of a unit differ. Leaves: this process
changed accordingly. What a call changes itself is put back by `state`.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Container, Iterator
from typing import TYPE_CHECKING

from pymonik.runtime.executor.call_contexts import CallContexts
from pymonik.runtime.executor.logs import use_levels
from pymonik.runtime.executor.restorer import Restorer
from pymonik.system.arithmetic import DEFAULT
from pymonik.system.process_settings import set_process
from pymonik.system.surroundings import (
    NO_CHANGES,
    Changes,
    Surroundings,
    SurroundingsWatch,
    applied,
    difference,
    surroundings,
)
from pymonik.system.warning_filters import set_filters

if TYPE_CHECKING:
    from pymonik.plan.unit import Unit


class Mover:
    """Moves one executor from the surroundings of one unit to those of the next.

    base: those of the engine. fixed: the variables that an environment has set, which stay.
    folder: the working directory that it has brought along. path: whether it has a module path of
    its own. contexts: of calls.
    """

    def __init__(
        self,
        base: Surroundings,
        restore: Restorer,
        fixed: Container[str],
        folder: str | None,
        path: bool,
        contexts: CallContexts,
    ) -> None:
        self._base = base
        self._restore = restore
        self._fixed = fixed
        self._folder = folder
        self._has_path = path
        self._contexts = contexts
        self._path = list(sys.path)
        self._last = NO_CHANGES
        # What the last unit was to find, as it said so; nothing that any says before the first.
        self._given: object = self
        self._wanted = base

    def move(self, changes: Changes | None) -> None:
        """Be in the surroundings of a unit."""
        if changes == self._given:  # `put_back` has seen to the rest
            return
        self._given, self._wanted = changes, applied(changes, self._base)
        wanted = self._wanted
        _set_small(wanted)
        self._contexts.use(None if wanted.arithmetic == DEFAULT else wanted.arithmetic)
        if use_levels(wanted.levels):
            self._restore.use_output()
        changes = changes or NO_CHANGES
        if changes == self._last:
            return
        if changes.path != self._last.path:
            path = self._path if changes.path is None else self._path_of(changes.path)
            self._restore.use_path(path)
            # Finders remember what was in folders; the next import is to look again.
            importlib.invalidate_caches()
        self._last = changes
        variables = {n: value for n, value in changes.variables if n not in self._fixed}
        self._restore.expect(variables, None if self._folder else changes.folder)

    def put_back(self) -> None:
        """Put back what calls leave as they have changed it; behind a unit: nobody waits then."""
        try:
            _set_small(self._wanted)
        except Exception:  # whatever a call has done to them: the next unit tells
            self._given = self

    def _path_of(self, wanted: tuple[str, ...]) -> list[str]:
        if not self._has_path:
            return [*([self._folder] if self._folder else []), *wanted]
        return [*self._path, *(entry for entry in wanted if entry not in self._base.path)]


@contextlib.contextmanager
def moved(
    watch: SurroundingsWatch | None, unit: Unit, restore: Restorer, contexts: CallContexts
) -> Iterator[None]:
    """Be in the surroundings of a unit for as long as the block runs, in the user's own process."""
    if watch is None:
        yield
        return
    is_there = watch.changes() is unit.surroundings
    watch.look_again()  # this was no call that is recorded
    if is_there:
        yield
        return
    now, path = surroundings(), list(sys.path)
    wanted = applied(unit.surroundings, watch.base)
    back = difference(now, wanted)
    restore.expect({**dict(back.variables), **variables_of(unit)}, back.folder)
    try:
        if back.path is not None:
            restore.use_path(wanted.path)
        _set_small(wanted)
        restore.use_output()
        contexts.use(wanted.arithmetic)
        yield
    finally:
        restore.use_path(path)
        _set_small(now)


def variables_of(unit: Unit) -> dict[str, str]:
    """Return the variables that the environment of a unit sets."""
    return dict(unit.environment.variables) if unit.environment else {}


def _set_small(wanted: Surroundings) -> None:
    argv: object = getattr(sys, "argv", None)
    if type(argv) is not list:  # something else was put in its place
        sys.argv = [*wanted.argv]
    else:
        argv[:] = wanted.argv  # not compared: a task may have put anything into it
    if sys.getrecursionlimit() != wanted.recursion:
        with contextlib.suppress(RecursionError):  # lower than what is on the stack now
            sys.setrecursionlimit(wanted.recursion)
    set_filters(wanted.filters)
    set_process(wanted.process)
