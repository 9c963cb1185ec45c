"""The context of the call that runs, and what it can ask of the engine.

Enters: the marks of the runner (`state`). Leaves: `PymonikContext`, made once a call. Each service
is loaded when a task asks for it: most never do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from pymonik.runtime.executor import state as running
from pymonik.system.engine import ENGINE

if TYPE_CHECKING:
    from pathlib import Path

    from pymonik.environment.task_environment import TaskEnvironment
    from pymonik.environment.value import Environment
    from pymonik.files.materialize import Materialize
    from pymonik.wire.byte_cache import CacheInfo


class CallServices:
    """What the engine does for one call: see `record.services`."""

    def __init__(self, state: running.State) -> None:
        self._task = state.task
        self._fetch = state.fetch
        self._extension = state.extension
        self._caches: Callable[[], dict[str, CacheInfo]] = state.caches

    @property
    def is_local(self) -> bool:
        """Whether no ArmoniK worker runs the call."""
        return self._task is None

    def environment(self, wanted: Environment | None) -> TaskEnvironment:
        """Return the environment of the call, into which more can be installed."""
        from pymonik.environment.task_environment import TaskEnvironment

        return TaskEnvironment(wanted, running)

    def handler(self) -> Any:
        """Return the low-level handler of the worker, or a stand-in for it."""
        if self._task is not None:
            return self._extension().task_handler(*self._task)
        return LocalTaskHandler(running.STATE)

    def path_of(self, result_id: str) -> Path:
        """Return the file in which an object is, or would be, once it was retrieved."""
        from pymonik.runtime.executor.retrieve import path_of

        return path_of(result_id)

    def retrieve(self, result_id: str) -> None:
        """Bring an object here, into its file."""
        from pymonik.runtime.executor.retrieve import retrieve

        retrieve(result_id, self._fetch)

    def load(self, result_id: str) -> Any:
        """Return the object that was retrieved."""
        from pymonik.runtime.executor.retrieve import load

        return load(result_id)

    def is_there(self, mat: Materialize) -> bool:
        """Return whether a file or folder is in place already."""
        from pymonik.runtime.executor.materialize import is_there

        return is_there(mat)

    def install(self, mat: Materialize, content: Any) -> str:
        """Put a file or folder in place; return where it lies."""
        return _install(mat, content)

    def caches(self) -> dict[str, CacheInfo]:
        """Return what the executor keeps across tasks."""
        return dict(self._caches())


def context() -> Any:
    """Return the context of the call that runs now, None between calls."""
    state, made = running.STATE, running.STATE.made
    step, index, attempt = state.step, state.index, state.attempt
    if step is None:
        return None
    if made is None or made[0] is not step or made[1:3] != (index, attempt):
        from pymonik.record.context import PymonikContext

        own = PymonikContext(
            task_name=step.name,
            element=state.element,
            attempt=attempt,
            worker=state.worker,
            environment=state.environment,
            seed=state.seed,
            services=CallServices(state),
        )
        made = state.made = (step, index, attempt, own)
    return made[3]


def _install(mat: Materialize, content: Any) -> str:
    from pymonik.runtime.executor.materialize import put_in_place

    return put_in_place(mat, content)


def serve() -> None:
    """Let calls in this process find their contexts, and the files that they take."""
    ENGINE.context, ENGINE.install = context, _install


class LocalTaskHandler:
    """The low-level handler of a call on the embedded engine, where no ArmoniK runs the task.

    Programs read ids and options of it. Nothing was sent, so that there is no payload, and there
    are no dependencies.
    """

    def __init__(self, state: Any) -> None:
        from pymonik.values.options import DEFAULTS, as_armonik

        self.session_id: str = state.session_id
        self.task_id = f"{self.session_id}-{os.urandom(6).hex()}"
        self.task_options = as_armonik(state.step.options or DEFAULTS)
        self.payload = b""
        self.data_dependencies: dict[str, bytes] = {}
        self.expected_results: list[str] = []

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"the embedded engine has no {name!r} in its task_handler, since ArmoniK does not "
            "run the task"
        )
