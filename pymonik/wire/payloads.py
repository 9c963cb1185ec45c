"""Payloads: what a task of a cluster is to do, as its envelope holds it.

Enters: what a plan, or a task that delegates, asks for. Leaves: what a worker reads: fields in the
order of the format, so that new ones come last and have defaults.
"""

from __future__ import annotations

from typing import Any

from pymonik.system.structs import NamedTuple
from pymonik.values.outcome import Failure


class TaskPayload(NamedTuple):
    """What a task is to run: the program of a unit, pickled, and what a host must know of it.

    digests: of its inputs, in the order of the task's dependencies. outputs: stored steps.
    limited: whether calls have deadlines. reports_error: it answers with an error when all of its
    values are failures, which ends its dependents unseen; else it stores the failures. environment:
    its wire form. has_folder: the last input is the archive of its working directory; has_modules:
    the last one before holds sources of modules. slots, optimize: for the compiler of sub-tasks.
    versions: of the packages that pickled data names, on the client. logs: what becomes of those of
    its calls: "" they stay with the worker, "note" or "pack" they travel.
    """

    program: bytes
    name: str
    n: int
    outputs: int
    digests: tuple[bytes, ...]
    output_digest: bytes
    limited: bool = False
    reports_error: bool = True
    environment: Any = None
    has_folder: bool = False
    slots: int = 1
    optimize: Any = True
    has_modules: bool = False
    versions: tuple[tuple[str, str], ...] = ()
    logs: str = ""

    @property
    def own_inputs(self) -> int:
        """The number of inputs that the program knows."""
        return len(self.digests) - self.has_folder - self.has_modules


class AssemblePayload(NamedTuple):
    """What puts a pack together out of values at hand and values that sub-tasks made.

    holes: (output or None, element, input, its output, its place).
    """

    name: str
    columns: list[list[Any]]
    errors: list[Failure]
    holes: list[tuple[int | None, int, int, int, int]]
    digests: tuple[bytes, ...]
    output_digest: bytes
    reports_error: bool = False
