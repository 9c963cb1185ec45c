"""The usual call: one like a call before, recorded by a single function.

Enters: a task and its arguments. Leaves: a node in `pending`, and a handle. It takes numbers and
handles of its own client, no keywords but `pymonik=`, or `delegate=True` inside a task, and nothing
around it has changed. All other calls are left to `Task.invoke` as it is written.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

from pymonik.record.current import CURRENT
from pymonik.system import deep_stack
from pymonik.system.arithmetic import glance
from pymonik.values.content import SMALL

F = TypeVar("F", bound=Callable[..., Any])
_scope_here = CURRENT.get  # else each call would make a method of it
_new = object.__new__


def usual_first(record: F) -> F:
    """Let a method of tasks record no calls but those that are not like one before.

    A program pays for each line of this with all of its calls: a function that is entered costs as
    much as ten of them, and so does a signature that names keywords.
    """

    @functools.wraps(record)
    def invoke(task: Any, /, *args: Any, **kwargs: Any) -> Any:
        scope = _named(task, kwargs) if kwargs else _scope_here()
        if scope is None or (recorder := scope.ready) is None:
            return record(task, *args, **kwargs)
        handle_type, call_type = recorder.handle_type, recorder.call_type
        slots: Any = args
        held = None
        for value in args:
            if type(value) is int:  # as most are
                continue
            kind = type(value)
            if kind is handle_type and value._client is scope:
                slots, held = None, args  # the call itself holds handles, and numbers beside them
            elif kind not in SMALL:
                return record(task, *args, **kwargs)
        specs = recorder.specs
        around, modules = specs.surroundings, sys.modules
        try:
            spec = specs.made[task]
            code = spec.code
            is_usual = (
                spec.width == len(args)
                and not recorder.state.is_closing
                and (
                    not (code.sees_any or code.met != code.table.functions)
                    or code.is_current(specs.moment)
                )
                # As `_Sight.holds` compares, one by one: a tuple of all would have to be made. What
                # differs here is for `SurroundingsWatch.changes` to look at.
                and (
                    around is None
                    # First: unless a look is due, the last one (`found`) still holds.
                    or (
                        (around.due is around.looked or around.looks_same())
                        and (found := around.found).changes is spec.surroundings
                        # The mapping behind os.environ: comparing it decodes nothing.
                        and (
                            found.variables is (variables := os.environ._data)  # type: ignore[attr-defined]
                            or found.variables == variables
                        )
                        and found.number == found.version[0]
                        and found.limit == (deep_stack.set_limit or sys.getrecursionlimit())
                        and found.level == logging.root.level
                        and found.arithmetic
                        == (glance() if "decimal" in modules or "numpy" in modules else None)
                        and found.path == sys.path
                        and found.argv == sys.argv
                        and found.filters == warnings.filters
                        and found.folder == os.getcwdb()
                    )
                )
            )
        except (KeyError, AttributeError, OSError):
            # The first of its kind; another environ put in its place; a folder removed.
            is_usual = False
        if not is_usual:
            return record(task, *args, **kwargs)
        frame = sys._getframe(1)
        # As `Recorder.record_call` does, without a call of it.
        handle = _new(handle_type)
        handle._node = node = call_type(handle)
        handle._index = node.offset = 0
        handle._client = scope
        handle._liveness = handle._slot = None
        node.n = node.label = node.spawn_key = node.ids = node.location = None
        node.spec = spec
        node._args = slots
        node.held = held
        node.site = frame.f_code
        node.lasti = frame.f_lasti
        # Atomic, and last: once it stands there, another thread may send it.
        recorder.pending.append(node)
        # After the append: `close` sets the flag before it reads `pending`, so that one of the two
        # threads sees the other.
        if recorder.state.is_closed:
            recorder.state.check_open()
        if kwargs and "delegate" in kwargs:
            recorder.delegate(handle)
        return handle

    return cast("F", invoke)


def _named(task: Any, keywords: dict[str, Any]) -> Any:
    """Return the client that a call names, or the task that it delegates for; else None."""
    if len(keywords) != 1 or task._signature.ours:
        return None
    if keywords.get("delegate") is True:
        scope = _scope_here()
        # Inside a task the recorder is the scope: elsewhere nothing is delegated.
        return scope if scope is not None and scope.ready is scope else None
    scope = keywords.get("pymonik")
    return scope if getattr(type(scope), "__pymonik_role__", "") == "recorder" else None
