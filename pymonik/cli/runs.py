"""`pymonik runs` and `pymonik trace`: what ran, when, and for how long."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import rich_click as click

from pymonik.capture.text.fingerprint import fingerprint
from pymonik.cli.graph import print_json
from pymonik.cli.tables import columns, indented, say, table, write_text
from pymonik.cli.targets import cluster, past, session
from pymonik.draw.model import Drawing
from pymonik.draw.terminal import terminal
from pymonik.errors import RunNotFound
from pymonik.humanize import seconds_text
from pymonik.runs.observe import failures_text
from pymonik.runs.record import RunRecord
from pymonik.runs.store import RunStore
from pymonik.runs.trace import chrome, timeline
from pymonik.values.foreign import harmless

_OUTPUT = click.Choice(["text", "json"])
_WRITERS = {".json": chrome, ".html": timeline, ".htm": timeline}
_HEADING = ("run", "started", "took", "calls", "units", "failed", "script")


@click.group()
def runs() -> None:
    """Look at past runs. RUN is the id of one, the beginning of it, or `last`."""


@runs.command("list")
@click.option(
    "-n",
    "most",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)
@click.option("-o", "--output", type=_OUTPUT, default="text")
def list_runs(most: int, output: str) -> None:
    """List past runs."""
    try:
        with RunStore.existing() as store:
            records = store.list(most)
    except RunNotFound as error:
        raise click.ClickException(str(error)) from error
    if output == "json":
        return print_json([asdict(record) for record in records])
    say(table([_HEADING, *map(_row, records)]))
    return None


def _row(record: RunRecord) -> tuple[str, ...]:
    started = datetime.fromtimestamp(record.started).strftime("%Y-%m-%d %H:%M:%S")
    counts = (f"{record.calls:,}", f"{record.units:,}", failures_text(record))
    script = os.path.basename(record.script)
    return (record.id, started, seconds_text(record.seconds), *counts, script)


@runs.command("show")
@click.argument("run", default="last")
@click.option("-o", "--output", type=_OUTPUT, default="text")
def show_run(run: str, output: str) -> None:
    """Show what a run submitted, what it took, and what failed.

    A piece is what one worker ran of a unit in one go: units that others help with have several.
    """
    record = found(run)
    if output == "json":
        return print_json(asdict(record))
    for drawn in record.drawings:
        click.echo(terminal(Drawing.of(drawn), columns()) + "\n")
    if record.submissions > len(record.drawings):
        say(f"… {record.submissions - len(record.drawings)} more submissions\n")
    say(table([_HEADING, _row(record)]))
    if record.spans:
        say()
        say(table([("unit", "pieces", "calls", "seconds", "each"), *_work(record)]))
    elif record.is_remote:
        say(
            f"\nthe cluster has the times of its tasks: pymonik graph show {record.session_id} "
            "--endpoint …"
        )
    for failure in record.failures:
        where = harmless(f"{failure['task']} at {failure['site']}")
        say(f"\n{where}: {indented(failure['text'])}")
    return None


def _work(record: RunRecord) -> list[tuple[str, ...]]:
    sums: dict[str, list[float]] = {}
    for _, name, _, seconds, elements in record.spans:
        entry = sums.setdefault(name, [0, 0, 0.0])
        for place, number in enumerate((1, elements, seconds)):
            entry[place] += number
    return [
        (name, f"{pieces:,.0f}", f"{calls:,.0f}", seconds_text(spent), seconds_text(spent / calls))
        for name, (pieces, calls, spent) in sums.items()
        if calls
    ]


@click.command()
@click.argument("run", default="last")
@click.option(
    "-o", "--output", default="trace.json", show_default=True, help="A .json or a .html file."
)
@cluster
def trace(run: str, output: str, endpoint: str | None) -> None:
    """Write which worker ran what when: for Perfetto (.json), or as a page (.html).

    RUN is a past run (its id, or `last`), or the id of a session on a cluster.
    """
    write = _WRITERS.get(Path(output).suffix)
    if write is None:
        raise click.BadParameter(
            f"{output!r} names no format: end it in .json or .html", param_hint="--output"
        )
    recorded = past(run)
    record = None
    if endpoint is not None or recorded is None or (recorded.is_remote and not recorded.spans):
        record = of_session(recorded.session_id if recorded is not None else run, endpoint)
    record = record or found(run)
    if not record.spans and record.is_remote:
        raise click.UsageError(
            f"the times of the tasks of {record.id} are on its cluster: name it with --endpoint"
        )
    write_text(output, write(record), "--output")
    say(f"wrote {output}")


def of_session(session_id: str, endpoint: str | None) -> RunRecord | None:
    """Make the record of a run of what a cluster knows of a session."""
    seen = session(session_id, endpoint)
    if seen is None:
        return None
    ran = [task for task in seen[0] if task.seconds is not None]
    began = min((task.started for task in ran), default=0.0)
    lanes = {name: n for n, name in enumerate(sorted({task.worker for task in ran}))}
    spans = [(lanes[t.worker], t.name, t.started - began, t.seconds or 0.0, 1) for t in ran]
    record = RunRecord(session_id, began, f"session {session_id}", "armonik", len(lanes))
    record.spans = sorted(spans, key=lambda span: span[2])
    record.calls = record.units = len(seen[0])
    record.seconds = max((begin + seconds for _, _, begin, seconds, _ in spans), default=0.0)
    return record


def found(run: str) -> RunRecord:
    """Find a run; an unknown one is wrong usage."""
    try:
        with RunStore.existing() as store:
            return store.find(run)
    except RunNotFound as error:
        raise click.BadParameter(str(error), param_hint="RUN") from error


@contextmanager
def remembered() -> Iterator[Callable[[Any], float | None]]:
    """Give what says how long a call took in earlier runs, as far as any are kept."""
    try:
        store = RunStore.existing()
    except RunNotFound:
        yield lambda spec: None
        return
    seconds_of: dict[int, float | None] = {}

    def seconds(spec: Any) -> float | None:
        if id(spec) not in seconds_of:
            try:
                seconds_of[id(spec)] = store.seconds(
                    fingerprint(spec.code.function, packages=False)
                )
            except RunNotFound:  # the database is damaged
                seconds_of[id(spec)] = None
        return seconds_of[id(spec)]

    with store:
        yield seconds
