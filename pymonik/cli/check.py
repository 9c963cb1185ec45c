"""`pymonik graph check`: what would go wrong, before anything is sent."""

from __future__ import annotations

import sys
from dataclasses import asdict

import rich_click as click

from pymonik.cli.graph import nothing, print_json
from pymonik.cli.numbers import Pairs, known_tasks, seconds_by_task
from pymonik.cli.record import ScriptFailed
from pymonik.cli.runs import remembered
from pymonik.cli.sources import ANYWHERE, named, source
from pymonik.errors import PymonikError
from pymonik.graph.check import Finding
from pymonik.graph.check import check as find
from pymonik.numbers import counted


@click.command(context_settings=ANYWHERE)
@click.option("--seconds", type=Pairs(), multiple=True, help="Of a call: price=0.4,load=2m.")
@click.option("--strict", is_flag=True, help="Let warnings end with 1, too.")
@source
def check(
    script: str,
    args: tuple[str, ...],
    module: bool,
    execute: bool,
    output: str,
    seconds: tuple[dict[str, str], ...],
    strict: bool,
) -> None:
    """Look for what would go wrong with SCRIPT: arguments, paths, modules, partitions, limits."""
    durations = seconds_by_task(seconds)
    try:
        recording = named(script, args, module, execute)
    except ScriptFailed as failure:
        if not isinstance(failure.error, PymonikError):
            click.echo(str(failure), err=True)
            sys.exit(1)
        found = [Finding("error", "recording", str(failure.error), failure.site)]
    else:
        if recording.plan is None:
            return nothing(script, output)
        known_tasks(durations, recording.tasks)
        found = find(recording.plan, durations, remembered())
    if output == "json":
        print_json({"script": script, "findings": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            click.echo(f"{finding.level}: {finding.rule} at {finding.site}\n  {finding.text}")
        click.echo(f"{script}: {counted(len(found), 'finding')}")
    if any(finding.level == "error" or strict for finding in found):
        sys.exit(1)
    return None
