"""`pymonik graph …`: what a script would do, before it does it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import rich_click as click

from pymonik.cli.record import Recording, ScriptFailed, record
from pymonik.cli.text import columns, figures_text
from pymonik.graph.cost import figures
from pymonik.graph.draw.model import drawing
from pymonik.graph.draw.terminal import terminal
from pymonik.graph.ir import Graph
from pymonik.graph.passes import PASSES, run_passes
from pymonik.graph.show import show as text_of
from pymonik.plan.plan import Plan


@click.group()
def graph() -> None:
    """Look at what a script would do, before it does it.

    SCRIPT is run up to the first value it needs, and nothing is sent. Options of these commands
    may stand anywhere; what follows `--` is the script's, as is any option they do not know.
    """


def _source(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the arguments that name a script."""
    for decorate in (
        click.argument("args", nargs=-1, type=click.UNPROCESSED),
        click.argument("script"),
        click.option("-m", "module", is_flag=True, help="SCRIPT is the name of a module."),
        click.option(
            "-o", "output", type=click.Choice(["text", "json"]), default="text", show_default=True
        ),
    ):
        command = decorate(command)
    return command


_ANYWHERE = {"ignore_unknown_options": True}


@graph.command(context_settings=_ANYWHERE)
@click.option(
    "--view",
    type=click.Choice(["logical", "units"]),
    default="logical",
    show_default=True,
    help="What was written, or what will be submitted.",
)
@click.option(
    "--print-after",
    type=click.Choice(["recording", *PASSES]),
    multiple=True,
    help="Print the graph after a pass, a line a node.",
)
@_source
def show(
    script: str,
    args: tuple[str, ...],
    module: bool,
    output: str,
    view: str,
    print_after: tuple[str, ...],
) -> None:
    """Draw the graph of SCRIPT, and tell what it comes to."""
    recording = recorded(script, args, module)
    plan = recording.plan
    if plan is None:
        return _nothing(script, output)
    written = plan.source.graph if plan.source is not None else plan.graph
    drawn = drawing(written if view == "logical" else plan.graph)
    if output == "json":
        stages = {name: text_of(stage) for name, stage in _stages(plan) if name in print_after}
        return _print_json(
            {
                "script": script,
                "pending": True,
                "view": view,
                **asdict(drawn),
                "figures": asdict(figures(plan)),
                **({"after": stages} if stages else {}),
            }
        )
    for name, stage in _stages(plan) if print_after else ():
        if name in print_after:
            click.echo(f"after {name}:\n{text_of(stage)}\n")
    click.echo(f"{script}: {'as written' if view == 'logical' else 'as it will be submitted'}\n")
    click.echo(terminal(drawn, columns()))
    if any(box.wanted for box in drawn.boxes):
        click.echo("\n* its values can be asked for")
    click.echo()
    click.echo(figures_text(figures(plan)))
    return None


def recorded(script: str, args: tuple[str, ...], module: bool) -> Recording:
    """Record a script; its failure ends the command with exit code 1."""
    if not module and not os.path.exists(script):
        raise click.BadParameter(f"there is no {script!r} here", param_hint="SCRIPT")
    try:
        return record(script, args, module)
    except ScriptFailed as failure:
        click.echo(str(failure), err=True)
        sys.exit(1)


def _stages(plan: Plan) -> list[tuple[str, Graph]]:
    """Compile once more, and give the graph after each pass."""
    source = plan.source
    if source is None:
        return []
    stages: list[tuple[str, Graph]] = [("recording", source.graph)]
    run_passes(
        source.graph, source.target, source.optimize, lambda name, made: stages.append((name, made))
    )
    return stages


def _nothing(script: str, output: str) -> None:
    if output == "json":
        return _print_json({"script": script, "pending": False})
    click.echo(f"{script}: nothing is pending, it ended without a call that has to be sent")
    return None


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, default=str))
