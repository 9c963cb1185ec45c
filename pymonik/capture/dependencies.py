"""What a function imports: the modules its code names, and the packages that bring them.

Enters: a function. Leaves: names of top-level modules, and of distributions. Nothing is imported.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pymonik.capture.local_modules import is_local
from pymonik.capture.reachable import global_names, reachable
from pymonik.system.attributes import attribute


def imported(function: Callable[..., Any]) -> set[str]:
    """Return the top-level modules that a function needs where it runs.

    Those its globals name and those its code imports, also by way of helpers that travel along;
    neither the standard library nor what travels with the function.
    """
    modules: set[str] = set()
    for reached in reachable(function):
        modules.update(_in_code(reached.__code__))
        modules.update(_in_globals(reached))
    if not modules and getattr(function, "__module__", None):
        modules.add(str(function.__module__))
    tops = {name.partition(".")[0] for name in modules}
    return {top for top in tops if top not in sys.stdlib_module_names and _is_elsewhere(top)}


def _is_elsewhere(top: str) -> bool:
    return top not in ("__main__", "pymonik", "") and not is_local(top)


def _in_code(code: types.CodeType) -> Iterator[str]:
    import dis

    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _in_code(constant)


def _in_globals(function: types.FunctionType) -> Iterator[str]:
    names = set(global_names(function.__code__))
    for name in names & function.__globals__.keys():
        value = function.__globals__[name]
        if isinstance(value, types.ModuleType):
            yield value.__name__
        else:
            yield attribute(value, "__module__") or ""


@functools.lru_cache(maxsize=1)
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def brought_by(requirements: Iterable[str]) -> set[str]:
    """Return the top-level modules that packages bring, as far as they are installed here.

    A package that is not installed here may bring any: its own name stands for it.
    """
    wanted = [Requirement(text) for text in requirements]
    seen: set[str] = set()
    while wanted:
        name = canonicalize_name(wanted.pop().name)
        if name in seen:
            continue
        seen.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        wanted += [one for one in map(_read, needed) if one is not None and _applies(one)]
    tops = {
        top
        for top, names in _distributions().items()
        if any(canonicalize_name(name) in seen for name in names)
    }
    return tops | {name.replace("-", "_") for name in seen}


def _read(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def package_of(top: str) -> str:
    """Return the name under which a module is installed."""
    return (_distributions().get(top) or [top])[0]


def versions(function: Callable[..., Any], also: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions of the packages that a function imports from, "" for what is no package.

    also: further top-level modules that it needs.
    """
    tops = imported(function).union(also)
    return {name: _version(name) for name in sorted(set(map(package_of, tops)))}


# To look a version up reads files: once for each package that is referred to.
@functools.lru_cache(maxsize=256)
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
