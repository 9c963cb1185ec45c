"""What a graph can be named by: a script, a module's function, a file, a past run, a session.

Enters: the words of a command line. Leaves: a `Recording`, with a plan to compile, draw and price;
or, of what ran already, an `Inspected`, with a drawing of what came of it.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rich_click as click

from pymonik import backend as backends
from pymonik.analysis.file import compiled, is_file, load, of_brief
from pymonik.analysis.session.file import is_tasks_file, load_tasks
from pymonik.analysis.session.tasks import SessionObject, SessionTask
from pymonik.cli.dry_run import Recording, ScriptFailed, UnknownFunction, is_function, record
from pymonik.cli.dry_run import execute as run_to_its_end
from pymonik.cli.suggestions import (
    check_module,
    check_script,
    demand_no_arguments,
    not_found,
    note_slips,
)
from pymonik.cli.tables import say
from pymonik.draw.model import Drawing
from pymonik.draw.tasks import drawing_of_tasks
from pymonik.errors import BackendError, GraphFileError, PymonikError, RunNotFound
from pymonik.graph.ir import Graph
from pymonik.humanize import counted, seconds_text, size_text
from pymonik.plan.plan import Plan
from pymonik.runs.drawing import drawing_of
from pymonik.runs.observe import failures_text
from pymonik.runs.record import RunRecord
from pymonik.runs.store import RunStore

# What a cluster knows of a session: its tasks, and its objects by their ids.
SessionRecords = tuple[list[SessionTask], dict[str, SessionObject]]
# Options of ours may follow the script; those that are not ours are the script's.
ANYWHERE = {"ignore_unknown_options": True}


def source(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments that name a script to a command."""
    for decorate in (
        click.argument("args", nargs=-1, type=click.UNPROCESSED),
        click.argument("script"),
        click.option(
            "--execute", is_flag=True, help="Run it here to its end, and take all of its calls."
        ),
        click.option("-m", "module", is_flag=True, help="SCRIPT is the name of a module."),
        click.option(
            "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
        ),
    ):
        command = decorate(command)
    return command


