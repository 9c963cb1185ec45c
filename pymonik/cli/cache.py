"""`pymonik cache`: the values of pure tasks that are kept on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import rich_click as click

from pymonik.cache.store import CacheEntry, ValueStore, default_folder
from pymonik.capture.text.fingerprint import changed_parts
from pymonik.cli.graph import print_json
from pymonik.cli.suggestions import did_you_mean
from pymonik.cli.tables import say, table
from pymonik.humanize import counted, size_text

_OUTPUT = click.Choice(["text", "json"])
_HEADING = ("key", "task", "size", "made", "used", "arguments")
# Characters of a key that are shown: enough to distinguish them, as with commits.
_KEY = 10


@click.group()
def cache() -> None:
    """Look at the values that tasks with cache=True have left, or remove them."""


@cache.command("list")
@click.argument("task", required=False)
@click.option("-n", "most", default=20, show_default=True, help="How many, the newest first.")
@click.option("-o", "--output", type=_OUTPUT, default="text")
def list_values(task: str | None, most: int, output: str) -> None:
    """List what is kept, of all tasks or of one."""
    entries = [entry for entry in ValueStore().entries() if task in (None, entry.task)]
    if output == "json":
        return print_json([asdict(entry) for entry in entries[:most]])
    total = size_text(sum(entry.size for entry in entries))
    say(f"{counted(len(entries), 'value')}, {total} in {default_folder()}")
    if entries:
        say(table([_HEADING, *map(_row, entries[:most])]))
    return None


def _row(entry: CacheEntry) -> tuple[str, ...]:
    times = [datetime.fromtimestamp(t).strftime("%m-%d %H:%M") for t in (entry.made, entry.used)]
    arguments = ", ".join(_short(argument) for argument in entry.arguments)
    return (entry.key[:_KEY], entry.task, size_text(entry.size), *times, arguments[:40])


@cache.command("clear")
@click.argument("task", required=False)
def clear(task: str | None) -> None:
    """Remove what is kept, of all tasks or of one."""
    store = ValueStore()
    count = store.clear(task)
    if task is not None and not count:
        raise _nothing_kept(task, store.entries())
    say(f"removed {counted(count, 'value')}")


@cache.command("explain")
@click.argument("task")
@click.option("-n", "most", default=5, show_default=True, help="How many, the newest first.")
def explain(task: str, most: int) -> None:
    """Tell how the values of a task differ: TASK is its name, or the beginning of a key."""
    entries = ValueStore().entries()
    named = [e for e in entries if e.task == task]
    if not named:
        named = [e for e in entries if task and e.key.startswith(task)]
        named += [e for e in entries if named and e.task == named[0].task and e not in named]
    if not named:
        raise _nothing_kept(task, entries)
    if len(named) > most:
        say(f"the newest {most} of {len(named):,}; -n for more")
    for place, newer in enumerate(named[:most]):
        older = _nearest(newer, named[place + 1 :])
        say(f"{newer.key[:_KEY]}  {newer.task}({', '.join(map(_short, newer.arguments))})")
        for line in _parts(newer) if older is None else _differences(newer, older):
            say(f"    {line}")


def _nothing_kept(task: str, entries: Sequence[CacheEntry]) -> click.ClickException:
    return click.ClickException(
        f"no value of a task {task!r} is kept: see `pymonik cache list`, and whether the task says "
        f"@task(pure=True, cache=True){did_you_mean(task, {entry.task for entry in entries})}"
    )


def _nearest(newer: CacheEntry, older: Sequence[CacheEntry]) -> CacheEntry | None:
    """Return the value to compare one with: the newest of the same arguments, else the newest."""
    same = (entry for entry in older if entry.arguments == newer.arguments)
    return next(same, next(iter(older), None))


def _parts(entry: CacheEntry) -> list[str]:
    return [f"known by {part}" for part in sorted(entry.code)]


def _differences(newer: CacheEntry, older: CacheEntry) -> list[str]:
    than = f"than {older.key[:_KEY]}"
    parts = changed_parts(dict(older.code), dict(newer.code))
    lines = [f"other {part} {than}" for part in parts]
    if newer.arguments != older.arguments:
        pairs = zip(newer.arguments, older.arguments)
        places = [str(place) for place, (a, b) in enumerate(pairs, 1) if a != b]
        which = f"argument {', '.join(places)}" if places else "number of arguments"
        lines.append(f"other {which} {than}")
    return lines or [f"computed from the same {than}, under other keywords"]


def _short(argument: str) -> str:
    return argument if len(argument) <= 12 else argument[:11] + "…"
