"""Capture of functions: what a function was when `invoke` ran.

Enters: functions of the user. Leaves: the `Code` of each, which tells when what it saw has changed,
so that it is captured again. Nothing is sent and no digest is computed here.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable
from functools import cache
from operator import is_
from typing import TYPE_CHECKING, Any

from pymonik.capture.interner import Interner
from pymonik.capture.reachable import cell_value, global_names, reachable
from pymonik.errors import CaptureError
from pymonik.settings import settings
from pymonik.values.content import Content

if TYPE_CHECKING:
    from pymonik.capture.changes.container_watch import ContainerWatch
    from pymonik.capture.definitions.lookup import DefinitionLookup
    from pymonik.capture.text.fingerprint import Whole

# Stands for a global that is not there yet.
_MISSING: Any = object()


class Code:
    """A function as it was when captured: its content, handles inside, and what to watch.

    `watched` are the globals and closure cells it saw: `is_current` compares their identities, so
    that a rebound global is seen at the next call, at the price of a look-up each. Containers among
    them may be changed in place: see `container_watch`.
    """

    __slots__ = ("_cells", "_containers", "_definitions", "_files", "_globals", "_made_of",
                 "_plain", "_sees_names_alone", "_spaces", "asks", "content", "delegates",
                 "function", "handles_in", "met", "sees_any", "table", "whole")  # fmt: skip

    def __init__(
        self,
        function: Callable[..., Any],
        content: Content,
        handles_in: list[Any],
        modules: Iterable[str] = (),
        used: Iterable[Any] = (),
        containers: ContainerWatch | None = None,
        plain: Iterable[Any] = (),
        met: int = 0,
    ) -> None:
        """Keep a content; see `capture_function` for what it was made of.

        met: how many functions had been met as values before it was made. Another thread may have
        met one since, which the content has as code.
        """
        self.function = function
        self._containers = containers or None
        # Classes that it refers to, and which version of each that was.
        self._definitions = [(record, record.reference) for record in used]
        # Functions that are no definitions, as long as none of them has been met as a value.
        self._plain = list(plain)
        self.table = _table()
        self.met = met
        self.content = content
        self.handles_in = handles_in
        self._globals: list[tuple[dict[str, Any], str, Any]] = []
        self._cells: list[tuple[Any, Any]] = []
        self._files: list[tuple[str, tuple[int, int]]] = []
        self._spaces: list[dict[str, Any]] = []
        self._made_of: tuple[Any, Any] | None = None
        self.delegates = False
        # Whether it may ask for its context, and so for its options.
        self.asks = False
        # What a pure function was known by when it was frozen: see `text.fingerprint`.
        self.whole: Whole | None = None
        for name in modules:
            self._watch_module(name)
        functions = containers.functions if containers is not None else reachable(function)
        for watched in functions:
            self._watch(watched)
        if functions:  # looked at once a moment: who sets these of a task mostly never does
            self._made_of = functions[0], _made_of(functions[0])
        self._sees_names_alone = not (
            self._containers or self._definitions or self._plain or self._files
        )
        # Whether `is_current` has more to look at than whether a function was met since.
        self.sees_any = bool(
            self._globals or self._cells or self._containers or self._definitions or self._files
        )

    @classmethod
    def of_content(cls, content: Content) -> Code:
        """Return the code of a function that was captured elsewhere."""
        code = cls.__new__(cls)
        code.function, code.content, code.handles_in, code.whole = content.load, content, [], None
        code._globals, code._cells, code._files, code.delegates = [], [], [], True
        code.asks = True
        code._definitions, code._containers, code._plain = [], None, []
        code._made_of = None
        code._sees_names_alone = code.sees_any = True
        return code

    def _watch_module(self, name: str) -> None:
        """Watch a module whose source travels: whether it is loaded again, or its file changes."""
        from pymonik.capture.local_modules import file_of, file_stamp

        module = sys.modules.get(name)
        if module is not None:
            space = vars(module)
            self._spaces.append(space)
            self._globals.append((space, "__spec__", space.get("__spec__", _MISSING)))
        elif (file := file_of(name)) is not None:
            self._files.append((file, file_stamp(file)))

    def _watch(self, function: types.FunctionType) -> None:
        names = set(global_names(function.__code__))
        self.delegates = self.delegates or not names.isdisjoint(("invoke", "map_invoke"))
        self.asks = self.asks or "get_context" in names
        space = function.__globals__
        self._globals += [(space, name, space.get(name, _MISSING)) for name in names]
        for space in self._spaces:
            self._globals += [(space, name, space[name]) for name in names if name in space]
        for cell in function.__closure__ or ():
            self._cells.append((cell, cell_value(cell)))

    def is_current(self, moment: object = None, counts_met: bool = True) -> bool:
        """Return whether the function still sees what it was captured with.

        moment: the same from one flush to the next, so that large containers are looked at once.
        counts_met: whether it is to be captured anew, too, where functions that it sees were met as
        values since: the same ones, that travel as definitions now.
        """
        if not self.is_same_function():
            return False
        for space, name, value in self._globals:
            if space.get(name, _MISSING) is not value:
                return False
        for cell, value in self._cells:
            if cell_value(cell) is not value:
                return False
        if self._sees_names_alone:
            if not self.sees_any:  # such as `pow`: no function that is met can change it
                self.met = self.table.functions
            return True
        if self._containers is not None and not self._containers.hold(moment):
            return False
        if self._definitions and not self._are_classes_current():
            return False
        is_met = counts_met and self._plain and self.met != self.table.functions
        if is_met and not self._are_all_plain():
            return False
        return not self._files or self._are_files_current()

    def is_same_function(self) -> bool:
        """Return whether the code and the defaults of the function itself are those it had."""
        if self._made_of is None:
            return True
        function, made_of = self._made_of
        if len(made_of) == 2 and not function.__kwdefaults__:  # the usual case
            code, defaults = made_of
            return function.__code__ is code and function.__defaults__ is defaults
        found = _made_of(function)
        return len(found) == len(made_of) and all(map(is_, found, made_of))

    def _are_classes_current(self) -> bool:
        from pymonik.capture.definitions.registry import TABLE

        return all(TABLE.refer(record).reference is seen for record, seen in self._definitions)

    def _are_all_plain(self) -> bool:
        from pymonik.capture.definitions.record import record_of

        # Read before the look, as more may be met meanwhile; and noted behind it, since calls of
        # other threads rely on it.
        met = self.table.functions
        if any(map(record_of, self._plain)):
            return False
        self.met = met
        return True

    def _are_files_current(self) -> bool:
        from pymonik.capture.local_modules import file_stamp

        return all(file_stamp(file) == stamp for file, stamp in self._files)


def _made_of(function: types.FunctionType) -> tuple[Any, ...]:
    """Return what can be set of a function."""
    keywords = function.__kwdefaults__
    if keywords:
        return function.__code__, function.__defaults__, *keywords, *keywords.values()
    return function.__code__, function.__defaults__


def _table() -> DefinitionLookup:
    from pymonik.capture.definitions.registry import TABLE  # not for `import pymonik`

    return TABLE.lookup


def capture_function(
    function: Callable[..., Any], name: str, interner: Interner, digest_below: int = 0
) -> Code:
    """Freeze a function with the globals and closure it needs.

    digest_below: if it has fewer bytes, note what distinguishes it from others, too: objects that
    it uses may change before the flush.
    """
    modules: set[str] = set()
    used: list[Any] = []
    prepare_classes(function)
    containers = watch_containers(function)  # before it is frozen: what changes since is seen
    plain: list[Any] = []
    met = _table().functions
    content, handles_in = interner.freeze(function, f"task {name!r}", modules, used, plain)
    limit = settings().capture_limit
    if content.size > limit:
        raise CaptureError(f"task {name!r} captures {content.size} bytes, more than {limit}")
    code = Code(function, content, handles_in, sorted(modules), used, containers, plain, met)
    if content.size < digest_below:
        code.whole = _summary()(function)
    return code


def watch_containers(function: Callable[..., Any]) -> ContainerWatch:
    """Remember what the containers hold that a function sees."""
    from pymonik.capture.changes.container_watch import ContainerWatch  # not for `import pymonik`

    return ContainerWatch(reachable(function), function)


# Not for `import pymonik`. A finalizer of the user's may make calls, too: see `Loading`.


@cache
def _definers() -> tuple[Callable[[Any], bool], Callable[[Any], object]]:
    """Return what tells the classes that are to be defined, and what defines them."""
    from pymonik.system.deferred_signals import Loading

    with Loading():
        from pymonik.capture.definitions.by_value import is_by_value
        from pymonik.capture.freeze import define_class
    return is_by_value, define_class


@cache
def _summary() -> Callable[[Any], Whole]:
    """Return what tells pure functions apart."""
    from pymonik.system.deferred_signals import Loading

    with Loading():
        from pymonik.capture.text.fingerprint import whole_of
    return whole_of


def prepare_classes(function: Callable[..., Any]) -> None:
    """Define the classes that a function sees, before it is pickled.

    What their methods share with the function is known from then on, and stays shared.
    """
    is_by_value, define_class = _definers()
    for reached in reachable(function):
        space = reached.__globals__
        seen = [space[name] for name in set(global_names(reached.__code__)) if name in space]
        for value in [*seen, *map(cell_value, reached.__closure__ or ())]:
            if issubclass(type(value), type) and is_by_value(value):
                try:
                    define_class(value)
                except Exception:  # reported by the pickler, with the path that leads there
                    return
