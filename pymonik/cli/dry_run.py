"""Record a script: in the dry run up to the first value it needs, or by running all of it.

Enters: the path of a script, or the name of a module, and its arguments. Leaves: a `Recording`.
The script's own output goes to stderr, its failure becomes a `ScriptFailed`.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pymonik import Pymonik
from pymonik.backend.dry_run import DryRunBackend, DryRunEnd
from pymonik.cli.full_run import ExecutionTrace, trace_execution
from pymonik.cli.suggestions import did_you_mean
from pymonik.graph.ir import CallSpec, Put
from pymonik.plan.plan import Plan
from pymonik.runs.record import RunRecord
from pymonik.settings import steered


class ScriptFailed(Exception):
    """The script ended before it needed a value; the message is its own traceback.

    `error` is what it raised, `site` the line of the script that did.
    """

    def __init__(self, message: str, error: BaseException, site: str = "") -> None:
        super().__init__(message)
        self.error = error
        self.site = site


class UnknownFunction(ScriptFailed):
    """A module has no such function."""


@dataclass(frozen=True)
class Recording:
    """What a script recorded: the plan up to the first value it needs, None without any call.

    `end` holds the frames of the script, and so the handles that say what is wanted: whoever looks
    at the plan keeps the recording. `plans` are its submissions one by one, `ran` what was kept of
    a script that was executed. `run`: the past run that it comes from, without its contents.
    `goes_on`: whether the script went on behind the first value it needs, unseen.
    """

    name: str
    plan: Plan | None
    end: BaseException | None = None
    plans: tuple[Plan, ...] = ()
    ran: ExecutionTrace | None = None
    run: RunRecord | None = None
    goes_on: bool = False

    @property
    def tasks(self) -> set[str]:
        """The names of the tasks that are called."""
        return {spec.name for spec in self._specs()}

    @property
    def makers(self) -> list[str]:
        """The names of the tasks that may make calls of their own, in order."""
        return sorted({spec.name for spec in self._specs() if spec.code.delegates})

    def _specs(self) -> Iterator[CallSpec]:
        for source in (plan.source for plan in self.plans if plan.source is not None):
            yield from (node.spec for node in source.graph.nodes if not isinstance(node, Put))


def record(script: str, args: Sequence[str] = (), module: bool = False) -> Recording:
    """Run a script up to the first value it needs; raises ScriptFailed."""
    before, ends = len(DryRunBackend.sent), DryRunEnd.count
    end: BaseException | None = None
    with _dry(), _as_main(script, args, module), redirect_stdout(sys.stderr):
        try:
            _run(script, args, module)
        except DryRunEnd as ended:
            end = ended
        except ScriptFailed:
            raise
        except SystemExit as ended:
            if ended.code not in (None, 0) and len(DryRunBackend.sent) == before:
                raise ScriptFailed(_last_words(ended), ended) from None
        except BaseException as error:
            if len(DryRunBackend.sent) == before or not isinstance(error, Exception):
                raise ScriptFailed(own_traceback(error), error, _site(error, script)) from None
    sent = DryRunBackend.sent[before:]
    # What ended it was caught, by a bare `except`, or has ended another thread.
    goes_on = len(sent) > 1 or (end is None and DryRunEnd.count > ends)
    return Recording(script, sent[0] if sent else None, end, tuple(sent[:1]), goes_on=goes_on)


def execute(script: str, args: Sequence[str] = (), module: bool = False) -> Recording:
    """Run a script to its end on the embedded engine; raises ScriptFailed before any call is sent.

    A failure after that is shown, and what was submitted is kept all the same.
    """
    with trace_execution() as trace, _as_main(script, args, module), redirect_stdout(sys.stderr):
        try:
            _run(script, args, module)
        except SystemExit as ended:
            if ended.code not in (None, 0) and not trace.sources:
                raise ScriptFailed(_last_words(ended), ended) from None
        except Exception as error:
            if not trace.sources:
                raise ScriptFailed(own_traceback(error), error, _site(error, script)) from None
            print(own_traceback(error), file=sys.stderr)  # noqa: T201 -- as python would
        return Recording(script, trace.whole, None, tuple(trace.plans), trace)


def _run(script: str, args: Sequence[str], module: bool) -> None:
    if is_function(script):
        _call(script, args)
    elif module:
        runpy.run_module(script, run_name="__main__", alter_sys=True)
    else:
        _run_script(script)


def is_function(name: str) -> bool:
    """Return whether a name has the form "module:function"."""
    module, colon, function = name.partition(":")
    parts = (*module.split("."), *function.split("."))
    return bool(colon) and all(part.isidentifier() for part in parts) and not os.path.exists(name)


def _call(name: str, args: Sequence[str]) -> None:
    """Call a function, or record a call of a task, inside a client."""
    module, _, path = name.partition(":")
    try:
        function: Any = importlib.import_module(module)
    except DryRunEnd:
        raise ScriptFailed(
            f"importing {module!r} needs a value before {path!r} can be called: put the code "
            'that runs as a program below `if __name__ == "__main__":`',
            RuntimeError(name),
        ) from None
    for part in path.split("."):
        if not hasattr(function, part):
            text = f"module {module!r} has no function {path!r}"
            raise UnknownFunction(text + did_you_mean(part, dir(function)), NameError(name))
        function = getattr(function, part)
    with Pymonik():
        result = getattr(function, "invoke", function)(*args)
    del result


def _run_script(script: str) -> None:
    if os.path.isdir(script) or script.endswith((".zip", ".pyz")):
        runpy.run_path(script, run_name="__main__")
        return
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec", dont_inherit=True)
    # Not `runpy`, which empties the namespace at the end: handles that the script still holds say
    # what is wanted.
    exec(code, vars(sys.modules["__main__"]))


@contextmanager
def _as_main(script: str, args: Sequence[str], module: bool) -> Iterator[None]:
    """Let this process look to the script as if python had been started with it."""
    main = ModuleType("__main__")
    vars(main).update(__file__=script, __builtins__=__builtins__, __cached__=None)
    home = (
        os.getcwd() if module or is_function(script) else os.path.dirname(os.path.abspath(script))
    )
    saved: tuple[Any, ...] = (sys.argv, sys.path[:], sys.modules["__main__"])
    sys.argv = [script, *args]
    sys.path.insert(0, home)
    sys.modules["__main__"] = main
    try:
        yield
    finally:
        sys.argv, sys.path[:], sys.modules["__main__"] = saved


@contextmanager
def _dry() -> Iterator[None]:
    """Let clients record, and send nothing."""
    DryRunBackend.shows_requests = False
    try:
        with steered("backend", "dry-run"):
            yield
    finally:
        DryRunBackend.shows_requests = True


def own_traceback(error: BaseException) -> str:
    """Print a traceback as python would have, without the frames that started the script."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in (__name__, "runpy"):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()


def _site(error: BaseException, script: str) -> str:
    """Return the last line of the script on the way to an error."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == script]
    return f"{script}:{lines[-1].lineno}" if lines else script


def _last_words(end: SystemExit) -> str:
    if isinstance(end.code, int):
        return f"the script ended with exit code {end.code}, before it needed a value"
    return str(end.code)
