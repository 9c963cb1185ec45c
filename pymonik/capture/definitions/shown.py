"""What the `__main__` of an executor shows of the user's script: classes, and what functions see.

Enters: classes that were made here, functions that are about to be called. Leaves: their names in
`__main__`.
"""

from __future__ import annotations

from typing import Any

from pymonik.capture import class_parts


class ShownNames:
    """What the `__main__` of an executor has: what the script's own would have.

    `pickle`, forked pools and type hints look there. Off where `__main__` is the user's own.
    """

    def __init__(self) -> None:
        self.space: dict[str, Any] | None = None
        # The one that was entered last.
        self.function: Any = None
        self._names: list[str] = []

    def show(self, id: str, obj: Any) -> None:
        """Show a class under its name."""
        if self.space is None or not id.startswith("__main__:"):
            return
        name = id.partition("#")[0].partition(":")[2]
        if name.isidentifier() and self.space.get(name) is not obj:
            self.space[name] = obj

    def hint(self, cls: type, names: dict[str, Any]) -> None:
        """Show what the annotations of a class name."""
        if self.space is not None and cls.__module__ == "__main__":
            for name, value in names.items():
                self.space.setdefault(name, value)

    def enter(self, function: Any) -> None:
        """Show what a function of the script sees."""
        if self.space is None or function is self.function:
            return
        self.function = function
        inner = getattr(function, "func", function)
        space = getattr(inner, "__globals__", None)
        if space is None or space.get("__name__") != "__main__":
            return
        for name in self._names:
            self.space.pop(name, None)
        self._names = [name for name in space if not name.startswith("__")]
        self.space.update({name: space[name] for name in self._names})


SHOWN = ShownNames()
class_parts.SHOW.append(SHOWN.hint)
