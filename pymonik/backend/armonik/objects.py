"""Objects of a session by their ids and names, whoever stored them.

Enters: outputs, contents, ids, names and keys. Leaves: ids, and where values are. Values that other
programs made get outputs like those of units sent from here.
"""

from __future__ import annotations

from collections.abc import Mapping

from armonik.protogen.common.result_status_pb2 import RESULT_STATUS_COMPLETED

from pymonik.backend.armonik.session import Session
from pymonik.backend.armonik.shared_cache import SharedCache, adopted
from pymonik.backend.armonik.submit import Sender
from pymonik.backend.armonik.tracker import SubmissionTracker
from pymonik.errors import ClusterError
from pymonik.files.materialize import content_of_bytes
from pymonik.plan.requests import NO_ID, ClusterObject, result_name
from pymonik.plan.unit import ValueLocation
from pymonik.values.content import Content
from pymonik.values.outputs import Outputs, stored_in, value_id
from pymonik.wire import envelope


class ClusterObjects:
    """Stores objects, and finds those of others: see `protocol.StoresObjects`, `SharesValues`."""

    def __init__(self, session: Session, tracker: SubmissionTracker, sender: Sender) -> None:
        self._session = session
        self._tracker = tracker
        self._sender = sender
        self._shared = SharedCache(session, tracker, lambda ids: sender.listen().ask(ids))

    def result_id(self, outputs: Outputs, output: int, place: int) -> str:
        """Return the id of a value of a unit; "" when it is not stored."""
        stored = self._tracker.stored_objects.outputs.get(outputs)
        return value_id(stored.id, outputs, output, place) if stored is not None else ""

    def store(self, content: Content, resend: bool = False) -> str:
        """Store an object now."""
        return self._sender.store(content, resend).id

    def holds(self, content: Content) -> bool:
        """Return whether a content is stored in this session."""
        return content.digest in self._tracker.stored_objects.contents

    def find(self, wanted: Mapping[str, str]) -> Mapping[str, ValueLocation]:
        """Return where values of keys are that other programs of this session have made."""
        return self._shared.find(wanted)

    def lookup(self, name: str) -> ValueLocation | None:
        """Return where the value of a name is, whichever program made it."""
        entry = self._session.names().get(name)
        if entry is None:
            return None
        stored, chunk, output, start, length = entry
        id, digest, n, _ = stored[0]
        if not n:
            return ValueLocation(content=self._find_content(name, id, digest))
        unit_outputs = tuple(adopted(self._tracker, name, *place) for place in stored)
        self._sender.listen().ask([id for id, *_ in stored])
        return ValueLocation(unit_outputs, chunk, output, start, length)

    def located(self, result_id: str) -> ValueLocation | None:
        """Return where the value of an id is, whichever program made it."""
        id, output, place = stored_in(result_id)
        for outputs, stored in self._tracker.stored_objects.outcomes():
            if stored.id == id:
                return ValueLocation((outputs,), outputs.n, output or 0, place)
        row = self._session.statuses([id]).get(id)
        if row is None:
            return None
        if row.status == RESULT_STATUS_COMPLETED and output is None:
            content = self._content_of(id)
            if content is not None:
                return ValueLocation(content=content)
        # Nothing more is known of it: its name stands for the digest that its submitter chose.
        shape = place + 1, (output or 0) + 1
        outputs = adopted(self._tracker, row.name, id, envelope.digest_of_names(id), *shape)
        self._sender.listen().ask([id])
        return ValueLocation((outputs,), outputs.n, output or 0, place)

    def _content_of(self, id: str) -> Content | None:
        """Return what is stored as an object, None of a unit; what PymoniK did not write are bytes.

        Nobody has sent those to be loaded as a pickle.
        """
        data = self._session.download(id)
        if not envelope.is_ours(data):
            return content_of_bytes(bytes(data))
        opened = envelope.unseal(data)
        if opened.kind != envelope.CONTENT:
            return None
        content = envelope.content_of(opened)
        self._tracker.stored_objects.contents.setdefault(
            content.digest, ClusterObject("", content.digest, id=id)
        )
        return content

    def _find_content(self, name: str, id: str, digest: bytes) -> Content:
        """Fetch an object that was put; its id is unknown where both were stored at once."""
        ids = [] if id.startswith(NO_ID[0]) else [id]
        ids = ids or [r.result_id for r in self._session.list_results(name=[result_name(name)])]
        for result_id in ids:
            opened = self._session.open_result(result_id)
            if opened.kind == envelope.CONTENT and opened.claim == digest:
                self._tracker.stored_objects.contents[digest] = ClusterObject(
                    name, digest, id=result_id
                )
                return envelope.content_named(opened, digest)
        raise ClusterError(f"the object named {name!r} is gone from session {self._session.id}")
