"""Values that lie out of line, beside their packs: a large one is a result of its own.

Enters: the records of a unit that has ended, or packs among the inputs of a task. Leaves: packs
that stay small, with an `OutOfLine` in place of each large value; or those large values that a
program uses, brought here. Their siblings stay where they are.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

from pymonik.plan.unit import Unit
from pymonik.runtime.worker.agent import AgentStore
from pymonik.runtime.worker.inputs import ContentCache, open_file
from pymonik.settings import settings
from pymonik.values.content import Content
from pymonik.values.outcome import Failure, OutOfLine
from pymonik.values.outputs import Outputs
from pymonik.wire import envelope

Columns = Sequence[Sequence[Any]]


def move_out_of_line(name: str, columns: Columns, store: AgentStore) -> Columns:
    """Store the large values of a pack as results of their own; alone in its pack, one stays."""
    if sum(map(len, columns)) == 1:
        return columns
    limit = settings().apart_size
    large_columns = [[_large(record, limit) for record in column] for column in columns]
    contents = {content.digest: content for large in large_columns for content in large if content}
    if not contents:
        return columns
    ids = store.create([(name, envelope.seal_content(content)) for content in contents.values()])
    references = {
        digest: OutOfLine(id, digest, content.size)
        for (digest, content), id in zip(contents.items(), ids)
    }
    return [
        [
            references[content.digest] if content else record
            for record, content in zip(column, large)
        ]
        for column, large in zip(columns, large_columns)
    ]


def _large(record: Any, limit: int) -> Content | None:
    """Return a record as a content when it is large."""
    kind = type(record)
    if kind is Content:
        return record if record.size > limit else None
    if kind in (bytes, str) and len(record) > limit:
        return Content(pickle.dumps(record, protocol=5))
    return None


def fetch_out_of_line(unit: Unit, store: AgentStore, cache: ContentCache) -> None:
    """Put the values that a unit uses, and that lie out of line, into its inputs."""
    if not any(_has_apart(outputs) for outputs in unit.needs):
        return
    places: dict[OutOfLine, list[tuple[Outputs, int, int]]] = {}
    for source, output, place in unit.program.uses():
        outputs = unit.inputs[source]
        assert isinstance(outputs, Outputs)
        record = outputs.columns[output][place]
        if type(record) is OutOfLine:
            places.setdefault(record, []).append((outputs, output, place))
    contents: dict[OutOfLine, Any] = {
        reference: cache.find(reference.digest) for reference in places
    }
    missing = [reference for reference, content in contents.items() if content is None]
    is_there = store.fetch_files({reference.id: reference.size for reference in missing})
    for reference in missing:
        contents[reference] = (
            cache.content(open_file(store.folder, reference.id, reference.digest))
            if reference.id in is_there
            else Failure("lost", "its value is gone from the cluster", "?")
        )
    for reference, wanted in places.items():
        for outputs, output, place in wanted:
            outputs.columns[output][place] = contents[reference]


def _has_apart(outputs: Outputs) -> bool:
    return any(type(record) is OutOfLine for column in outputs.columns for record in column)
