"""What a recorder has to know of a task: its function, and how it is to be run.

It is what `Task` is to the user without its methods; `builtin_tasks` has others of the kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pymonik.values.options import TaskOptions


class TaskDefinition(Protocol):
    """The part of a task that is recorded; see `Task` for the meaning of each."""

    @property
    def func(self) -> Callable[..., Any]: ...
    @property
    def func_name(self) -> str: ...
    @property
    def require_context(self) -> bool: ...
    @property
    def task_options(self) -> TaskOptions | None: ...
    @property
    def pure(self) -> bool: ...
    @property
    def cache(self) -> bool: ...
    @property
    def version(self) -> object: ...
    @property
    def environment(self) -> Any: ...
