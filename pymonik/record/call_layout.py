"""What a call takes that is recorded for the first time, or takes more than its arguments.

Enters: a task and the slot values of a call. Leaves: what the call takes, and its spec. Calls like
one before take their slot values alone, and have the spec of that one: `CallSpecs.usual_spec`.
"""

from __future__ import annotations

from typing import Any

from pymonik.graph.ir import CallSpec
from pymonik.record.arguments import Arguments
from pymonik.record.builtin_tasks import builtin, call_whole, call_whole_in, calling
from pymonik.record.definition import TaskDefinition
from pymonik.record.specs import CallSpecs
from pymonik.record.together import captured


def laid_out(
    task: TaskDefinition,
    recorder: Any,
    slots: tuple[Any, ...],
    held: tuple[Any, ...] | None,
    whole: tuple[Any, ...] | None,
    keywords: tuple[str, ...],
    options: Any,
) -> tuple[tuple[Any, ...], tuple[Any, ...] | None, CallSpec]:
    """Return what a call takes, what of it the call holds itself, and its spec.

    whole: all arguments, where some share objects.
    """
    capture: Arguments = recorder.arguments
    specs: CallSpecs = recorder.specs
    code = specs.code_for(task)
    if whole is not None:  # one argument of all, in which what is shared stays so
        argument = capture.argument(whole, f"an argument of {task.func_name!r}")
        slots, keywords = (capture.filled(code.content, code.handles_in), argument), ()
        code = specs.code_for(builtin(call_whole_in if task.require_context else call_whole))
    elif code.handles_in:
        # The function has handles in its closure: it is passed as an argument with holes.
        if held is not None:
            slots, _ = captured(capture, held, tuple)
            held = None  # its slot values hold the liveness themselves
        slots = (capture.filled(code.content, code.handles_in), *slots)
        code = specs.code_for(calling(task.require_context))
    return slots, held, specs.spec_for(task, code, len(slots), keywords, options)
