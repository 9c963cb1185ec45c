"""The code of modules in one file: hundreds of them are found and read at once, not one by one.

Enters: what Python has compiled and keeps in `__pycache__`. Leaves: a finder that gives modules the
same code out of a *bundle*, a file in the `__pycache__` of the package. It promises what those of
single modules do: the code of a module counts as long as its source has the time and the size that
it had. Where anything is otherwise, Python's own finders have the next turn, and that is all.

Programs write it at their end, where they have found much of it missing, and where Python may write
there, too (`PYTHONDONTWRITEBYTECODE`, `PYTHONPYCACHEPREFIX`, `-O` mean what they do for modules).
"""

from __future__ import annotations

import marshal
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType
from typing import Any

# Folders that most programs load nothing of: a bundle is read whole.
_APART = frozenset(
    ("analysis/session", "backend/armonik", "cli", "draw", "emulator", "runtime/worker")
)
# A module is where it is in the package, the time and size of its source, and a range of bytes.
_Entry = tuple[str, int, int, int, int]
_PACKAGE = "/__init__.py"
# Modules that are missing, of those that were looked for and are for bundles: fewer are not worth
# another bundle, so that who edits one file after the other does not get one after each run.
_FEW = 8
# Bytes that say how long the table of the modules is; and those at the start of a `.pyc` file: four
# numbers of four bytes, of which the second says how it is known to be current (PEP 552).
_LENGTH, _HEADER = 8, 16


class _BundledLoader(SourceFileLoader):
    """Python's own loader, with the code at hand."""

    def __init__(self, name: str, path: str, code: memoryview) -> None:
        super().__init__(name, path)
        self._code: memoryview | None = code

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the code out of the bundle, once; what else is asked for is looked for anew."""
        code, self._code = self._code, None
        if code is not None:
            try:
                loaded = marshal.loads(code)
            except (EOFError, TypeError, ValueError):  # a disk has lost it
                loaded = None
            # Elsewhere where the package was copied with all it had: Python changes it then.
            if isinstance(loaded, CodeType) and loaded.co_filename == self.path:
                return loaded
        return super().get_code(fullname)


class CodeBundle:
    """A finder of `sys.meta_path` for the modules of a package; read when the first is looked for.

    folder: of the package. path: of the bundle, be there one or not.
    """

    def __init__(self, name: str, folder: str, path: str) -> None:
        self._prefix = f"{name}."
        self._folder = folder
        self._path = path
        # What was read: the modules, and the code of all of them.
        self._held: tuple[dict[str, _Entry], memoryview] | None = None
        # How many modules were looked for that could be in it, and were not as they are now.
        self._missed = 0

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return how a module is loaded out of the bundle; None where Python is to look for it."""
        if not name.startswith(self._prefix):
            return None
        if (held := self._held) is None:
            held = self._held = self._read()
        entries, code = held
        entry = entries.get(name)
        if entry is not None:
            place, time, size, start, stop = entry
            file = self._folder + place
            try:
                status = os.stat(file)
            except OSError:
                return None
            if status.st_mtime_ns == time and status.st_size == size:
                if start == stop:  # left to Python
                    return None
                loader = _BundledLoader(name, file, code[start:stop])
                is_package = file.endswith(_PACKAGE)
                spec = ModuleSpec(name, loader, origin=file, is_package=is_package)
                spec.has_location = True
                if is_package:
                    spec.submodule_search_locations = [os.path.dirname(file)]
                return spec
        if not _is_apart(name[len(self._prefix) :]):
            self._missed += 1
        return None

    def release(self) -> None:
        """Let go of the bytes, until another module is looked for."""
        self._held = None

    def renew(self) -> None:
        """Write it anew if much of it was missing, as it is for a version that has just come."""
        if self._missed <= _FEW or sys.dont_write_bytecode:
            return
        self._missed = 0
        try:
            self._write()
        except OSError:  # as where Python could keep nothing, either
            pass

    def _read(self) -> tuple[dict[str, _Entry], memoryview]:
        try:
            with open(self._path, "rb", buffering=0) as file:
                data = file.readall()
            start = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
            *maker, entries, size = marshal.loads(data[_LENGTH:start])
        except (OSError, EOFError, TypeError, ValueError):  # there is none, or it is damaged
            return {}, memoryview(b"")
        if maker != self._maker() or start + size != len(data):
            return {}, memoryview(b"")
        return entries, memoryview(data)[start:]

    def _maker(self) -> list[str]:
        """Return what a bundle has to agree on with who reads it."""
        return [sys.version, self._folder]

    def _write(self) -> None:
        # Whole or not at all, whoever else writes one: as `importlib` does. Made before anything is
        # read: where it may not be, no program is to pay for that at its end.
        made = f"{self._path}.{os.urandom(4).hex()}"
        mode = os.stat(self._folder).st_mode & 0o666
        file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with open(file, "wb") as opened:
                opened.writelines(self._content())
            os.replace(made, self._path)
        except BaseException:  # Ctrl-C, too, leaves nothing
            os.unlink(made)
            raise

    def _content(self) -> list[bytes]:
        """Return what stands in a bundle of what Python keeps now."""
        entries: dict[str, _Entry] = {}
        codes: list[bytes] = []
        stop = 0
        for place in sorted(self._sources()):
            status = os.stat(self._folder + place)
            code = _compiled(self._folder + place, status)
            if code is not None:
                name = self._prefix + place[1:].removesuffix(_PACKAGE).removesuffix(".py")
                start, stop = stop, stop + len(code)
                entry = (place, status.st_mtime_ns, status.st_size, start, stop)
                entries[name.replace("/", ".")] = entry
                codes.append(code)
        table = marshal.dumps((*self._maker(), entries, stop))
        return [len(table).to_bytes(_LENGTH, "little"), table, *codes]

    def _sources(self) -> list[str]:
        """Return the files of modules, below the folder of the package, that bundles are for."""
        sources = []
        for folder, below, files in os.walk(self._folder):
            place = folder[len(self._folder) :].replace(os.sep, "/")
            below[:] = [name for name in below if f"{place}/{name}"[1:] not in _APART]
            sources += [f"{place}/{name}" for name in files if name.endswith(".py")]
        return sources


