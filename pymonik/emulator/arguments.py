"""Values of the emulator's command line.

Enters: a text. Leaves: what it stands for, or a ValueError that says how to write it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

Span = tuple[float, float]
Value = TypeVar("Value")


def argument(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """Let the parser say what is wrong with a value, not only that it is."""

    def parsed(text: str) -> Value:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def parse_partition(text: str) -> tuple[str, int]:
    """Read "name=workers", or "name" for one worker."""
    name, equals, count = text.partition("=")
    if not name or (equals and not count.isdecimal()):
        raise ValueError(f"{text!r} is no partition: write NAME or NAME=WORKERS, as in pymonik=2")
    return name, int(count) if equals else 1


def parse_lag(text: str) -> Span:
    """Read milliseconds, "90" or "0-90", as the least and the most seconds."""
    least, dash, most = text.removesuffix("ms").partition("-")
    try:
        lag = float(least) / 1_000, float(most if dash else least) / 1_000
    except ValueError:
        lag = -1.0, -1.0
    if not 0 <= lag[0] <= lag[1]:
        raise ValueError(f"{text!r} is no lag: write milliseconds, as in 90 or 0-90")
    return lag


def parse_milliseconds(text: str) -> float:
    """Read "15", or "15ms", as seconds."""
    milliseconds = _time(text.removesuffix("ms"))
    if milliseconds is None:
        raise ValueError(f"{text!r} is no time: write milliseconds, as in 15 or 15ms")
    return milliseconds / 1_000


def parse_seconds(text: str) -> float:
    """Read "10", or "10s"."""
    seconds = _time(text.removesuffix("s"))
    if seconds is None:
        raise ValueError(f"{text!r} is no time: write seconds, as in 10 or 10s")
    return seconds


def parse_port(text: str) -> int:
    """Read the number of a port; 0 stands for any that is free."""
    if not text.isdecimal() or int(text) > 65535:
        raise ValueError(f"{text!r} is no port: write a number from 0 to 65535, 0 picks one")
    return int(text)


def _time(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def parse_outage(text: str) -> Span:
    """Read "10+4": seconds until an outage, and how long it lasts."""
    at, _, length = text.partition("+")
    outage = _time(at), _time(length)
    if outage[0] is None or outage[1] is None:
        raise ValueError(f"{text!r} is no outage: write AT+FOR in seconds, as in 10+4")
    return outage[0], outage[1]
