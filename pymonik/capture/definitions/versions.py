"""Which versions of classes contents refer to, and whether those of this process are the same.

Enters: the buffers of contents. Leaves: answers, and blocks in which certain versions hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pymonik.capture.definitions.as_captured import are_live
from pymonik.capture.definitions.record import closure, header_of
from pymonik.capture.definitions.registry import TABLE
from pymonik.values.content import Definition


def are_here(buffers: Sequence[Any]) -> bool:
    """Return whether this program has, under their names, all classes that a content refers to."""
    heads = [header_of(buffer) for buffer in buffers if type(buffer) is Definition]
    return all(TABLE.is_here(head) for head in heads if head.outline)


def are_current(buffers: Sequence[Any]) -> bool:
    """Return whether the classes of this program still are what a content says of them."""
    definitions = [buffer for buffer in buffers if type(buffer) is Definition]
    return all(map(TABLE.lookup.is_as_said, definitions))


def is_live(buffer: Any) -> bool:
    """Return whether the class of this program serves where a definition is loaded."""
    return type(buffer) is not Definition or are_live((buffer,), TABLE.lookup.is_as_said)


def known_by(buffers: Sequence[Any]) -> dict[str, Any]:
    """Return the classes that a content was loaded with, by their ids."""
    parts = {header_of(b).id: b for b in buffers if type(b) is Definition}
    objects = {name: TABLE.lookup.find(name, closure(name, parts)) for name in parts}
    return {name: obj for name, obj in objects.items() if obj is not None}


@contextmanager
def as_seen_by(classes: dict[str, Any]) -> Iterator[None]:
    """Let classes be those that a function was loaded with, where it knows them."""
    outer = TABLE.forced.objects
    TABLE.forced.objects = {**outer, **classes} if outer else classes
    try:
        yield
    finally:
        TABLE.forced.objects = outer
