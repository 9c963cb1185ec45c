"""What somebody may have meant who typed a name that names nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that says what is not there: the name most like it, or ""."""
    matches = get_close_matches(name, sorted(set(known)), 1)
    return f". Did you mean {matches[0]!r}?" if matches else ""
