"""Modules that came with the tasks: imported from their sources, where no file of them is.

Enters: the sources of a snapshot, when a unit of it begins. Leaves: modules in `sys.modules`, those
of the snapshot that runs. Each snapshot has modules of its own, so that a file that was edited is
imported anew, and two clients with different files of one name do not meet.
"""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from typing import Any

from pymonik._pickled import pickled
from pymonik.capture.source import ModuleSource
from pymonik.values.content import Content

logger = logging.getLogger("pymonik")
# Snapshots whose modules are kept, though another one runs.
_MAX_KEPT = 8


class ModuleSet:
    """The modules of one snapshot: their sources, and those that are set aside while others run."""

    def __init__(self, sources: dict[str, ModuleSource] | None = None) -> None:
        # Tells it from all others, also once it is gone.
        self.token = object()
        self.sources = sources or {}
        self.inactive: dict[str, types.ModuleType] = {}
        # Modules that cannot be imported here: what they define goes by value.
        self.failed: set[str] = set()

    def agrees(self, sources: dict[str, ModuleSource]) -> bool:
        """Return whether modules that are in both have the same source."""
        return all(self.sources.get(name, source) == source for name, source in sources.items())


# Neither this nor the loader is an ABC of `importlib.abc`, which loads twenty modules an executor.
class SnapshotImporter:
    """Finds modules in the snapshot that runs; `functions` is a cache for each snapshot."""

    def __init__(self) -> None:
        self._base = self._current = ModuleSet()
        # Of the modules that the units of this process find, as an executor.
        self.token: object = None
        # The modules of snapshots, by digest; those that ran last stand last.
        self._known: OrderedDict[bytes, ModuleSet] = OrderedDict()
        # The snapshot that runs.
        self._content: Content | None = None

    def enter(self, content: Content | None) -> ModuleSet:
        """Let the modules of a snapshot be those that imports find."""
        if content is self._content:
            return self._current
        module_set = self._base if content is None else self._module_set_of(content)
        self._switch(module_set)
        self._content = content
        self.token = module_set.token
        return module_set

    @contextmanager
    def at_home(self, content: Content | None) -> Iterator[None]:
        """Take the modules of a snapshot for those of this process, which recorded the calls.

        One that is not found here, as those of a graph out of a file, is imported from its source.
        """
        before = self._current
        self._current = ModuleSet(_sources(content) if content is not None else None)
        is_new = self not in sys.meta_path
        sys.meta_path += [self] if is_new else []
        try:
            yield
        finally:
            if is_new:
                sys.meta_path.remove(self)
            self._current = before

    def _module_set_of(self, content: Content) -> ModuleSet:
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        cached = self._known.get(content.digest)
        if cached is None:
            sources = _sources(content)
            # A snapshot that has grown is the same snapshot.
            agreeing = (
                module_set for module_set in self._known.values() if module_set.agrees(sources)
            )
            cached = self._known[content.digest] = next(agreeing, None) or ModuleSet()
            cached.sources = {**cached.sources, **sources}
        self._known.move_to_end(content.digest)
        while len(self._known) > _MAX_KEPT:
            self._known.popitem(last=False)
        return cached

    def _switch(self, module_set: ModuleSet) -> None:
        before, self._current = self._current, module_set
        for name in {**before.sources, **module_set.sources}:
            module = sys.modules.pop(name, None)
            if module is not None and before is not module_set:
                before.inactive[name] = module
            elif module is not None and is_shipped(module):
                sys.modules[name] = module
        sys.modules.update(module_set.inactive)
        module_set.inactive = {}
        importlib.invalidate_caches()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: Any = None
    ) -> ModuleSpec | None:
        """Find a module of the snapshot that runs."""
        source = self._current.sources.get(fullname)
        if source is None:
            return None
        loader: Any = _Loader(source)
        spec = ModuleSpec(
            fullname, loader, origin=source.file or None, is_package=source.is_package
        )
        spec.has_location = bool(source.file)
        if source.is_package and source.file:
            spec.submodule_search_locations = [os.path.dirname(source.file)]
        return spec

    def lookup(self, module: str, qualname: str) -> Any:
        """Return what the snapshot that runs has under a name; None when it has nothing there."""
        module_set = self._current
        if module not in module_set.sources or module in module_set.failed:
            return None
        before = set(sys.modules)
        try:
            obj: Any = importlib.import_module(module)
        except Exception as error:  # what was pickled serves as well, whatever the module lacks
            logger.debug("%s cannot be imported here: %r", module, error)
            self._forget(module, before)
            return None
        try:
            for part in qualname.split("."):
                obj = getattr(obj, part)
        except AttributeError as error:
            logger.debug("%s.%s cannot be found here: %r", module, qualname, error)
            return None
        from pymonik.capture.definitions.record import function_of

        return function_of(obj)

    def _forget(self, module: str, before: set[str]) -> None:
        """Leave nothing of a package whose import failed: half of it would be taken for all."""
        self._current.failed.add(module)
        package = module.partition(".")[0]
        for name in [name for name in sys.modules if name not in before]:
            if name.partition(".")[0] == package and name in self._current.sources:
                del sys.modules[name]


class _Loader:
    pymonik_shipped = True

    def __init__(self, source: ModuleSource) -> None:
        self._source = source

    @property
    def path(self) -> str:
        """Where files beside the module are, on a machine that has them."""
        return self._source.file

    def get_resource_reader(self, fullname: str) -> Any:
        """Let `importlib.resources` read these."""
        from importlib.readers import FileReader

        return FileReader(self)  # type: ignore[arg-type]  # asks for `path` alone

    def get_data(self, path: str) -> bytes:
        """Let `pkgutil.get_data` read these, too."""
        with open(path, "rb") as file:
            return file.read()

    def get_source(self, fullname: str) -> str:
        return self._source.text

    def is_package(self, fullname: str) -> bool:
        return self._source.is_package

    def get_code(self, fullname: str) -> types.CodeType:
        file = self._source.file or f"<{fullname}>"
        return compile(self._source.text, file, "exec", dont_inherit=True)

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system."""

    def exec_module(self, module: types.ModuleType) -> None:
        exec(self.get_code(module.__name__), vars(module))
        overrides = pickle.loads(self._source.set_here) if self._source.set_here else {}
        for name, (data, buffers) in overrides.items():
            within, _, attribute = name.rpartition(".")  # of a class of the module, or its own
            place = getattr(module, within) if within else module
            setattr(place, attribute, Content(data, buffers).load())


def _sources(content: Content) -> dict[str, ModuleSource]:
    return {name: ModuleSource(*fields) for name, fields in pickle.loads(content.data).items()}


def is_shipped(module: types.ModuleType | None) -> bool:
    """Return whether a module came here as its source."""
    return hasattr(getattr(module, "__loader__", None), "pymonik_shipped")


IMPORTER = SnapshotImporter()
at_home = IMPORTER.at_home


@pickled
def local_object(module: str, qualname: str, make: Any, *parts: Any) -> Any:
    """Return a function or class of a local module: the one here, or one made of `parts`.

    What travels by value and what a module defines are one where the module came along.
    """
    obj = IMPORTER.lookup(module, qualname)
    if obj is None:
        from pymonik.capture.definitions.function_maker import note_made

        note_made(obj := make(*parts))
    return obj


@pickled
def set_function(function: Any, state: Any) -> None:
    """Complete a function that was made; leave one that a module here has defined."""
    if IMPORTER.lookup(function.__module__, function.__qualname__) is not function:
        from pymonik.capture.definitions.function_maker import complete_in

        complete_in(function, state)
