"""A stand-in for the low-level handler of an ArmoniK worker, where no ArmoniK runs the task.

Enters: what the executor knows of the running call. Leaves: what programs read of a `TaskHandler`:
ids and options. Nothing was sent, so that there is no payload, and there are no dependencies.
"""

from __future__ import annotations

import os
from typing import Any, NoReturn

from pymonik.values.options import DEFAULTS, as_armonik


class LocalTaskHandler:
    """The handler of one call on the embedded engine."""

    def __init__(self, state: Any) -> None:
        self.session_id: str = state.session_id
        self.task_id = f"{self.session_id}-{os.urandom(6).hex()}"
        self.task_options = as_armonik(state.step.options or DEFAULTS)
        self.payload = b""
        self.data_dependencies: dict[str, bytes] = {}
        self.expected_results: list[str] = []

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"the embedded engine has no {name!r} in its task_handler: no ArmoniK runs the task"
        )
