"""Backends: what carries out a plan. `open_backend` chooses one.

A backend knows units, cells and contents; it knows no node, no pass and no user function.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pymonik.backend.traits import TRAITS
from pymonik.errors import BackendError, OptionsError
from pymonik.settings import steering, variable

if TYPE_CHECKING:
    from pymonik.plan.plan import Plan
    from pymonik.plan.unit import ValueLocation
    from pymonik.system.surroundings import SurroundingsWatch
    from pymonik.values.content import Content
    from pymonik.values.outcome import Failure
    from pymonik.values.outputs import Outputs, Wanted


class Backend(Protocol):
    """Carries out plans; fills the cells of their units and notifies `changed`."""

    name: str
    # Whether plans leave this process: `submit` then waits for others, and may do so in any thread.
    is_remote: bool
    session_id: str
    slots: int
    # Seconds an element took so far, by the names of units; none where nobody looks.
    durations: Mapping[str, float]
    changed: Any
    failures: list[Failure]
    # Why values that are waited for will not come; raised where they are waited for.
    problem: BaseException | None
    # Bytes of the submission under way that were sent, and all of its bytes.
    upload: tuple[int, int]

    def prepare(self, calls: int) -> None:
        """Get ready for a plan of so many calls, which is being compiled."""

    def submit(self, plan: Plan) -> None:
        """Send a plan."""

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Bring records here, by their elements, once they are made: somebody waits for them."""

    def expects(self, cell: Outputs) -> bool:
        """Return whether a unit, or a fetch, will still bring records of a cell; from any
        thread.
        """

    def result_id(self, cell: Outputs, output: int, place: int) -> str:
        """Return the id under which a value of a unit is stored."""

    def located(self, result_id: str) -> ValueLocation | None:
        """Return where the value of an id is, whoever made it; None when there is no such id."""

    def store(self, content: Content, again: bool = False) -> str:
        """Store an object now, unless it is stored and not to be sent `again`; give its id."""

    def holds(self, content: Content) -> bool:
        """Return whether an earlier submission has stored a content, so that it travels no more."""

    def lookup(self, name: str) -> ValueLocation | None:
        """Return where a value that another program has named is; None when there is none."""

    def values(self, wanted: Mapping[str, str]) -> Mapping[str, ValueLocation]:
        """Return where values of keys are that other programs of the session have made, or make.

        wanted: keys, and the names of their tasks.
        """

    def drain(self) -> None:
        """Wait for what tasks submitted themselves; gather `failures` that never came here."""

    @property
    def running(self) -> int:
        """Units that run now, as far as it is known here."""

    def progress(self) -> tuple[int, int]:
        """Return how many units have ended, and how many were sent."""

    def cancel(self, cell: Outputs) -> bool:
        """Stop a unit; True when it will not run to its end."""

    def cancel_all(self, reason: str) -> None:
        """Stop all that is unfinished."""

    def watch(self, add: Callable[[], bool], callback: Callable[[], None]) -> None:
        """Run `add` where cells are filled; when it says that it came too late, call back."""

    def close(self) -> None:
        """Let go of everything; values that have come stay."""


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
        return given  # type: ignore[no-any-return]
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
    if name == "dry-run":
        from pymonik.backend.dry_run import DryRunBackend

        return DryRunBackend(workers)
    if name == "local":
        from pymonik.backend.local import LocalBackend

        return LocalBackend(workers, optimize, surroundings)
    if name == "inline":
        from pymonik.backend.inline import InlineBackend

        return InlineBackend(workers, optimize, surroundings)
    from pymonik.backend.armonik import open_cluster

    opened: Backend = open_cluster(optimize, workers=workers, **connection)
    return opened
