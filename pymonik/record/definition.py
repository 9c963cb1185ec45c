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
    def func(self) -> Callable[..., Any]:
        """The function itself."""

    @property
    def func_name(self) -> str:
        """The name that it goes by."""

    @property
    def require_context(self) -> bool:
        """Whether it takes the context of its call first."""

    @property
    def task_options(self) -> TaskOptions | None:
        """The options of its calls, None for those of the client."""

    @property
    def pure(self) -> bool:
        """Whether equal arguments give equal values."""

    @property
    def cache(self) -> bool:
        """Whether its values are kept for other programs."""

    @property
    def version(self) -> object:
        """What keys of kept values hold besides its code."""

    @property
    def environment(self) -> Any:
        """The environment that its calls run in, None for that of the client."""
