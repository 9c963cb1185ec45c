"""`pymonik graph …`: what a script would do, before it does it."""

from __future__ import annotations

import json
import os
import tempfile
import webbrowser
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich_click as click

from pymonik.analysis.counts import Figures, figures
from pymonik.analysis.total import together
from pymonik.cli.dry_run import Recording
from pymonik.cli.suggestions import demand_no_arguments
from pymonik.cli.tables import (
    columns,
    figures_rows,
    figures_text,
    has_colour,
    say,
    table,
    write_text,
)
from pymonik.cli.targets import (
    ANYWHERE,
    Inspected,
    cluster,
    recorded,
    seen,
    source,
    subtasks_text,
    written,
)
from pymonik.draw.explain import explained, graphs, stages
from pymonik.draw.formats import FORMATS, described
from pymonik.draw.html import Stage, page
from pymonik.draw.model import Drawing, drawing
from pymonik.draw.tasks import drawing_of_tasks, with_subtasks
from pymonik.draw.terminal import terminal
from pymonik.graph.passes import PASSES
from pymonik.graph.show import show as text_of
from pymonik.plan.plan import Plan


@click.group()
def graph() -> None:
    """Look at what a script would do, before it does it.

    SCRIPT is run up to the first value it needs, and nothing is sent; it may also be
    `module:function`, or a file that `graph save` wrote. Options of these commands may stand
    anywhere; what follows `--` is the script's, as is any option they do not know.
    """


@graph.command(context_settings=ANYWHERE)
@click.option(
    "--view",
    type=click.Choice(["logical", "units"]),
    default="logical",
    show_default=True,
    help="What was written, or what will be submitted.",
)
@click.option("--explain", is_flag=True, help="Show what each pass changed, and why.")
@click.option(
    "--print-after",
    type=click.Choice(["recording", *PASSES]),
    multiple=True,
    help="Print the graph after a pass, a line a node.",
)
@click.option("--format", "form", type=click.Choice(list(FORMATS)), help="Print this instead.")
@click.option("--save", type=click.Path(), help="Write to a file; its ending names the format.")
@click.option("--open", "opens", is_flag=True, help="Open the drawing as a page in a browser.")
@cluster
@source
def show(
    script: str,
    args: tuple[str, ...],
    module: bool,
    execute: bool,
    output: str,
    view: str,
    explain: bool,
    print_after: tuple[str, ...],
    form: str | None,
    save: str | None,
    opens: bool,
    endpoint: str | None,
) -> None:
    """Draw the graph of SCRIPT, and tell what it comes to.

    SCRIPT may also be `module:function`, a file of `graph save`, a past run (its id, or `last`) or
    the id of a session on a cluster, whoever submitted it: its tasks as they stand now.
    """
    inspected = None if module else seen(script, endpoint)
    if inspected is not None:
        demand_no_arguments(script, args)
        return _show_seen(inspected, output, form, save, opens)
    recording = recorded(script, args, module, execute)
    plan = recording.plan
    if plan is None:
        return nothing(script, output)
    drawn = _drawn(recording, plan, view)
    counts = together([figures(one) for one in recording.plans])
    if form or save or opens:
        name = os.path.basename(script)
        ran = Stage("ran", "what ran here", drawn) if recording.ran else None
        return _deliver(drawn, lambda: _page(name, plan, view, ran, counts), form, save, opens)
    if output == "json":
        return print_json(_as_data(script, view, drawn, plan, explain, print_after, counts))
    for name, stage in graphs(plan).items() if print_after else ():
        if name in print_after:
            say(f"after {name}:\n{text_of(stage)}\n")
    if explain:
        say(f"{explained(plan)}\n")
    what = "as written" if view == "logical" else "as it will be submitted"
    what = "as it ran here" if view == "units" and recording.ran else what
    say(f"{script}: {what}\n")
    click.echo(terminal(drawn, columns(), colour=has_colour()))
    if any(box.wanted for box in drawn.boxes):
        say("\n* its values can be asked for")
    say()
    say(figures_text(counts))
    subtasks = subtasks_text(recording)
    say(f"\n{subtasks}" if subtasks else "", nl=bool(subtasks))
    return None


def _drawn(recording: Recording, plan: Plan, view: str) -> Drawing:
    if recording.ran is None:
        return drawing(written(plan) if view == "logical" else plan.graph)
    tasks = recording.ran.tasks()
    if view == "units":
        return drawing_of_tasks(tasks, {})
    return with_subtasks(drawing(written(plan)), tasks)


def _as_data(
    script: str,
    view: str,
    drawn: Drawing,
    plan: Plan,
    explain: bool,
    print_after: tuple[str, ...],
    counts: Figures,
) -> dict[str, Any]:
    made = graphs(plan) if explain or print_after else {}
    after = {name: text_of(stage) for name, stage in made.items() if explain or name in print_after}
    data = {"script": script, "pending": True, "view": view, **described(drawn)}
    data["figures"] = asdict(counts)
    if after:
        data["after"] = after
    if explain:
        data["notes"] = list(plan.graph.notes)
    return data


def _show_seen(
    inspected: Inspected, output: str, form: str | None, save: str | None, opens: bool
) -> None:
    drawn = inspected.drawing
    if form or save or opens:
        stage = Stage(inspected.kind, "", drawn)
        return _deliver(
            drawn, lambda: page(inspected.title, [stage], inspected.figures), form, save, opens
        )
    if output == "json":
        return print_json({inspected.kind: inspected.id, "pending": False, **described(drawn)})
    say(f"{inspected.title}\n")
    click.echo(terminal(drawn, columns(), colour=has_colour()))
    say(f"\n{table(inspected.figures)}")
    return None


def _page(name: str, plan: Plan, view: str, ran: Stage | None, counts: Figures) -> str:
    made = [*stages(plan), *([ran] if ran is not None else [])]
    # As written, but loops of calls as one box each: call by call, many are only specks.
    folded = [place for place, stage in enumerate(made) if stage.name == "vectorize"]
    start = (folded or [0])[0] if view == "logical" else len(made) - 1
    return page(name, made, figures_rows(counts), start)


def _deliver(
    drawn: Drawing,
    write_page: Callable[[], str],
    form: str | None,
    save: str | None,
    opens: bool,
) -> None:
    """Print, save or open a drawing."""
    form = form or (_format_of(save) if save else "html")
    text = write_page() if form == "html" else FORMATS[form](drawn)
    if opens and not save:
        handle, save = tempfile.mkstemp(prefix="pymonik-", suffix=f".{form}")
        os.close(handle)
    if save is None:
        say(text)
        return
    write_text(save, text, "--save")
    say(f"wrote {save}", err=True)
    if opens:
        webbrowser.open(Path(save).resolve().as_uri())


def _format_of(path: str) -> str:
    ending = Path(path).suffix.lstrip(".").lower()
    endings_of = {"mmd": "mermaid", "gv": "dot", "txt": "terminal", "htm": "html"}
    form = endings_of.get(ending, ending)
    if form not in FORMATS:
        endings = ", ".join(sorted({*FORMATS, *endings_of} - {"terminal", "mermaid"}))
        raise click.BadParameter(f"{path!r} names no format: end it in one of {endings}")
    return form


def nothing(script: str, output: str) -> None:
    """Say that a script has ended with nothing to send."""
    if output == "json":
        return print_json({"script": script, "pending": False})
    say(f"{script}: nothing is pending: the script ended without a call that has to be sent")
    return None


def print_json(value: Any) -> None:
    """Print a value as JSON for programs."""
    click.echo(json.dumps(value, indent=2, default=str))
