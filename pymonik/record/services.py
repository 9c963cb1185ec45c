"""What an engine does for a call that runs: see `runtime.executor.context` for one that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from pymonik.environment.task_environment import TaskEnvironment
    from pymonik.environment.value import Environment
    from pymonik.files.materialize import Materialize
    from pymonik.wire.byte_cache import CacheInfo


class Services(Protocol):
    """What an engine does for a call that runs."""

    @property
    def is_local(self) -> bool:
        """Whether no ArmoniK worker runs the call."""

    def environment(self, wanted: Environment | None) -> TaskEnvironment:
        """Return the environment of the call, into which more can be installed."""

    def handler(self) -> Any:
        """Return the low-level handler of the worker, or a stand-in for it."""

    def path_of(self, result_id: str) -> Path:
        """Return the file in which an object is, or would be, once it was retrieved."""

    def retrieve(self, result_id: str) -> None:
        """Bring an object of the session into its file; raises LookupError."""

    def load(self, result_id: str) -> Any:
        """Return the object that was retrieved."""

    def is_there(self, mat: Materialize) -> bool:
        """Return whether a file or folder is in place already."""

    def install(self, mat: Materialize, content: Any) -> str:
        """Put a file or folder in place; return where it lies. Raises MaterializeError."""

    def caches(self) -> dict[str, CacheInfo]:
        """Return what the executor keeps across tasks."""
