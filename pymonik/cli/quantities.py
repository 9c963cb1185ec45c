"""Numbers with units on the command line: 2h, 5GB, 200k, and pairs of names and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import rich_click as click

# What a number may end with, and how many of the unit that is; bytes as networks count them, by
# thousands.
SECONDS = {"": 1.0, "s": 1, "ms": 1e-3, "m": 60, "min": 60, "h": 3600, "d": 86400}
BYTES = {"": 1.0, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
COUNT = {"": 1.0, "k": 1e3, "m": 1e6}


# Older releases of click have no types to fill in.
if TYPE_CHECKING:
    _Base = click.ParamType[dict[str, str]]
else:
    _Base = click.ParamType


class Pairs(_Base):
    """`name=value,name=value`; a lone value has the name ""."""

    name = "name=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> dict[str, str]:
        """Split the text."""
        if isinstance(value, dict):
            return value
        pairs = [part.rpartition("=") for part in value.split(",") if part.strip()]
        return {name.strip(): number.strip() for name, _, number in pairs}


def seconds_by_task(given: Iterable[dict[str, str]]) -> dict[str, float]:
    """Read `--seconds`, whose pairs need a name."""
    pairs = [pair for each in given for pair in each.items()]
    for name, text in pairs:
        if not name:
            raise click.BadParameter(
                f"{text!r} names no task: write TASK={text}, such as price={text}",
                param_hint="--seconds",
            )
    return {name: number(text, SECONDS, "--seconds") for name, text in pairs}


def check_task_names(seconds: Iterable[str], tasks: Iterable[str]) -> None:
    """Refuse seconds of a task that is not there: they would count for nothing."""
    names = sorted(set(tasks))
    for name in seconds:
        if name not in names:
            raise click.BadParameter(
                f"no task {name!r} is called, these are: {', '.join(names)}", param_hint="--seconds"
            )


def number(text: str, units: dict[str, float], option: str) -> float:
    """Read a number with one of the units; anything else is wrong usage."""
    match = re.fullmatch(r"((?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-z]*)", text.lower())
    if match is None or match[2] not in units:
        choices = ", ".join(filter(None, units))
        raise click.BadParameter(
            f"{text!r} is no number from 0, alone or with one of {choices}", param_hint=option
        )
    return float(match[1].replace("_", "")) * units[match[2]]
