"""Tells a client and a worker apart by their versions.

In: the client's Python and package versions, as it sent them, and the modules that its pickles
name. Out: a sentence about a Python that does not fit, and one for each package that differs. What
to do about either is the caller's; nothing is unpickled here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata

# The logger of what is found.
VERSIONS = "pymonik.versions"
# PymoniK itself has a wire version.
_OURS = frozenset({"__main__", "pymonik", "None"})
# What client and worker differ in, as far as it was logged: (module, there, here).
_reported: set[tuple[str, str, str]] = set()


def python_mismatch(client: tuple[int, int], worker: tuple[int, int] | None = None) -> str | None:
    """Return what is wrong and what to do when the minor versions differ; `worker` is this one."""
    running = sys.version_info[:2] if worker is None else worker
    if client == running:
        return None
    theirs, ours = ".".join(map(str, client)), ".".join(map(str, running))
    return (
        f"the client runs Python {theirs}, the worker {ours}, and their pickles do not fit: "
        f"run the client with Python {ours}, or use a partition whose workers have {theirs}"
    )


def versions_of(modules: Iterable[str]) -> dict[str, str]:
    """Return top-level module → version of its distribution; what has none is left out."""
    names = {str(module).partition(".")[0] for module in modules} - sys.stdlib_module_names - _OURS
    versions = {name: _version(name) for name in sorted(names)}
    return {name: version for name, version in versions.items() if version}


def differences(client: Mapping[str, str], pinned: Iterable[str] = ()) -> list[str]:
    """Yield a sentence for each package that the client has in another version, once a process.

    client: what `versions_of` said there. pinned: distributions that were asked for, and are right.
    """
    sentences = []
    asked = {name.replace("-", "_") for name in pinned}
    for name, ours in versions_of(client).items():
        theirs = client[name]
        if theirs == ours or name in asked or (name, theirs, ours) in _reported:
            continue
        _reported.add((name, theirs, ours))
        sentences.append(
            f"{name} is {theirs} on the client and {ours} on the worker, and pickled data uses it: "
            f"ask for '{name}=={theirs}' in environment= if results differ"
        )
    return sentences


@cache
def _version(module: str) -> str:
    # Most distributions are called like their module; reading all their file lists takes a while.
    try:
        return metadata.version(module)
    except metadata.PackageNotFoundError:
        pass
    for distribution in _distributions().get(module, ()):
        return metadata.version(distribution)
    return ""


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
