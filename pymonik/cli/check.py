"""`pymonik graph check`: what would go wrong, before anything is sent."""

from __future__ import annotations

import sys
from dataclasses import asdict

import rich_click as click

from pymonik.analysis.check import check as find
from pymonik.analysis.findings import Finding
from pymonik.analysis.session.check import check_tasks
from pymonik.cli.dry_run import ScriptFailed
from pymonik.cli.graph import nothing, print_json
from pymonik.cli.quantities import Pairs, check_task_names, seconds_by_task
from pymonik.cli.runs import remembered
from pymonik.cli.tables import indented, say
from pymonik.cli.targets import (
    ANYWHERE,
    cluster,
    named,
    session_partitions,
    session_records,
    source,
)
from pymonik.errors import PymonikError
from pymonik.humanize import counted
from pymonik.values.foreign import harmless


@click.command(context_settings=ANYWHERE)
@click.option("--seconds", type=Pairs(), multiple=True, help="Of a call: price=0.4,load=2m.")
@click.option("--strict", is_flag=True, help="Let warnings end with 1, too.")
@cluster
@source
def check(
    script: str,
    args: tuple[str, ...],
    module: bool,
    execute: bool,
    output: str,
    seconds: tuple[dict[str, str], ...],
    strict: bool,
    endpoint: str | None,
) -> None:
    """Look for what would go wrong with SCRIPT: arguments, paths, modules, partitions, limits.

    Of a session on a cluster: what has failed, what waits in vain, partitions, limits.
    """
    durations = seconds_by_task(seconds)
    session = None if module else session_records(script, endpoint)
    if session is not None:
        check_task_names(durations, {task.name for task in session[0]})
        return _tell(
            script,
            check_tasks(*session, session_partitions(script, endpoint), durations),
            output,
            strict,
            "arguments, paths, modules and environments of a session are not known, nor checked",
        )
    try:
        recording = named(script, args, module, execute)
    except ScriptFailed as failure:
        if not isinstance(failure.error, PymonikError):
            say(str(failure), err=True)
            sys.exit(1)
        findings = [Finding("error", "recording", str(failure.error), failure.site)]
    else:
        if recording.plan is None:
            return nothing(script, output)
        check_task_names(durations, recording.tasks)
        with remembered() as seconds_of:
            findings = find(recording.plan, durations, seconds_of)
    return _tell(script, findings, output, strict)


def _tell(script: str, findings: list[Finding], output: str, strict: bool, note: str = "") -> None:
    """Print findings, and end with 1 where there is an error."""
    if output == "json":
        data = {"script": script, "findings": [asdict(finding) for finding in findings]}
        print_json({**data, "note": note} if note else data)
    else:
        for finding in findings:
            say(f"{finding.level}: {finding.rule} at {harmless(finding.site)}")
            say(f"  {indented(finding.text)}")
        say(f"{script}: {counted(len(findings), 'finding')}")
        say(f"note: {note}" if note else "", nl=bool(note))
    if any(finding.level == "error" or strict for finding in findings):
        sys.exit(1)
