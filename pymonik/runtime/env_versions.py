"""Tells a client and a worker apart by their versions.

In: the client's Python and package versions, as it sent them, and the modules that its pickles
name. Out: a sentence about a Python that does not fit, and one warning for each package that
differs. What to do about either is the caller's; nothing is unpickled here.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata

_warned: set[tuple[str, str, str]] = set()


class VersionWarning(UserWarning):
    """A package has one version on the client and another on the worker."""


def python_mismatch(client: tuple[int, int], worker: tuple[int, int] | None = None) -> str | None:
    """Return what is wrong and what to do when the minor versions differ; `worker` is this one."""
    here = sys.version_info[:2] if worker is None else worker
    if client == here:
        return None
    theirs, ours = ".".join(map(str, client)), ".".join(map(str, here))
    return (
        f"the client runs Python {theirs}, the worker {ours}, and their pickles do not fit: "
        f"run the client with Python {ours}, or use a partition whose workers have {theirs}"
    )


def versions_of(modules: Iterable[str]) -> dict[str, str]:
    """Return top-level module → version of its distribution; what has none is left out."""
    names = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    found = {name: _version(name) for name in sorted(names)}
    return {name: version for name, version in found.items() if version}


def warn_of_differences(client: Mapping[str, str], modules: Iterable[str]) -> list[str]:
    """Warn, once a process, of packages in `modules` that the client has in another version.

    `client` is what `versions_of` said there. Returns the sentences that were new.
    """
    sentences = []
    for name, ours in versions_of(modules).items():
        theirs = client.get(name, ours)
        if theirs == ours or (name, theirs, ours) in _warned:
            continue
        _warned.add((name, theirs, ours))
        sentence = (
            f"{name} is {theirs} on the client and {ours} on the worker, and pickled data uses it: "
            f"ask for '{name}=={theirs}' in environment= if results differ"
        )
        sentences.append(sentence)
        warnings.warn(sentence, VersionWarning, stacklevel=2)
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
