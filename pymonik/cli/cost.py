"""`pymonik graph cost`: what a script would take, and a gate for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import rich_click as click

from pymonik.analysis.cost import ASSUMED, Cost, Site
from pymonik.analysis.estimate import estimate
from pymonik.analysis.session.cost import cost_of_tasks
from pymonik.analysis.simulate import ARMONIK, LOCAL
from pymonik.analysis.total import in_turn
from pymonik.backend.dry_run import DryRunBackend
from pymonik.cli.dry_run import Recording
from pymonik.cli.graph import nothing, print_json
from pymonik.cli.quantities import (
    BYTES,
    COUNT,
    SECONDS,
    Pairs,
    check_task_names,
    number,
    seconds_by_task,
)
from pymonik.cli.runs import remembered
from pymonik.cli.tables import figures_text, say, table
from pymonik.cli.targets import (
    ANYWHERE,
    cluster,
    past,
    recorded,
    session,
    session_of,
    source,
    subtasks_text,
)
from pymonik.humanize import counted, seconds_text, size_text
from pymonik.plan.plan import Plan
from pymonik.runtime.host.start_state import available_cpus
from pymonik.settings import settings, variable

_WHERE = {"armonik": ARMONIK, "local": LOCAL}
# What a gate can ask for: the unit of its number, and where the figure comes from.
_GATES: dict[str, tuple[dict[str, float], Any]] = {
    "calls": (COUNT, lambda cost: cost.figures.calls),
    "tasks": (COUNT, lambda cost: cost.figures.tasks),
    "requests": (COUNT, lambda cost: sum(k.requests for k in cost.figures.requests)),
    "bytes": (BYTES, lambda cost: cost.figures.bytes_sent),
    "work": (SECONDS, lambda cost: cost.work),
    "makespan": (SECONDS, lambda cost: cost.makespan),
    "pod-hours": (COUNT, lambda cost: sum(cost.pod_hours.values())),
    "money": (COUNT, lambda cost: cost.money or 0.0),
}


@click.command(context_settings=ANYWHERE)
@click.option("--slots", type=Pairs(), help="Calls at once: 16, or gpu=4,pymonik=100.")
@click.option("--seconds", type=Pairs(), multiple=True, help="Of a call: price=0.4,load=2m.")
@click.option(
    "--assume",
    type=click.FloatRange(min=0),
    default=ASSUMED,
    show_default=True,
    help="Seconds of a call of unknown duration.",
)
@click.option("--price", type=click.FloatRange(min=0), help="Of a pod-hour.")
@click.option(
    "--on", "where", type=click.Choice(list(_WHERE)), default="armonik", show_default=True
)
@click.option(
    "--fail-over",
    type=Pairs(),
    multiple=True,
    help=f"End with 1 above: tasks=200000,bytes=5GB,makespan=2h; any of {', '.join(_GATES)}.",
)
@cluster
@source
def cost(
    script: str,
    args: tuple[str, ...],
    module: bool,
    execute: bool,
    output: str,
    slots: dict[str, str] | None,
    seconds: tuple[dict[str, str], ...],
    assume: float,
    price: float | None,
    where: str,
    fail_over: tuple[dict[str, str], ...],
    endpoint: str | None,
) -> None:
    """Estimate what SCRIPT would take: units, requests, bytes, time, pod-hours."""
    rooms, limits = _rooms(slots or {}), _limits(fail_over, price)
    durations = seconds_by_task(seconds)
    if rooms:
        # The script is compiled for what it will run on.
        os.environ[variable("workers")] = str(sum(rooms.values()))
    elif where == "local":
        DryRunBackend.assumed_slots = available_cpus()
    given: dict[str, Any] = {"seconds": durations, "assumed": assume, "price": price}
    given["overheads"] = _WHERE[where]
    is_past = endpoint is None and past(script) is not None
    seen = None if module or is_past else session(session_of(script), endpoint)
    recording = Recording(script, None)
    if seen is not None:
        made = cost_of_tasks(*seen, slots=rooms or {"": settings().default_slots}, **given)
    else:
        recording = recorded(script, args, module, execute)
        if not recording.plans:
            return nothing(script, output)
        given["slots"] = _of_partitions(rooms, recording.plans)
        with remembered() as seconds_of:
            made = in_turn(
                [estimate(plan, remembered=seconds_of, **given) for plan in recording.plans]
            )
    check_task_names(durations, [one.task for one in made.durations])
    _tell(script, made, recording, where, limits, output)
    return None


def _rooms(slots: dict[str, str]) -> dict[str, int]:
    rooms = {name: int(number(text, COUNT, "--slots")) for name, text in slots.items()}
    for name, room in rooms.items():
        if not room:
            text = f"{name}=1" if name else "1"
            raise click.BadParameter(
                f"no call can run without a slot: give {text} or more", param_hint="--slots"
            )
    return rooms


def _of_partitions(rooms: dict[str, int], plans: Sequence[Plan]) -> dict[str, int] | None:
    """Return the slots of each partition that is used; "" is that of clients which name none."""
    if not rooms or "" in rooms:
        return rooms or None
    default = settings().partition
    used = {unit.options.partition_id or "" for plan in plans for unit in plan.units}
    for name in sorted({name or default for name in used} - set(rooms)):
        raise click.BadParameter(
            f"calls run on {name!r}, whose slots are not given: add {name}=…", param_hint="--slots"
        )
    return {name: rooms[name or default] for name in used}


def _limits(fail_over: tuple[dict[str, str], ...], price: float | None) -> dict[str, str]:
    """Read limits; one that could never be broken is wrong usage."""
    limits = {name: text for pairs in fail_over for name, text in pairs.items()}
    hint, choices = "--fail-over", ", ".join(_GATES)
    for name, text in limits.items():
        if not name:
            raise click.BadParameter(f"{text!r} is not of the form tasks=200", param_hint=hint)
        if name not in _GATES:
            raise click.BadParameter(f"there is no figure {name!r}: {choices}", param_hint=hint)
        number(text, _GATES[name][0], hint)
    if "money" in limits and price is None:
        raise click.BadParameter("money needs the --price of a pod-hour", param_hint=hint)
    return limits


def _tell(
    script: str, made: Cost, recording: Recording, where: str, limits: dict[str, str], output: str
) -> None:
    """Print an estimate, and end with 1 where it breaks a limit."""
    failed = [_broken(made, name, text) for name, text in limits.items()]
    broken = [text for text in failed if text]
    if output == "json":
        ran = {"ran": recording.ran.makespan} if recording.ran is not None else {}
        print_json({"script": script, "pending": True, **asdict(made), **ran, "over": broken})
    else:
        say(f"{script}: estimated for {where}\n\n{cost_text(made)}")
        if recording.ran is not None:
            say(f"\nit ran here in {seconds_text(recording.ran.makespan)}")
        note = subtasks_text(recording) or _not_counted(recording)
        say(f"\n{note}" if note else "", nl=bool(note))
    for text in broken:
        say(f"over: {text}", err=True)
    if broken:
        sys.exit(1)


def _not_counted(recording: Recording) -> str:
    """Name tasks whose own calls are in no figure, as nothing has run."""
    names = ", ".join(recording.makers) if recording.ran is None else ""
    return (
        f"calls made inside {names} are not counted: --execute runs the script here to count them"
        if names
        else ""
    )


def _broken(cost: Cost, name: str, text: str) -> str:
    """Return by how much a limit is broken, and which line of the script does most of it."""
    units, figure = _GATES[name]
    limit, value = number(text, units, "--fail-over"), figure(cost)
    if value <= limit:
        return ""
    shown = {id(SECONDS): seconds_text, id(BYTES): size_text}.get(id(units), "{:,.6g}".format)
    culprit = max(cost.sites, key=lambda site: _share(site, name), default=None)
    most = f"; most of it: {culprit.task} at {culprit.site}" if culprit is not None else ""
    return f"{name} {shown(value)}, allowed {shown(limit)}{most}"


def _share(site: Site, name: str) -> float:
    if name in ("tasks", "requests"):
        return site.units
    if name == "calls":
        return site.calls
    return site.bytes if name == "bytes" else site.work


def money_text(money: float) -> str:
    """Return a sum of money: two decimals, more when it is next to nothing."""
    return f"{money:,.2f}" if money >= 1 else f"{money:.3g}"


def cost_text(cost: Cost) -> str:
    """Print an estimate."""
    rooms = ", ".join(f"{room}{f' of {name}' if name else ''}" for name, room in cost.slots.items())
    hours = ", ".join(
        f"{h:.3g}{f' of {name}' if name else ''}" for name, h in cost.pod_hours.items()
    )
    eager = cost.eager
    slow = "" if eager.makespan is None else f", {seconds_text(eager.makespan)}"
    rows = [
        ("slots", rooms),
        ("work", f"{seconds_text(cost.work)}, of which {cost.known:.0%} has known durations"),
        ("span", f"{seconds_text(cost.span)}, the longest chain of units"),
        ("bound", f"{seconds_text(cost.bound)}, no schedule of these units is shorter"),
        ("makespan", f"{seconds_text(cost.makespan)}, simulated; slots {cost.use:.0%} busy"),
        ("pod-hours", hours + ("" if cost.money is None else f", for {money_text(cost.money)}")),
    ]
    if eager.requests:  # those of a session are not known any more
        each = f"{counted(eager.units, 'unit')}, {counted(eager.requests, 'request')}"
        rows.append(("eagerly", f"{each}, {size_text(eager.bytes)}{slow}"))
    durations = [
        (one.task, f"{one.calls:,}", seconds_text(one.seconds), one.source)
        for one in cost.durations[:20]
    ]
    sites = [
        (s.site, s.task, f"{s.calls:,}", f"{s.units:,}", size_text(s.bytes), seconds_text(s.work))
        for s in cost.sites[:20]
    ]
    return "\n\n".join(
        [
            figures_text(cost.figures),
            table(rows),
            table([("task", "calls", "each", "source"), *durations]),
            table([("recorded at", "task", "calls", "units", "reads", "work"), *sites]),
        ]
    )
