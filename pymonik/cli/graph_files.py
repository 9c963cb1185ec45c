"""`pymonik graph save`, `graph diff` and `submit`: graphs as files."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict
from typing import Any

import rich_click as click

from pymonik.analysis.diff import Change
from pymonik.analysis.diff import diff as compare
from pymonik.analysis.file import is_file, load
from pymonik.analysis.file import save as write
from pymonik.analysis.session.diff import compare as compare_tasks
from pymonik.analysis.session.diff import tasks_of_plans
from pymonik.analysis.session.file import is_tasks_file, save_tasks
from pymonik.backend.traits import TRAITS
from pymonik.cli.dry_run import Recording
from pymonik.cli.graph import nothing, print_json
from pymonik.cli.tables import say
from pymonik.cli.targets import (
    ANYWHERE,
    SessionRecords,
    cluster,
    recorded,
    session_records,
    source,
    written,
)
from pymonik.client.client import Pymonik
from pymonik.client.lookup import handles_of
from pymonik.errors import GraphFileError, SourceChangedError
from pymonik.graph.ir import Graph, Put, externals
from pymonik.humanize import counted
from pymonik.record.handle import handle_to
from pymonik.runs.drawing import tasks_of_run
from pymonik.values.foreign import harmless


@click.command(context_settings=ANYWHERE)
@click.argument("file", type=click.Path(dir_okay=False))
@cluster
@source
def save(
    file: str,
    script: str,
    args: tuple[str, ...],
    module: bool,
    execute: bool,
    output: str,
    endpoint: str | None,
) -> None:
    """Write the graph of SCRIPT to FILE, for `graph show`, `cost`, `diff` and `submit`.

    Of a past run or a session on a cluster, this is the wiring, which nothing can be submitted of.
    """
    is_ours = is_file(file) or is_tasks_file(file)
    if os.path.exists(file) and os.path.getsize(file) and not is_ours:
        raise click.BadParameter(
            f"{file} exists and is not a saved graph: FILE, which is written, comes before SCRIPT",
            param_hint="FILE",
        )
    session = None if module else session_records(script, endpoint, as_seen=True)
    if session is not None:
        return _save_tasks(session, file, output)
    recording = recorded(script, args, module, execute)
    plan = recording.plan
    if plan is None:
        return nothing(script, output)
    if recording.run is not None:
        return _save_tasks((tasks_of_run(recording.run, recording.plans), {}), file, output)
    try:
        write(plan, file)
    except (GraphFileError, SourceChangedError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if output == "json":
        print_json({"file": file, "calls": plan.calls, "units": len(plan.units)})
    else:
        say(f"wrote {file}: {counted(plan.calls, 'call')}")
    return None


def _save_tasks(session: SessionRecords, file: str, output: str) -> None:
    try:
        save_tasks(*session, file)
    except OSError as error:
        raise click.ClickException(str(error)) from error
    if output == "json":
        print_json({"file": file, "tasks": len(session[0])})
    else:
        say(f"wrote {file}: the wiring of {counted(len(session[0]), 'task')}")


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@click.option("--execute", is_flag=True, help="Run scripts here to their end.")
@click.option("--exit-code", is_flag=True, help="End with 1 when something changed.")
@cluster
def diff(
    before: str, after: str, output: str, execute: bool, exit_code: bool, endpoint: str | None
) -> None:
    """Tell what changed from BEFORE to AFTER, why, and what lies downstream.

    Each is a file of `graph save`, a past run, or a script, with its arguments in one pair of
    quotes; or the id of a session on a cluster, of which only the wiring can be compared.
    """
    names = (before, after)
    sessions = [session_records(text, endpoint) for text in names]
    recordings = [
        recorded(*_words(text), execute=execute) if session is None else None
        for text, session in zip(names, sessions)
    ]
    changes, notes = _compared(recordings, sessions)
    if output == "json":
        print_json({"changes": [asdict(change) for change in changes], "notes": notes})
    else:
        for note in notes:
            say(f"note: {note}")
        for change in changes:
            times = f", {change.times:,} times" if change.times > 1 else ""
            place = f" at {change.site}" if change.site else ""
            say(harmless(f"{change.kind} {change.task}{place}{times}"))
            for reason in change.why:
                say(f"  {harmless(reason)}")
            if change.downstream:
                say(harmless(f"  downstream: {', '.join(change.downstream)}"))
        say(counted(len(changes), "change"))
    if changes and exit_code:
        sys.exit(1)


def _compared(
    recordings: list[Recording | None], sessions: list[SessionRecords | None]
) -> tuple[list[Change], list[str]]:
    """Compare graphs, or where a session has none, tasks; say what could not be compared."""
    one, other = recordings
    if one is not None and other is not None:
        return compare(_graph(one), _graph(other), (_seed(one), _seed(other))), []
    notes = ["only the wiring of a session is known: arguments and code are not compared"]
    sides = [
        session
        if session is not None
        else (tasks_of_plans(recording.plans if recording else ()), {})
        for recording, session in zip(recordings, sessions)
    ]
    if one is not None or other is not None:
        # What tasks make themselves is in no recording.
        made = sum(bool(task.ancestors) for tasks, _ in sides for task in tasks)
        sides = [([t for t in tasks if not t.ancestors], objects) for tasks, objects in sides]
        plans = [plan for recording in recordings if recording for plan in recording.plans]
        slots = {plan.source.target.slots for plan in plans if plan.source is not None}
        counts = " and ".join(counted(number, "slot") for number in sorted(slots))
        if counts:  # how calls are batched depends on it
            notes.append(
                f"a recording is compiled for {counts}: PYMONIK_WORKERS=… sets the session's"
            )
        if made:
            notes.append(f"{counted(made, 'sub-task')} of the session are left out")
    return compare_tasks(*sides), notes


def _words(text: str) -> tuple[str, tuple[str, ...], bool]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} has an open quotation") from error
    if not words:
        raise click.BadParameter(f"{text!r} names no script")
    return words[0], tuple(words[1:]), False


def _graph(recording: Recording) -> Graph:
    return written(recording.plan) if recording.plan is not None else Graph((), {})


def _seed(recording: Recording) -> int | None:
    source = recording.plan.source if recording.plan is not None else None
    return source.seed if source is not None else None


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--backend", type=click.Choice(list(TRAITS)), help="Where to run it.")
@click.option("--workers", type=click.IntRange(min=1), help="Calls that run at once.")
@cluster
@click.option("--detach", is_flag=True, help="Do not wait for it.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def submit(
    file: str,
    backend: str | None,
    workers: int | None,
    endpoint: str | None,
    detach: bool,
    output: str,
) -> None:
    """Run the graph in FILE, and print the values that its script could have asked for."""
    try:
        loaded = load(file, os.environ)
    except GraphFileError as error:
        raise click.BadParameter(str(error), param_hint="FILE") from error
    elsewhere = sorted({source.name for source in externals(loaded.graph)})
    if elsewhere:
        raise click.BadParameter(
            f"it uses values of another program ({', '.join(elsewhere)}), which a file cannot "
            "hold: run its script itself, on a client made with Pymonik.attach",
            param_hint="FILE",
        )
    client = Pymonik(
        endpoint,
        list(loaded.partitions) or None,
        workers=workers,
        optimize=loaded.optimize,
        backend=backend,
        detach=detach,
    )
    values: dict[str, Any] = {}
    failed: list[str] = []
    sys.argv[0] = file  # what `pymonik runs` shows
    try:
        with client:
            client.pending.extend(loaded.graph.nodes)
            client.recorder.names.update(handles_of(loaded.graph.nodes, client))
            client.flush()
            session = client.session_id
            for name, nodes in _wanted(loaded.graph).items() if not detach else ():
                outcomes = [_values(node, client, name, failed) for node in nodes]
                values[name] = outcomes[0] if len(nodes) == 1 else outcomes
    except Exception as error:  # what a task raised, or why it could not run
        say(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)
    if output == "json":
        print_json({"file": file, "session": session, "values": _plain(values)})
    else:
        say(f"session {session}")
        for name, value in values.items():
            say(harmless(f"{name}: {_shortened(value)}"))
    for text in failed:
        say(text, err=True)
    if failed:
        sys.exit(1)


def _wanted(graph: Graph) -> dict[str, list[Any]]:
    """Return the calls whose values can be asked for, those of one line under one name."""
    nodes: dict[str, list[Any]] = {}
    for node in graph.nodes:
        if not isinstance(node, Put) and node.wanted:
            name = node.label if isinstance(node.label, str) else node.spec.name
            nodes.setdefault(f"{name} at {node.where}", []).append(node)
    return nodes


def _values(node: Any, client: Pymonik, name: str, failed: list[str]) -> Any:
    """Return the values of a call or a map, errors where they failed.

    failed: takes the texts of the errors.
    """
    handles = [handle_to(node, index, client) for index in range(node.n or 1)]
    outcomes: list[Any] = []
    for handle in handles:
        error = handle.exception()
        if error is not None:
            place = f"[{handle._index}]" if node.n is not None else ""
            failed.append(f"{name}{place}: {type(error).__name__}: {error}")
        outcomes.append(handle.get() if error is None else error)
    return outcomes[0] if node.n is None else outcomes


def _plain(value: Any) -> Any:
    """Return what JSON can hold: arrays as lists, keys as texts, other objects as they print."""
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(inner) for inner in value]
    return repr(value) if isinstance(value, BaseException) else value


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
