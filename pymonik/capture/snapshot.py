"""Snapshots: the sources of local modules that the calls of one client need, as of one moment.

Enters: names of modules that were met in pickles and in code. Leaves: a `ModuleSnapshot` for each
state of the files: it grows while they stay as they are, and another one follows when one has
changed. Calls of different snapshots never share a unit. Which modules are local is the business of
`local_modules`, what is in them of `source_closure`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pymonik.capture.local_modules import always
from pymonik.capture.source import ModuleSource
from pymonik.system.source_lines import note_text
from pymonik.system.waits import yielding_lock
from pymonik.values.content import Content


class ModuleSnapshot:
    """Sources of modules, by name."""

    def __init__(self, sources: dict[str, ModuleSource] | None = None) -> None:
        self.sources = sources or {}
        self._content: Content | None = None

    @classmethod
    def of_content(cls, content: Content) -> ModuleSnapshot:
        """Return a snapshot that was made elsewhere, and grows no more."""
        snapshot = cls()
        snapshot._content = content
        return snapshot

    def agrees(self, others: dict[str, ModuleSource]) -> bool:
        """Return whether modules that are in both have the same source."""
        return all(self.sources.get(name, source) == source for name, source in others.items())

    def add(self, sources: dict[str, ModuleSource]) -> None:
        """Take further modules."""
        if sources.keys() - self.sources.keys():
            self.sources = {**self.sources, **sources}
            self._content = None

    def content(self) -> Content | None:
        """Return what travels; None when no module does."""
        if self._content is None and self.sources:
            import pickle

            plain = {name: tuple(source) for name, source in sorted(self.sources.items())}
            self._content = Content(pickle.dumps(plain, protocol=5))
        return self._content


class ModuleSnapshots:
    """The current snapshot of one client; `changed` is called when another follows."""

    def __init__(self) -> None:
        self.current = ModuleSnapshot()
        self.changed: Callable[[], None] = lambda: None
        self._named = False
        # Two threads that meet a changed module must not make a snapshot each: one would be lost.
        self._lock = yielding_lock()

    def note_again(self) -> None:
        """Look again at the modules that travel."""
        if self.current.sources:
            self.note(self.current.sources)

    def note(self, names: Iterable[str]) -> Iterable[str]:
        """Take note of modules that are needed; give those that travel, with all they import."""
        from pymonik.capture.source_closure import closure  # reads programs: not for each one

        with self._lock:
            if not self._named:
                self._named, names = True, [*names, *always()]
            sources = closure(names)
            for name, source in sources.items():
                if self.current.sources.get(name) != source:
                    note_text(source.file, source.text)
            if sources and not self.current.agrees(sources):
                # Modules of one snapshot may import each other: all are looked at again.
                self.current = ModuleSnapshot(closure([*self.current.sources, *sources]))
                self.changed()
            self.current.add(sources)
            return sources