def cluster(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a cluster to a command, called as in armonik-cli."""

    def use(_context: Any, _option: Any, path: str | None) -> None:
        if path is not None:
            os.environ["AKCONFIG"] = path

    file = click.Path(exists=True, dir_okay=False)
    config = click.option(
        *("-c", "--config"),
        type=file,
        expose_value=False,
        callback=use,
        help="The file of a cluster's connection, instead of that which AKCONFIG names.",
    )
    return click.option("--endpoint", help="Of the control plane.")(config(command))


@dataclass(frozen=True)
class Inspected:
    """What ran, or runs: a title, what it is the id of (run, session), its drawing, its counts."""

    title: str
    kind: str
    id: str
    drawing: Drawing
    figures: tuple[tuple[str, str], ...] = ()


def written(plan: Plan) -> Graph:
    """Return the graph of a plan as it was recorded."""
    made: Graph = plan.source.graph if plan.source is not None else plan.graph
    return made


def recorded(script: str, args: tuple[str, ...], module: bool, execute: bool = False) -> Recording:
    """Record a script; its failure ends the command with exit code 1."""
    try:
        return named(script, args, module, execute)
    except ScriptFailed as failure:
        say(str(failure), err=True)
        sys.exit(1)


def named(script: str, args: tuple[str, ...], module: bool, execute: bool = False) -> Recording:
    """Record or execute a script, or load a file; raises ScriptFailed."""
    if not module and not _is_here(script):
        recorded = _recorded_then(script)
        demand_no_arguments(script, args)
        return recorded
    if not module and (is_file(script) or is_tasks_file(script)):
        demand_no_arguments(script, args)
        plan = _loaded(script)
        return Recording(script, plan, None, (plan,))
    note_slips(args)
    if not module and os.path.exists(script):
        check_script(script)
    else:
        check_module(script)
    try:
        recording = (run_to_its_end if execute else record)(script, args, module)
    except UnknownFunction as error:
        raise click.BadParameter(str(error), param_hint="SCRIPT") from None
    if recording.goes_on:
        say(
            f"note: {script} went on after the first value it needs, where a dry run ends: only "
            "the calls recorded by then are shown. It catches SystemExit, as a bare `except:` "
            "does (write `except Exception:`), or waits in several threads; --execute takes all "
            "calls",
            err=True,
        )
    return recording


def _recorded_then(name: str) -> Recording:
    """Return what a past run has recorded."""
    run = past(name)
    if run is None:
        raise not_found(name)
    if len(run.graphs) < run.submissions:
        raise click.BadParameter(
            f"of the run {run.id} only the drawing was kept (its graph is large, uses values of "
            "earlier submissions, or has a function whose globals have changed since): `pymonik "
            "graph show` draws it",
            param_hint="SCRIPT",
        )
    try:
        plans = tuple(compiled(of_brief(graph)) for graph in run.graphs)
    except GraphFileError as error:
        raise click.BadParameter(f"the run {run.id}: {error}", param_hint="SCRIPT") from error
    return Recording(name, plans[0], None, plans, run=run)


def _is_here(name: str) -> bool:
    return os.path.exists(name) or is_function(name)


def _loaded(path: str) -> Plan:
    try:
        return compiled(load(path))
    except GraphFileError as error:
        raise click.BadParameter(str(error), param_hint="SCRIPT") from error


def _tasks_of_file(path: str) -> SessionRecords:
    try:
        return load_tasks(path)
    except GraphFileError as error:
        raise click.BadParameter(str(error), param_hint="SCRIPT") from error


def seen(name: str, endpoint: str | None) -> Inspected | None:
    """Return the past run or the session of that name, unless it names something else.

    endpoint: of the cluster that has the session; without it, the one that is configured is asked
    when no run here has the name.
    """
    if is_tasks_file(name):
        return _drawn(name, "file", name, _tasks_of_file(name))
    if _is_here(name):
        return None
    run = past(name) if endpoint is None else None
    if run is not None:
        figures = (
            ("calls", f"{run.calls:,}"),
            ("units", f"{run.units:,}"),
            ("failed", failures_text(run)),
            ("took", f"{seconds_text(run.seconds)} with {counted(run.workers, 'worker')}"),
        )
        return Inspected(f"{run.script}: run {run.id}", "run", run.id, drawing_of(run), figures)
    name = session_of(name)
    state = session(name, endpoint)
    return _drawn(f"session {name}", "session", name, state) if state is not None else None


def session_of(name: str) -> str:
    """Return the session on a cluster of a past run: `last`, or the beginning of its id."""
    run = None if _is_here(name) else past(name)
    return run.session_id if run is not None and run.is_remote else name


def session(name: str, endpoint: str | None) -> SessionRecords | None:
    """Return the tasks and objects of the session of that name, where a cluster is configured.

    A file in which those of a session were saved stands for it.
    """
    if is_tasks_file(name):
        return _tasks_of_file(name)
    endpoint = backends.endpoint(endpoint)
    is_configured = endpoint or os.environ.get("AK_ENDPOINT") or os.environ.get("AKCONFIG")
    # A script that was misspelt is not asked for on a cluster.
    is_path = "." in name or os.sep in name
    if _is_here(name) or is_path or not is_configured:
        return None
    from pymonik.analysis.session.look import look

    try:
        return look(name, endpoint=endpoint)
    except BackendError as error:
        raise click.BadParameter(str(error), param_hint="SCRIPT") from error
    except PymonikError as error:
        raise click.ClickException(str(error)) from error


def session_partitions(name: str, endpoint: str | None) -> list[str] | None:
    """Return the partitions of a session; None for a file, which does not keep them."""
    if is_tasks_file(name):
        return None
    from pymonik.analysis.session.look import partitions_of

    try:
        return partitions_of(session_of(name), endpoint=backends.endpoint(endpoint))
    except PymonikError as error:
        raise click.ClickException(str(error)) from error


def session_records(
    name: str, endpoint: str | None, *, as_seen: bool = False
) -> SessionRecords | None:
    """Return the tasks of a session, unless the name has a graph: of a script, a file or a run.

    as_seen: of a run, prefer what the cluster of `endpoint` knows of its tasks to its graph.
    """
    run = None if _is_here(name) else past(name)
    if run is not None and not run.is_remote:
        return None
    is_kept = run is not None and len(run.graphs) == run.submissions
    if is_kept and not (as_seen and endpoint is not None):
        return None
    return session(session_of(name), endpoint)


def subtasks_text(recording: Recording) -> str:
    """Return what tasks of a script that was executed made themselves; "" for nothing."""
    tasks = recording.ran.tasks() if recording.ran is not None else []
    made = [task for task in tasks if task.ancestors]
    if not made:
        return ""
    spent = seconds_text(sum(task.seconds or 0.0 for task in made))
    return f"beside these, its tasks made {counted(len(made), 'unit')}, which took {spent} here"


def past(name: str) -> RunRecord | None:
    """Return the past run of a name."""
    try:
        with RunStore.existing() as store:
            return store.find(name)
    except RunNotFound:
        return None


def _drawn(title: str, kind: str, id: str, state: SessionRecords) -> Inspected:
    tasks, objects = state
    counts = Counter(task.status for task in tasks)
    spent = [task.seconds for task in tasks if task.seconds is not None]
    figures = [
        ("tasks", f"{len(tasks):,}"),
        *((f"  {status}", f"{count:,}") for status, count in sorted(counts.items())),
        ("sub-tasks", f"{sum(bool(task.ancestors) for task in tasks):,}"),
        ("objects", f"{len(objects):,}, {size_text(sum(o.size for o in objects.values()))}"),
        ("work", f"{seconds_text(sum(spent))} of tasks that have ended"),
    ]
    drawn = drawing_of_tasks(tasks, objects)
    return Inspected(title, kind, id, drawn, tuple(figures))
