"""What all calls of a node share: the code, the shape of the arguments and the options."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymonik.capture.function import Code
    from pymonik.system.surroundings import Changes
    from pymonik.values.options import TaskOptions


class CallSpec:
    """What all calls of a node share: the code, the shape of the arguments and the options."""

    __slots__ = (
        "cache",
        "code",
        "context",
        "delegates",
        "snapshot",
        "environment",
        "keywords",
        "name",
        "options",
        "pure",
        "root_seed",
        "surroundings",
        "version",
        "width",
        "__weakref__",
    )

    def __init__(
        self,
        name: str,
        code: Code,
        width: int,
        options: TaskOptions,
        keywords: tuple[str, ...] = (),
        pure: bool = False,
        context: bool = False,
        environment: Any = None,
        snapshot: Any = None,
        cache: bool = False,
        version: object = None,
        root_seed: bytes = b"",
        delegates: bool | None = None,
        surroundings: Changes | None = None,
    ) -> None:
        self.name = name
        self.code = code
        self.width = width
        self.keywords = keywords
        self.options = options
        self.pure = pure
        # Whether values are kept and looked up, and what stands for the code in their keys.
        self.cache = cache
        self.version = version
        # Of the spawn keys of all calls of a client: see `values.seeds`.
        self.root_seed = root_seed
        # Whether it may hand its value over to other calls: its function may be an argument.
        self.delegates = code.delegates if delegates is None else delegates
        self.context = context
        self.environment = environment
        # The sources of local modules as they were; see `pymonik.capture.snapshot`.
        self.snapshot = snapshot
        # What was different around the call from when the engine was opened.
        self.surroundings = surroundings

    def changed(self, **fields: Any) -> CallSpec:
        """Return another spec that differs in some fields."""
        made = copy(self)
        for name, value in fields.items():
            setattr(made, name, value)
        return made

    @property
    def affinity(self) -> tuple[Any, ...]:
        """What calls must agree on to share a unit: where it runs, in what, and in which order."""
        return (
            self.options.partition_id,
            self.options.priority,
            self.environment,
            id(self.snapshot),
            id(self.surroundings),
        )
