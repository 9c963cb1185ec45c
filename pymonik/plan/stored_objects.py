"""What is stored in a session: contents, outcomes of units, tables.

Enters: units and contents, as requests for them are made. Leaves: the objects that they are stored
as, each once. Asks nothing, and stores nothing: ids are noted by who does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from pymonik.plan.requests import ClusterObject
from pymonik.plan.unit import Unit
from pymonik.values.content import Content
from pymonik.values.outputs import Outputs
from pymonik.wire import envelope


@dataclass
class StoredObjects:
    """What is stored: contents by digest, outcomes of units by their outputs."""

    contents: dict[bytes, ClusterObject] = field(default_factory=dict)
    outputs: WeakKeyDictionary[Outputs, ClusterObject] = field(default_factory=WeakKeyDictionary)
    numbers: int = 0
    # The working directories of environments, archived, by their hashes.
    folders: dict[str, Content] = field(default_factory=dict)
    # The tables that were stored.
    tables: list[ClusterObject] = field(default_factory=list)

    def forget_unsent(self) -> None:
        """Forget what a failed submission has not stored."""
        self.contents = {digest: o for digest, o in list(self.contents.items()) if o.id}
        for outputs, stored in self.outcomes():
            if not stored.id:
                self.outputs.pop(outputs, None)

    def outcomes(self) -> list[tuple[Outputs, ClusterObject]]:
        """Return the outputs, and where their outcomes are, as of one moment."""
        # Other threads add some meanwhile: `items` would stumble over them.
        unit_outputs = [ref() for ref in self.outputs.keyrefs()]
        entries = [
            (outputs, self.outputs.get(outputs)) for outputs in unit_outputs if outputs is not None
        ]
        return [(outputs, stored) for outputs, stored in entries if stored is not None]

    def ids_of(self, unit_outputs: Iterable[Outputs]) -> list[str]:
        """Return the ids of those outcomes that have one: other threads may drop some meanwhile."""
        entries = map(self.outputs.get, unit_outputs)
        return [stored.id for stored in entries if stored is not None and stored.id]

    def output_of(self, unit: Unit, session_id: str) -> ClusterObject:
        """Return where the outcome of a unit will be: chosen once, the same from then on."""
        declared = self.outputs.get(unit.outputs)
        if declared is not None:  # declared by a submission that was refused
            return declared
        self.numbers += 1
        if unit.result_id is not None:  # declared by the task that has handed it out
            digest = envelope.digest_of_names(unit.result_id)
            output = ClusterObject(unit.name, digest, id=unit.result_id)
        else:
            output = ClusterObject(unit.name, envelope.digest_of_names(session_id, self.numbers))
        self.outputs[unit.outputs] = output
        return output

    def content(
        self, content: Content, objects: list[ClusterObject], name: str = "blob"
    ) -> ClusterObject:
        """Return where a content is; one that is not stored yet is added to `objects`."""
        stored = self.contents.get(content.digest)
        if stored is None:
            stored = ClusterObject(
                name,
                content.digest,
                envelope.content_size(content),
                lambda: envelope.seal_content(content),
            )
            self.contents[content.digest] = stored
            objects.append(stored)
        return stored

    def outcome(
        self, outputs: Outputs, session_id: str, objects: list[ClusterObject]
    ) -> ClusterObject:
        """Return where an outcome is; what failed without a trace is added to `objects`."""
        stored = self.outputs.get(outputs)
        if stored is not None:
            return stored
        self.numbers += 1
        digest = envelope.digest_of_names(session_id, self.numbers)
        if outputs.missing:  # of another session: only when steps are counted, not sent
            return ClusterObject("", digest)
        parts = envelope.seal_pack(digest, outputs.columns, outputs.errors)
        stored = ClusterObject("outcome", digest, envelope.size_of(parts), lambda: parts)
        self.outputs[outputs] = stored
        objects.append(stored)
        return stored

    def folder(self, environment: Any) -> Content | None:
        """Return the archive of an environment's working directory, made once."""
        if not environment or not environment.working_hash:
            return None
        archive = self.folders.get(environment.working_hash)
        if archive is None:
            archive = self.folders[environment.working_hash] = Content(environment.archive())
        return archive
