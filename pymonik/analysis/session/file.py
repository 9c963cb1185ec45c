"""The tasks of a session as a file: its wiring, to look at, price and compare later, elsewhere.

Enters: tasks and objects. Leaves: a file, and from a file the same tasks and objects. A file is a
zip archive with a `tasks.json`: `kind` ("pymonik-tasks"), `format` (1), `tasks` and `objects` with
the fields of `SessionTask` and `SessionObject`. It holds no arguments and no code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pymonik.analysis import archive
from pymonik.analysis.session.tasks import SessionObject, SessionTask, TaskGraph
from pymonik.errors import GraphFileError

NAME = "tasks.json"
_KIND, _FORMAT = "pymonik-tasks", 1
# More has no object, nor can it be told as so many terabytes.
_BYTES = 1 << 62


def save_tasks(
    tasks: Sequence[SessionTask], objects: Mapping[str, SessionObject], path: str
) -> None:
    """Write tasks and objects to a file."""
    data = {
        "kind": _KIND,
        "format": _FORMAT,
        "tasks": [asdict(task) for task in tasks],
        "objects": {id: asdict(stored) for id, stored in objects.items()},
    }
    with archive.created(path) as file:
        file.writestr(NAME, json.dumps(data, indent=1))


def load_tasks(path: str) -> tuple[list[SessionTask], dict[str, SessionObject]]:
    """Read such a file; raises GraphFileError when it is none, or of another format."""
    from pydantic import TypeAdapter

    with archive.opened(path, "file of tasks") as file:
        data = file.json(NAME)
        header = (data.get("kind"), data.get("format"))
        if header != (_KIND, _FORMAT):
            raise GraphFileError(
                f"{path} has format {header[1]!r:.40}, this PymoniK reads {_FORMAT}: read it "
                "with the version of PymoniK that wrote it"
            )
        tasks = TypeAdapter(list[SessionTask]).validate_python(data["tasks"])
        objects = TypeAdapter(dict[str, SessionObject]).validate_python(data["objects"])
        for id, stored in objects.items():
            if not 0 <= stored.size <= _BYTES:
                raise GraphFileError(f"{path} is damaged: no object has the size of {id!r:.40}")
        TaskGraph(tasks, objects)  # refuses what has no order
        return tasks, objects


def is_tasks_file(path: str) -> bool:
    """Return whether a path is such a file."""
    return archive.holds(path, NAME)
