"""Local modules: those beside the user's script, which no worker has.

Enters: names of modules. Leaves: whether they are local, and their files, found by looking: nothing
is imported here for it. "Beside" is below the script's folder, the current one, or one that the
program has put on `sys.path`, and not installed; `PYMONIK_LOCAL_MODULES` names more or fewer. What
is in them is left to `source_closure`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from pymonik.settings import PACKAGE, settings

_OWN = PACKAGE + os.sep
# Python's own, asked about often.
_LIBRARY = os.path.dirname(os.__file__) + os.sep


def is_local(module_name: str | None) -> bool:
    """Return whether a module that is loaded here lies beside the user's script.

    `__main__` is left to cloudpickle, which carries it by value in any case.
    """
    if module_name is None or module_name == "__main__":
        return False
    module = sys.modules.get(module_name)
    return module is not None and lies_here(module_name, getattr(module, "__spec__", None), module)


def file_of(name: str) -> str | None:
    """Return the file of a module, None when it has none."""
    spec = spec_of(name)
    return spec.origin if spec is not None and spec.has_location else None


def file_stamp(path: str) -> tuple[int, int]:
    """Return time and size of a file, zeros when it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def always() -> list[str]:
    """Return the modules that the setting names, and those inside: they travel in any case."""
    names = [name for name in _listed() if not name.startswith("-")]
    if not names:
        return []
    import pkgutil  # not for a first result

    for name in list(names):
        folders = getattr(spec_of(name), "submodule_search_locations", None)
        names += [info.name for info in pkgutil.walk_packages(folders or [], name + ".", str)]
    return names


def spec_of(name: str) -> ModuleSpec | None:
    """Find a module, without importing it or the packages around it."""
    module = sys.modules.get(name)
    if module is not None:
        return getattr(module, "__spec__", None)
    parent = name.rpartition(".")[0]
    path = None
    if parent:
        above = spec_of(parent)
        if above is None or above.submodule_search_locations is None:
            return None
        path = _search_path(above)
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        try:
            spec: ModuleSpec | None = find(name, path) if find is not None else None
        except KeyError:  # as below: it asks for its folders when it is found
            return None
        if spec is not None:
            return spec
    return None


def _search_path(spec: ModuleSpec) -> list[str]:
    try:
        return list(spec.submodule_search_locations or ())
    except KeyError:
        # A namespace package asks the one around it, which is gone if its own import has failed.
        return []


def lies_here(name: str, spec: ModuleSpec | None, module: Any = None) -> bool:
    """Return whether a module that was found, loaded or not, lies beside the user's script."""
    if hasattr(getattr(spec, "loader", None), "pymonik_shipped"):  # it came here by this way
        return False
    listed = _in_settings(name)
    if listed is not None:
        return listed
    file = getattr(module, "__file__", None) or (spec.origin if spec and spec.has_location else "")
    if file:
        return _is_local_file(file) or (module is not None and _is_beside_nothing(name, file))
    folders = _search_path(spec) if spec is not None else []
    return bool(folders) and all(_is_local_file(os.path.join(f, "__init__.py")) for f in folders)


@lru_cache(maxsize=1)
def _listed() -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in settings().local_modules.split(","))))


def _in_settings(name: str) -> bool | None:
    """Return what the setting says of a module, the most exact entry; None when it says nothing."""
    best, answer = "", None
    for entry in _listed():
        listed = entry.lstrip("-")
        if (name == listed or name.startswith(listed + ".")) and len(listed) >= len(best):
            best, answer = listed, not entry.startswith("-")
    return answer


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    import sysconfig

    paths = sysconfig.get_paths()
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return (*(paths[name] + os.sep for name in names), _OWN)


# Modules of a large program: each call asks about some, and to find a spec takes a look at folders.
@lru_cache(maxsize=4096)
def _is_beside_nothing(name: str, file: str) -> bool:
    """Return whether a module was loaded from a file that no import finds, as plug-ins are."""
    if not file.endswith(".py") or "." in name or file.startswith(_installed()):
        return False
    spec = PathFinder.find_spec(name)
    return spec is None or spec.origin is None or not _is_same_file(spec.origin, file)


def _is_same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


@lru_cache(maxsize=1)
def _here() -> tuple[str, ...]:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    folders = []
    with contextlib.suppress(FileNotFoundError):  # the current folder was removed
        folders.append(os.getcwd())
    if main and (os.path.isabs(main) or folders):
        folders.append(os.path.dirname(os.path.abspath(main)))
    return tuple(folder.rstrip(os.sep) + os.sep for folder in folders)


# Of the last `sys.path`: it seldom changes.
@lru_cache(maxsize=1)
def _added(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the folders of sources that the program has put on `sys.path` by itself."""
    # Python begins with those of this variable, of its library, of packages and their `.pth` files.
    begun = {*os.environ.get("PYTHONPATH", "").split(os.pathsep), *_linked(), ""}
    begun = {os.path.abspath(folder) for folder in begun}
    folders = [os.path.abspath(folder) for folder in path if isinstance(folder, str)]
    return tuple(f.rstrip(os.sep) + os.sep for f in folders if f not in begun and _has_sources(f))


def _has_sources(folder: str) -> bool:
    """Return whether a folder is there into which no packages were installed, as by `--target`."""
    try:
        return not any(name.endswith(".dist-info") for name in os.listdir(folder))
    except OSError:  # it is not there, or an archive
        return False


@lru_cache(maxsize=1)
def _linked() -> tuple[str, ...]:
    """Return the folders that `.pth` files name, as those of projects installed in place."""
    import site
    from pathlib import Path

    folders = []
    for packages in (*site.getsitepackages(), site.getusersitepackages()):
        for file in Path(packages).glob("*.pth"):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                lines = file.read_text().splitlines()
                folders += [os.path.join(packages, line.strip()) for line in lines]
    return tuple(folders)


# As many files as modules above.
@lru_cache(maxsize=4096)
def _is_local_file(path: str) -> bool:
    path = os.path.abspath(path)
    # In this order: to know where packages are installed takes a millisecond of loading.
    if path.startswith(_OWN) or "site-packages" in path or "dist-packages" in path:
        return False
    if not path.startswith(_here()) and (path.startswith(_LIBRARY) or not _is_added(path)):
        return False
    return not path.startswith(_installed())


def _is_added(path: str) -> bool:
    return path.startswith(_added(tuple(sys.path)))
