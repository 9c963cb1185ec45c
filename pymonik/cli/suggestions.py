"""What to say of a name that names nothing: a slip of the pen, a run, a session, a folder.

Enters: the words of a command line. Leaves: wrong usage, with the way out; or a note on stderr
where a slip went to the script unnoticed.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import re
import stat
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import rich_click as click

from pymonik.errors import RunNotFound
from pymonik.files.regular import is_named_pipe
from pymonik.runs.store import RunStore
from pymonik.values.foreign import harmless

_SESSION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_RUN = re.compile(r"last|(local|inline|dry-run)-\w*")
# Options that are so alike are taken for one another.
_ALIKE = 0.82


def not_found(name: str) -> click.BadParameter:
    """Return what to raise for what is no script, function, file, run or session."""
    return click.BadParameter(_why(name), param_hint="SCRIPT")


def _why(name: str) -> str:
    if name.startswith("-"):
        meant = _meant(name)
        return f"{name!r} is no option{f', {meant!r} is' if meant else ''}, and no script"
    if _SESSION.fullmatch(name):
        text = f"no run that is recorded here has the id {name!r}"
        if "--endpoint" in _options():
            text += ": for a session, name its cluster with --endpoint or AKCONFIG"
        return text
    if _RUN.fullmatch(name):
        return _why_no_run(name)
    if os.path.exists(f"{name}.py"):
        return f"there is no {name!r} here, but {name}.py is"
    return f"there is no {name!r} here"


def _why_no_run(name: str) -> str:
    """Return what the database says of a run: that it is not there, or damaged."""
    try:
        store = RunStore.existing()
    except RunNotFound:  # nor any other
        return f"there is no run {name!r}: `pymonik runs list` names them"
    try:
        with store:
            store.find(name)
    except RunNotFound as error:
        return str(error)
    return f"the run {name!r} has just been recorded: try again"


def check_script(name: str) -> None:
    """Refuse a folder that cannot be run, and what is called a graph and is none."""
    if os.path.isdir(name) and not os.path.exists(os.path.join(name, "__main__.py")):
        raise click.BadParameter(
            f"{name!r} is a folder, and has no __main__.py", param_hint="SCRIPT"
        )
    if _is_endless(name):
        raise click.BadParameter(f"{name!r} is a device, and no script", param_hint="SCRIPT")
    if is_named_pipe(name):
        raise click.BadParameter(f"{name!r} is a pipe, and no script", param_hint="SCRIPT")
    if name.endswith(".pmk"):
        raise click.BadParameter(
            f"{name} is no graph that `pymonik graph save` wrote", param_hint="SCRIPT"
        )


def _is_endless(name: str) -> bool:
    """Return whether a path is a device other than a terminal, or what stands for no input."""
    status = os.stat(name)
    is_device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
    if not is_device or os.path.samestat(status, os.stat(os.devnull)):
        return False
    with open(name, "rb", buffering=0) as file:
        return not file.isatty()


def demand_no_arguments(name: str, args: Sequence[str]) -> None:
    """Refuse arguments of what is no script."""
    if args:
        raise click.BadParameter(
            f"{name} is not a script, and takes no arguments: {' '.join(args)}", param_hint="ARGS"
        )


def check_module(target: str) -> None:
    """Refuse a module, or a function of one, that cannot be found from here."""
    name, _, function = target.partition(":")
    if function and name.endswith(".py") and os.path.exists(name):
        raise click.BadParameter(
            f"{target!r} names a file: for a module, write {name[:-3]}:{function}",
            param_hint="SCRIPT",
        )
    top = name.partition(".")[0]
    finder = importlib.machinery.PathFinder
    is_here = finder.find_spec(top, [os.getcwd()]) is not None
    if not is_here and importlib.util.find_spec(top) is None:
        raise click.BadParameter(f"there is no module {top!r} here", param_hint="SCRIPT")


def note_slips(args: Iterable[str]) -> None:
    """Tell which arguments of the script look as if they were meant for the command."""
    for word in args if "--" not in sys.argv else ():  # after that they are meant for the script
        if word.endswith((".py", ".pmk")) and os.path.isfile(word):
            click.echo(f"note: {harmless(word)} is an argument of the script", err=True)
        name = word.partition("=")[0]
        meant = _meant(name) if name.startswith("--") else None
        if meant is not None:
            click.echo(
                f"note: {harmless(name)} is given to the script; to give it to this command, "
                f"write {meant}",
                err=True,
            )


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence that says what is not there: the name most like it, or ""."""
    matches = get_close_matches(name, sorted(set(names)), 1)
    return f". Did you mean {matches[0]!r}?" if matches else ""


def _meant(name: str) -> str | None:
    matches: Sequence[str] = get_close_matches(name, _options(), 1, _ALIKE)
    return matches[0] if matches else None


def _options() -> list[str]:
    context = click.get_current_context(silent=True)
    return [opt for param in (context.command.params if context else ()) for opt in param.opts]
