"""Backends: what carries out a plan. `choose` picks one, `open_backend` opens it.

A backend knows units, outputs and contents; it knows no node, no pass and no user function. What
all of them do, and what only some, stands in `protocol`; how they differ, by `traits`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pymonik.backend.protocol import Backend
from pymonik.backend.traits import TRAITS
from pymonik.errors import BackendError, OptionsError
from pymonik.settings import steering, variable

if TYPE_CHECKING:
    from pymonik.system.surroundings import SurroundingsWatch

__all__ = ["Backend", "choose", "endpoint", "open_backend", "workers"]


def choose(backend: str | None, endpoint: str | None) -> str:
    """Choose a backend: the variable, the argument, then whether a cluster is configured."""
    for source, name in (
        (variable("backend"), steering("backend")),
        ("backend=", backend),
    ):
        if name:
            if name not in TRAITS:
                raise BackendError(f"{source} is {name!r}: there are {', '.join(TRAITS)}")
            return name
    for source, given in (
        ("endpoint=", endpoint),
        ("AK_ENDPOINT", os.environ.get("AK_ENDPOINT")),
        ("AKCONFIG", os.environ.get("AKCONFIG")),
    ):
        if given is not None:
            if not isinstance(given, str) or not given.strip():
                raise BackendError(
                    f'{source} is {given!r}: give "host:port", or leave it out to run here'
                )
            return "armonik"
    return "local"


def endpoint(given: str | None) -> str | None:
    """Choose the endpoint: the variable, which scripts are run elsewhere by, then the argument."""
    return steering("endpoint") or given


def workers(given: Any) -> int | None:
    """Choose the number of workers: the variable, then the argument. Raises OptionsError."""
    whole = isinstance(given, int) and not isinstance(given, bool) and given > 0
    if given is not None and not whole:
        raise OptionsError(f"workers takes a whole number of at least 1, not {given!r}")
    text = steering("workers")
    if not text:
        count: int | None = given
        return count
    if not text.isdecimal() or not int(text):
        raise BackendError(f"PYMONIK_WORKERS is {text!r}: give a whole number of at least 1")
    return int(text)


def open_backend(
    name: str,
    workers: int | None,
    optimize: Any,
    surroundings: SurroundingsWatch | None = None,
    **connection: Any,
) -> Backend:
    """Open a backend by name. surroundings: those of calls, if they run on this machine."""
    from pymonik.system.deferred_signals import Loading  # not for `import pymonik`

    if name == "dry-run":
        with Loading():
            from pymonik.backend.dry_run import DryRunBackend
        return DryRunBackend(workers)
    if name == "local":
        with Loading():
            from pymonik.backend.local import LocalBackend
        return LocalBackend(workers, optimize, surroundings)
    if name == "inline":
        with Loading():
            from pymonik.backend.inline import InlineBackend
        return InlineBackend(workers, optimize, surroundings)
    with Loading():
        from pymonik.backend.armonik import open_cluster
    opened: Backend = open_cluster(optimize, workers=workers, **connection)
    return opened
