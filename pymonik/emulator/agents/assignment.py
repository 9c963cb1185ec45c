"""One task in the hands of a worker: its folder, and all that it asked for so far.

Nothing of it is visible outside before the worker answered ok; then `success` turns the whole into
one event. After an error the buffers are simply forgotten.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from pymonik.emulator.engine import Engine, Refused
from pymonik.emulator.state import TaskRecord, events


class Broken(Exception):
    """The task cannot go on, and trying again would not help."""


class TaskAssignment:
    """The buffers of one running task; used as a context that removes its folder."""

    def __init__(self, engine: Engine, task: TaskRecord, cache: Path, chunk_size: int) -> None:
        self.task = task
        self.token = str(uuid.uuid4())
        self.folder = cache / self.token
        self._engine = engine
        self._chunk_size = chunk_size
        self._created: list[events.NewResult] = []
        self._data: dict[str, bytes] = {}
        self._notified: dict[str, None] = {}
        self._offers: list[events.Offer] = []

    def __enter__(self) -> TaskAssignment:
        self.folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def prefetch(self) -> None:
        """Write the payload and every dependency into the folder, one after the other."""
        for result_id in (self.task.payload_id, *self.task.dependencies):
            try:
                self.fetch(result_id)
            except Refused as refused:
                raise Broken(f"{refused.reason} (input {result_id})") from refused

    def fetch(self, result_id: str) -> None:
        """Write the data of any completed result into the folder."""
        with self._engine.reading() as tables:
            result = tables.results.get(result_id)
            object_id = b"" if result is None else result.object_id
        chunks = self._engine.objects.find(object_id)
        if chunks is None:
            if result is not None:
                (self.folder / result_id).touch()  # the engine opens the file, then finds no data
            raise Refused("NOT_FOUND", "ResultId not found")
        with (self.folder / result_id).open("wb") as file:
            file.writelines(chunks)

    def create(self, session_id: str, name: str, data: bytes | None = None) -> events.NewResult:
        """Note a new result, with its data if given, and draw its id.

        The engine takes any session, and none; strict mode only that of the task.
        """
        if self._engine.settings.strict and session_id != self.task.session_id:
            raise Refused(
                "INVALID_ARGUMENT",
                f"strict: a result for session '{session_id}' from a task of session "
                f"'{self.task.session_id}': a cluster would create it there",
            )
        new = events.NewResult(str(uuid.uuid4()), name, session_id=session_id)
        self._created.append(new)
        if data is not None:
            self._data[new.id] = data
        return new

    def notify(self, result_id: str) -> None:
        """Note that the file of this name in the folder is the data of a result."""
        self._notified[result_id] = None

    def submit(self, offer: events.Offer) -> None:
        """Note sub-tasks, if the session admits them."""
        self._engine.report(offer)
        self._offers.append(offer)

    def success(self) -> events.Succeed:
        """Store all data and describe the whole as one event."""
        stored = [self._store(result_id, [data]) for result_id, data in self._data.items()]
        for result_id in self._notified:
            stored.append(self._store(result_id, self._file(result_id)))
        return events.Succeed(
            self.task.id, tuple(self._created), tuple(stored), tuple(self._offers)
        )

    def _store(self, result_id: str, chunks: Iterator[bytes] | list[bytes]) -> events.StoredObject:
        object_id, size = self._engine.objects.add(chunks)
        return events.StoredObject(result_id, object_id, size)

    def _file(self, result_id: str) -> Iterator[bytes]:
        path = self.folder / result_id
        if not path.exists():
            if self._engine.settings.strict:
                raise Broken(
                    f"strict: the worker announced data for '{result_id}' but wrote no such file: "
                    "a cluster would store an empty result"
                )
            return
        with path.open("rb") as file:
            while chunk := file.read(self._chunk_size):
                yield chunk
