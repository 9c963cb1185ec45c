"""What is known of the values of a node: no part of the graph, and changed as the program runs.

Enters: what recording, flushes and handles know of values. Leaves: the fields that nodes have for
it (`nodes`), and the liveness of values, by which a flush sees what is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymonik.values.location import Location


class ValueState:
    """What a scope knows of the values of a node: no part of the graph, and changed as it runs.

    label: the name of a value or of a whole map, or names of elements by their places. ids: those
    that were handed out for values before they exist, by their places. location, offset: where the
    values will be found; set by the flush. spawn_key: where seeds come from (`values.seeds`), given
    before a call leaves the recorder. held: the arguments of a call as they were given, until a
    flush takes it: see `slots`.

    It is a part of the node object, since a call is recorded in about two microseconds; so nodes
    name these fields among their own. Who writes them stands in `tests/graph/test_written.py`.
    """

    __slots__ = ()
    held: tuple[Any, ...] | None
    label: str | dict[int, str] | None
    ids: dict[int, str] | None
    location: Location | None
    offset: int
    spawn_key: Any


# The fields of `ValueState`, as slots: a class that is a weak reference has no other base with any.
STATE = ("held", "ids", "label", "location", "offset", "spawn_key")


class Liveness:
    """While it lives, somebody can ask for the values of a node: the handles of one map hold it."""

    __slots__ = ("__weakref__",)


# Of calls whose values are always wanted.
ALWAYS = Liveness()
