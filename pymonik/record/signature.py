"""Signatures: whether the arguments of a call fit its task, checked at the user's own line.

Enters: a function, then arguments. Leaves: nothing, or a `SignatureError` that shows the signature.
"""

from __future__ import annotations

import inspect
from typing import Any, Final

from pymonik.errors import SignatureError
from pymonik.values.options import meant

# The keywords of `invoke` itself.
OURS = ("pymonik", "delegate", "task_options")


class _NotGiven:
    """Stands for a keyword that was not given: None and False may be meant for the function."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "…"


NOT_GIVEN: Final[Any] = _NotGiven()


class Signature:
    """Checks the arguments of calls; `low` and `high` settle positional ones without binding.

    ours: the names of keywords of `invoke` that the function has parameters of, too.
    """

    __slots__ = ("_context", "_signature", "high", "low", "name", "ours")

    def __init__(self, func: Any, name: str, context: bool) -> None:
        self.name = name
        self._context = context
        self.low, self.high = 0, 1 << 30
        self.ours: frozenset[str] = frozenset()
        try:
            self._signature: inspect.Signature | None = inspect.signature(func)
        except (ValueError, TypeError):  # some C functions tell nothing: they check themselves
            self._signature = None
            return
        self.ours = frozenset(name for name in OURS if name in self._signature.parameters)
        kinds = [p.kind for p in self._signature.parameters.values()]
        plain = [
            p
            for p in self._signature.parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        skipped = 1 if context else 0
        self.low = sum(p.default is p.empty for p in plain) - skipped
        if inspect.Parameter.VAR_POSITIONAL not in kinds:
            self.high = len(plain) - skipped
        needs_keyword = any(
            p.kind is p.KEYWORD_ONLY and p.default is p.empty
            for p in self._signature.parameters.values()
        )
        if needs_keyword:
            self.high = -1  # always bind

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Bind the arguments; a misfit is an error that shows the signature."""
        if self._signature is None:
            return
        try:
            self._signature.bind(*((None,) if self._context else ()), *args, **kwargs)
        except TypeError as error:
            strangers = [name for name in kwargs if name not in self._signature.parameters]
            hint = next(filter(None, map(meant, strangers)), "")
            raise SignatureError(f"{self.name}{self._signature}: {error}{hint}") from None

    def has_context(self, args: tuple[Any, ...]) -> bool:
        """Return whether a plain call passes the context itself."""
        from pymonik.record.context import PymonikContext

        return bool(args) and isinstance(args[0], PymonikContext)

    def labels(self, count: int) -> list[str]:
        """Name the positional arguments, for errors."""
        parameters = self._signature.parameters if self._signature is not None else {}
        names: list[Any] = [*map(repr, parameters)][1 if self._context else 0 :]
        names += range(len(names), count)
        return [f"argument {name} of {self.name!r}" for name in names[:count]]
