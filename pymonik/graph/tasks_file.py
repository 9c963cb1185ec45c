"""The tasks of a session as a file: its wiring, to look at, price and compare later, elsewhere.

Enters: tasks and objects. Leaves: a file, and from a file the same tasks and objects. A file is a
zip archive with a `tasks.json`: `kind` ("pymonik-tasks"), `format` (1), `tasks` and `objects` with
the fields of `Task` and `Stored`. It holds no arguments and no code.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pymonik.errors import GraphFileError
from pymonik.graph.draw.tasks import Stored, Task

NAME = "tasks.json"
_KIND, _FORMAT = "pymonik-tasks", 1


def save_tasks(tasks: Sequence[Task], objects: Mapping[str, Stored], path: str) -> None:
    """Write tasks and objects to a file."""
    data = {
        "kind": _KIND,
        "format": _FORMAT,
        "tasks": [asdict(task) for task in tasks],
        "objects": {id: asdict(stored) for id, stored in objects.items()},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, json.dumps(data, indent=1))


def load_tasks(path: str) -> tuple[list[Task], dict[str, Stored]]:
    """Read such a file; raises GraphFileError when it is of another format."""
    with zipfile.ZipFile(path) as archive:
        data = json.loads(archive.read(NAME))
    found = (data.get("kind"), data.get("format"))
    if found != (_KIND, _FORMAT):
        raise GraphFileError(
            f"{path} has format {found[1]!r}, this PymoniK reads {_FORMAT}: use the one that "
            "wrote it"
        )
    objects = {id: Stored(**stored) for id, stored in data["objects"].items()}
    return [_task(task) for task in data["tasks"]], objects


def _task(data: Mapping[str, Any]) -> Task:
    fields: dict[str, Any] = {k: tuple(v) if type(v) is list else v for k, v in data.items()}
    fields["facts"] = tuple((name, text) for name, text in data["facts"])
    return Task(**fields)


def is_tasks_file(path: str) -> bool:
    """Tell whether a path is such a file."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return NAME in archive.namelist()
