"""Keywords that a function does not take: the one that was probably meant.

Enters: what was given, and the function. Leaves: the `TypeError` to raise, as Python would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def unknown_keyword(
    called: str,
    given: Iterable[str],
    function: Callable[..., Any],
    place_of: Callable[[str], str | None] = lambda name: None,
) -> TypeError:
    """Return the error of a call with keywords that a function does not have.

    place_of: what has it instead, as far as it is known.
    """
    import difflib  # only where something is wrong

    from pymonik.system.other_names import known_instead

    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    parameters = [name for name in names if name not in ("self", "_func")]
    wrong = next(iter(given))
    meant = known_instead(wrong, parameters)
    close = [meant] if meant else difflib.get_close_matches(wrong, parameters, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(parameters)}"
    place = place_of(wrong)
    if place and not meant:
        hint = f"it is an option of {place}"
    return TypeError(f"{called} has no argument {wrong!r}: {hint}")
