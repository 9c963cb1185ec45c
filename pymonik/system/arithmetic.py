"""What arithmetic is set to: the context of `decimal`, what NumPy does about errors, how it prints.

Enters: this thread. Leaves: its settings in plain types, which another process can take over. They
belong to the context of a thread, and either module may not be loaded: then nothing was set.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from pymonik.system.structs import NamedTuple

_FIELDS = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


class Arithmetic(NamedTuple):
    """Settings that differ from what a new process has; None where none do.

    decimals: fields of a context, and the names of the signals that are trapped. float_errors: what
    NumPy does about each kind of error. printing: how it writes
    arrays, but for functions.
    """

    decimals: tuple[Any, ...] | None = None
    float_errors: tuple[tuple[str, str], ...] | None = None
    printing: tuple[tuple[str, Any], ...] | None = None


DEFAULT = Arithmetic()
# What gives the context of `decimal`, once it was found.
_getcontext: Callable[[], Any] | None = None
# The variables of NumPy's settings, since 2.1, once they were found.
_variables: tuple[Any, Any] | None = None
_FLOAT_ERRORS = (("divide", "warn"), ("invalid", "warn"), ("over", "warn"), ("under", "ignore"))
_PRINTING: dict[str, Any] = {
    "edgeitems": 3,
    "floatmode": "maxprec",
    "infstr": "inf",
    "linewidth": 75,
    "nanstr": "nan",
    "precision": 8,
    "sign": "-",
    "suppress": False,
    "threshold": 1000,
}


def arithmetic() -> Arithmetic:
    """Return the settings of this thread."""
    decimals = float_errors = None
    if (module := sys.modules.get("decimal")) is not None:
        current = _fields(module.getcontext())
        decimals = None if current == _fields(module.DefaultContext) else current
    numpy: Any = sys.modules.get("numpy")
    if hasattr(numpy, "geterr"):  # not while it is being imported
        errors = tuple(sorted(numpy.geterr().items()))
        float_errors = None if errors == _FLOAT_ERRORS else errors
    options = _print_options()
    shown = tuple((name, value) for name, value in (options or {}).items() if name in _PRINTING)
    printing = None if options is None or dict(shown) == _PRINTING else shown
    return Arithmetic(decimals, float_errors, printing)


def glance() -> tuple[Any, ...] | None:
    """Return what differs when settings do, None where neither module is loaded.

    As fast as can be; see `snapshot` for a copy of it.
    """
    if sys.modules.get("decimal") is None:  # None, too, where the program lets nobody import it
        if "numpy" not in sys.modules:
            return None
        prec = rounding = traps = None
    else:
        context = (_getcontext or _found())()
        prec, rounding, traps = context.prec, context.rounding, context.traps
    if _variables is not None:  # immutable values, and others when they are set
        errors, printing = _variables
        return prec, rounding, traps, errors.get(None), printing.get(None)
    if "numpy" in sys.modules:
        return prec, rounding, traps, *_of_numpy()
    return prec, rounding, traps, None, None


def _found() -> Callable[[], Any]:
    """Return what gives the context of `decimal`, and keep it: that is loaded once in a process."""
    global _getcontext
    import decimal  # waits for another thread that loads it

    _getcontext = decimal.getcontext
    return _getcontext


def _of_numpy() -> tuple[Any, Any]:
    """Return how NumPy computes and writes; keep its variables once they are there.

    They stay the same: NumPy is loaded once in a process.
    """
    global _variables
    modules = sys.modules
    errors = getattr(modules.get("numpy._core.umath"), "_extobj_contextvar", None)
    if errors is not None:  # NumPy 2
        printing = getattr(modules.get("numpy._core.printoptions"), "format_options", None)
        if printing is not None:
            _variables = errors, printing
        return errors.get(None), _print_options()
    numpy: Any = modules.get("numpy")
    return numpy.geterr() if hasattr(numpy, "geterr") else None, None


def snapshot() -> tuple[tuple[Any, ...] | None, Any]:
    """Return what `glance` returns, as a copy, and what is to be kept as long as the copy."""
    seen = glance()
    if seen is None:
        return None, None
    prec, rounding, traps, *of_numpy = seen
    context = None
    if traps is not None and _getcontext is not None:
        # Signals belong to a context. Two of a kind are compared faster than one with a dict.
        context = _getcontext().copy()
        traps = context.traps
    return (prec, rounding, traps, *of_numpy), context


def _print_options() -> dict[str, Any] | None:
    """Return how arrays are written; None where this is not of a context, as before NumPy 2.1."""
    variable = getattr(sys.modules.get("numpy._core.printoptions"), "format_options", None)
    options: dict[str, Any] | None = None if variable is None else variable.get(None)
    return options


def set_arithmetic(wanted: Arithmetic) -> None:
    """Let this context compute with settings; modules that none are given for are not loaded."""
    if wanted.decimals is not None or "decimal" in sys.modules:
        import decimal

        context = decimal.DefaultContext.copy()
        if wanted.decimals is not None:
            *fields, traps = wanted.decimals
            for name, value in zip(_FIELDS, fields):
                setattr(context, name, value)
            for signal in context.traps:
                context.traps[signal] = signal.__name__ in traps
        context.clear_flags()
        decimal.setcontext(context)
    if wanted.float_errors is not None or hasattr(sys.modules.get("numpy"), "seterr"):
        import numpy

        errors: dict[str, Any] = dict(wanted.float_errors or _FLOAT_ERRORS)
        numpy.seterr(**errors)
    if wanted.printing is not None:
        import numpy

        numpy.set_printoptions(**dict(wanted.printing))


def _fields(context: Any) -> tuple[Any, ...]:
    traps = tuple(sorted(signal.__name__ for signal, on in context.traps.items() if on))
    return *(getattr(context, name) for name in _FIELDS), traps
