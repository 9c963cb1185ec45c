"""Ids of stored values: handed out, taken back as handles, and given to files ahead of their calls.

Enters: handles, ids from elsewhere, files. Leaves: ids under which values are stored, and handles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymonik.client.engine import LazyBackend
from pymonik.client.locator import Locator
from pymonik.client.lookup import handle_of
from pymonik.client.state import ClientState
from pymonik.errors import NoClientError
from pymonik.graph.ir import Put
from pymonik.record.arguments import Arguments
from pymonik.record.handle import ResultHandle
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs

if TYPE_CHECKING:
    from pymonik.files.materialize import Materialize
    from pymonik.plan.unit import ValueLocation


def _never(result_id: object) -> ValueLocation:
    """Return where a value is that will never be: programs of 0.2.5 make such handles to stand in.

    Nobody is told of it before its value is asked for.
    """
    from pymonik.plan.unit import ValueLocation

    outputs = Outputs(1, 1)
    said = f"there is no such result: an id is a text, not {result_id!r}"
    outputs.fail(Failure("lost", said, str(result_id)))
    return ValueLocation((outputs,), 1, 0)


class StoredValues:
    """What of one client is stored under an id."""

    def __init__(
        self,
        state: ClientState,
        arguments: Arguments,
        engine: LazyBackend,
        locator: Locator,
    ) -> None:
        self._state = state
        self._arguments = arguments
        self._engine = engine
        self._locator = locator
        # What was uploaded by itself need not be read again, though no call has taken it yet.
        self._uploaded: dict[str, Content] = {}

    def result_id(self, handle: ResultHandle[Any]) -> str:
        """Return the id under which a value is stored, alone or with others of its unit."""
        node = handle._node
        self._locator.locate(node)
        with self._state.lock:  # another thread may be sending it: there is no id before
            location = node.location
        objects = self._engine.opened().traits.objects
        if type(node) is Put:
            return objects.store(node.content)
        location, index = location.at(node.offset + handle._index)
        outputs, place = location.locate(index)
        return objects.result_id(outputs, location.output or 0, place)

    def of_result(self, owner: Any, result_id: str, session_id: str) -> ResultHandle[Any]:
        """Return the handle, of an owner, of a value by its id: see `ResultHandle`."""
        if not (isinstance(result_id, str) and isinstance(session_id, str)):
            return handle_of(_never(result_id), str(result_id), owner)
        traits = self._engine.opened().traits
        if session_id != traits.session_id:
            raise NoClientError(
                f"result {result_id} belongs to session {session_id}, this client to "
                f"{traits.session_id}: use a client of that session, "
                f"Pymonik.attach({session_id!r})"
            )
        named = traits.objects.located(result_id)
        if named is None:
            raise LookupError(f"there is no result {result_id!r} in session {session_id}")
        return handle_of(named, result_id, owner)  # type: ignore[return-value]  # one value

    def upload(self, mat: Materialize, force: bool) -> Materialize:
        """Store a file or folder now; return it with its `result_id`.

        force: read and send it again, even if it is there. Raises FileNotFoundError,
        SourceChangedError.
        """
        with self._state.lock:
            # The lock: a flush stores the same contents, and the same file is to be read once.
            content = self._arguments.file(mat, force)
            self._uploaded[mat.content_hash] = content
            mat.result_id = self._engine.opened().traits.objects.store(content, force)
        return mat
