"""The requests that carry a plan.

They are over `ClusterObject`s whose ids are known once the request that makes them was answered.
`make_requests` makes them, `dispatch` walks them.

    declare   the outputs of all units, and objects too big for a request
    create    small objects and the payloads of tasks, packed by bytes
    stream    one big object
    submit    at most 1 000 units, consumers first: none can start, and none fail, before the last
              request is in
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pymonik.system.structs import NamedTuple
from pymonik.values.foreign import storable
from pymonik.wire.envelope import Parts

# Characters: names are for people, and stand in each row of a table.
_NAME_LENGTH = 64
# The tables that tell other programs of a session where values are: by names, by keys.
NAMES = "pymonik:names"
VALUES = "pymonik:values"
# Notes of tasks, which their client reads in the end: failures and logs in no pack that it fetched.
FAILURES = "pymonik:failures"
LOGS = "pymonik:logs"
# The name of what a task is to do; "payload of price" where it makes what another has promised.
PAYLOAD = "payload"
# The namespace of applications that no user has named: their name is that of the script, their
# service that of the functions which a task runs.
APPLICATION = "pymonik"
# What ids look like before there are any: GUIDs have 36 characters.
NO_ID = "?" * 36


class ClusterObject:
    """Something stored: an id once it is known, a digest, and its bytes until it was sent."""

    __slots__ = ("__weakref__", "digest", "id", "name", "parts", "size")

    def __init__(
        self,
        name: str,
        digest: bytes = b"",
        size: int = 0,
        parts: Callable[[], Parts] | None = None,
        id: str = "",
    ) -> None:
        self.name = result_name(name)
        self.digest = digest
        self.size = size
        self.parts = parts
        self.id = id

    @property
    def any_id(self) -> str:
        """Its id, or a unique text of the same length."""
        return self.id or f"{NO_ID[0]}{id(self):035d}"


class Placement(NamedTuple):
    """The options of a task that a cluster is sent; the others are for compilers and hosts."""

    partition: str = ""
    priority: int = 1
    application_name: str = ""
    application_version: str = ""
    application_namespace: str = ""
    application_service: str = ""
    engine_type: str = ""
    labels: tuple[tuple[str, str], ...] = ()


def result_name(name: str) -> str:
    """Return the name under which a result is stored."""
    name = storable(name)
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"


@dataclass(frozen=True)
class TaskSubmission:
    """A task: its payload, where its pack goes, what it needs, and how it is placed."""

    payload: ClusterObject
    output: ClusterObject
    inputs: tuple[ClusterObject, ...]
    placement: Placement


@dataclass(frozen=True)
class Declare:
    """Get ids for objects whose data come later."""

    objects: Sequence[ClusterObject]


@dataclass(frozen=True)
class Create:
    """Store small objects and get their ids."""

    objects: Sequence[ClusterObject]


@dataclass(frozen=True)
class Stream:
    """Send the data of one declared object."""

    object: ClusterObject


@dataclass
class Submit:
    """Submit tasks; `placement` is that of most of them, `is_done` set once they are taken."""

    entries: Sequence[TaskSubmission]
    placement: Placement
    is_done: bool = False


ClusterRequest = Declare | Create | Stream | Submit


def packed(items: Sequence[Any], limit: int, size: Callable[[Any], int]) -> Iterator[list[Any]]:
    """Split items into as few requests as their order allows."""
    batch: list[Any] = []
    total = 0
    for item in items:
        if batch and total + size(item) > limit:
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size(item)
    if batch:
        yield batch


def consumers_first(entries: Sequence[TaskSubmission]) -> list[TaskSubmission]:
    """Order tasks, given producers first: by level, the last level first, else as they were given.

    Queues are served in order of arrival: what is ready starts in the order of the program.
    """
    levels: dict[int, int] = {}
    for entry in entries:
        below = [levels.get(id(source), 0) for source in entry.inputs]
        levels[id(entry.output)] = 1 + max(below, default=0)
    return sorted(entries, key=lambda entry: -levels[id(entry.output)])
