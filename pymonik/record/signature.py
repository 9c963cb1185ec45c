"""Signatures: whether the arguments of a call fit its task, checked at the user's own line.

Enters: a function, then arguments. Leaves: nothing, or a `SignatureError` that shows the signature.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from pymonik.errors import SignatureError
from pymonik.system.structs import NamedTuple
from pymonik.values.options import meant

if TYPE_CHECKING:
    import inspect

# What `inspect` calls CO_VARARGS and CO_VARKEYWORDS; and no limit of arguments.
_VARARGS, _VARKEYWORDS, _ANY = 0x04, 0x08, 1 << 30
# The keywords of `invoke` itself.
OURS = ("pymonik", "delegate", "task_options")


class _NotGiven:
    """Stands for a keyword that was not given: None and False may be meant for the function."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "…"


NOT_GIVEN: Final[Any] = _NotGiven()


class _Shape(NamedTuple):
    """How many positional arguments a function takes, and the names of all of its parameters."""

    least: int
    most: int
    names: tuple[str, ...]
    needs_keyword: bool


def _shape_of(func: FunctionType) -> _Shape:
    code, most = func.__code__, func.__code__.co_argcount
    least = most - len(func.__defaults__ or ())
    by_keyword, flags = code.co_kwonlyargcount, code.co_flags
    rest = bool(flags & _VARARGS) + bool(flags & _VARKEYWORDS)
    needs_keyword = by_keyword > len(func.__kwdefaults__ or ())
    names = code.co_varnames[: most + by_keyword + rest]
    if flags & _VARARGS:  # which the code names behind the keywords
        place = most + by_keyword
        names = (*names[:most], names[place], *names[most:place], *names[place + 1 :])
    return _Shape(least, _ANY if flags & _VARARGS else most, names, needs_keyword)


def _shape_by_inspect(func: Any) -> _Shape:
    signature = _inspected(func)
    if signature is None:
        return _Shape(0, _ANY, (), False)
    parameters = signature.parameters.values()
    kinds = [p.kind for p in parameters]
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    least = sum(p.default is p.empty for p in plain)
    most = _ANY if any(kind.name == "VAR_POSITIONAL" for kind in kinds) else len(plain)
    needs_keyword = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
    return _Shape(least, most, tuple(signature.parameters), needs_keyword)


def _inspected(func: Any) -> inspect.Signature | None:
    """Return the signature of a function; None where it, some C functions, tells nothing."""
    import inspect  # not for `import pymonik`

    try:
        return inspect.signature(func)
    except (ValueError, TypeError):  # they check their arguments themselves
        return None


class Signature:
    """Checks the arguments of calls; `low` and `high` settle positional ones without binding.

    ours: the names of keywords of `invoke` that the function has parameters of, too. What `inspect`
    knows of the function is asked for when arguments have to be bound.
    """

    __slots__ = ("_context", "_func", "_names", "high", "low", "name", "ours")

    def __init__(self, func: Any, name: str, context: bool) -> None:
        self.name = name
        self._func = func
        self._context = context
        if type(func) is FunctionType and not vars(func):  # the usual case: it is what it looks
            shape = _shape_of(func)
        else:
            shape = _shape_by_inspect(func)
        self._names = shape.names
        self.ours = frozenset(name for name in OURS if name in shape.names)
        skipped = 1 if context else 0
        self.low, self.high = shape.least - skipped, shape.most - skipped
        if shape.needs_keyword:
            self.high = -1  # always bind

    def check_count(self, args: tuple[Any, ...]) -> None:
        """Check arguments of a call without keywords: bind them where their number may be wrong."""
        if not self.low <= len(args) <= self.high:
            self.check(args, {})

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Bind the arguments; a misfit is an error that shows the signature."""
        signature = _inspected(self._func)
        if signature is None:
            return
        try:
            signature.bind(*((None,) if self._context else ()), *args, **kwargs)
        except TypeError as error:
            strangers = [name for name in kwargs if name not in signature.parameters]
            hint = next(filter(None, map(meant, strangers)), "")
            raise SignatureError(f"{self.name}{signature}: {error}{hint}") from None

    def has_context(self, args: tuple[Any, ...]) -> bool:
        """Return whether a plain call passes the context itself."""
        from pymonik.record.context import PymonikContext

        return bool(args) and isinstance(args[0], PymonikContext)

    def labels(self, count: int) -> list[str]:
        """Name the positional arguments, for errors."""
        names: list[Any] = [*map(repr, self._names)][1 if self._context else 0 :]
        names += range(len(names), count)
        return [f"argument {name} of {self.name!r}" for name in names[:count]]
