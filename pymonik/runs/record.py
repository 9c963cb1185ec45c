"""The record of a run: what the database keeps, and what drawings and traces are made from."""

from __future__ import annotations

from typing import Any

from pymonik.backend.traits import TRAITS
from pymonik.system.structs import Struct, field

# What `PYMONIK_RUNS` says where no run is to be recorded.
OFF = "off"
# Stands between the session of another program, which a run has joined, and what is its own.
GUEST = "+"


class RunRecord(Struct, frozen=False):
    """A run; times in s, `spans` are (worker, unit's name, begin, seconds, elements).

    `id` is that of its session; of a run that has joined one of another, with a suffix.
    """

    id: str
    started: float
    script: str
    backend: str
    workers: int
    seconds: float = 0.0
    submissions: int = 0
    calls: int = 0
    units: int = 0
    failed: int = 0
    # Units that were cancelled, when the program left its block early.
    unfinished: int = 0
    drawings: list[dict[str, Any]] = field(default_factory=list)
    graphs: list[dict[str, Any]] = field(default_factory=list)
    spans: list[tuple[int, str, float, float, int]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def session_id(self) -> str:
        """The session that it ran in."""
        return self.id.partition(GUEST)[0]

    @property
    def is_remote(self) -> bool:
        """Whether a cluster ran it, which knows more of it."""
        return self.backend in TRAITS and TRAITS[self.backend].is_remote
