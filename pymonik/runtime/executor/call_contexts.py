"""Contexts of calls: what a call sets of context variables is not there for the next one.

Enters: how calls are to compute. Leaves: a context for each of them. The contexts of `decimal` and
of NumPy's errors are such variables: a call finds them as they were where it was recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import Context, copy_context

from pymonik.system.arithmetic import Arithmetic, set_arithmetic


class CallContexts:
    """Makes a context for each call."""

    def __init__(self) -> None:
        self._arithmetic: Arithmetic | None = None

    def use(self, arithmetic: Arithmetic | None) -> None:
        """Let calls compute with these settings; None: with those of this thread."""
        self._arithmetic = arithmetic

    def maker(self) -> Callable[[], Context]:
        """Return what makes the contexts of calls, until somebody else has the turn.

        A call may load `decimal`: what it sets is in its own context, and in no other yet.
        """
        is_bare = self._arithmetic is None and "decimal" not in sys.modules
        return copy_context if is_bare else self.new

    def new(self) -> Context:
        """Return the context of the next call."""
        context = copy_context()
        if self._arithmetic is not None:
            context.run(set_arithmetic, self._arithmetic)
        elif (decimal := sys.modules.get("decimal")) is not None:
            # What stands in the variable can be changed itself: `getcontext().prec = 50`.
            context.run(decimal.setcontext, decimal.getcontext().copy())
        return context