def _is_apart(name: str) -> bool:
    """Return whether bundles are not for a module: no other bundle would have it, either."""
    place = name.replace(".", "/")
    return any(place == folder or place.startswith(f"{folder}/") for folder in _APART)


def _compiled(source: str, status: os.stat_result) -> bytes | None:
    """Return the code that Python keeps for a file as it is now, marshalled; None if there is none.

    Nothing of it where it is known to be current by its text, not by its time: that is left to
    Python, and the bundle notes so.
    """
    from importlib.util import MAGIC_NUMBER, cache_from_source  # not before the first value

    try:
        with open(cache_from_source(source), "rb") as file:
            data = file.read()
    except OSError:
        return None
    if data.startswith(MAGIC_NUMBER) and any(data[4:8]):  # see `_HEADER`
        return b""
    numbers = (0, int(status.st_mtime), status.st_size)
    current = MAGIC_NUMBER + b"".join((n & 0xFFFFFFFF).to_bytes(4, "little") for n in numbers)
    return data[_HEADER:] if data[:_HEADER] == current else None


_bundle: CodeBundle | None = None


def use_bundle(spec: ModuleSpec | None) -> None:
    """Let the modules of a package be found in its bundle, if it is a plain folder of files.

    Finders that others have put before Python's own are asked first, as they are for all modules.
    """
    global _bundle
    if spec is None or type(spec.loader) is not SourceFileLoader or PathFinder not in sys.meta_path:
        return
    if spec.origin is not None and spec.cached is not None:
        _bundle = CodeBundle(spec.name, os.path.dirname(spec.origin), f"{spec.cached}-bundle")
        sys.meta_path.insert(sys.meta_path.index(PathFinder), _bundle)


def release_bundle() -> None:
    """Let go of what was read of it: hundreds of modules, of which few are loaded from now on."""
    if _bundle is not None:
        _bundle.release()


def renew_bundle() -> None:
    """Write a bundle for the next program, if this one has missed much of it."""
    if _bundle is not None:
        _bundle.renew()
