"""Findings: what is wrong with a plan or with a session, and the rules that both have in common.

Enters: what calls want, by plan or by task. Leaves: findings, each with the thing, the place and
the way out. What to look at is the business of `check` and of `session.check`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that goes wrong (error), or will surprise (warning)."""

    level: str
    rule: str
    text: str
    site: str


def errors_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return each finding once, errors before warnings, else in the order of the rules."""
    # By the names of the levels, whose order in the alphabet is that of their weight.
    return sorted(dict.fromkeys(findings), key=lambda finding: finding.level)


def past_limit(
    expectation: str, seconds: float | None, limit: float | None, stopped: str, site: str
) -> Iterator[Finding]:
    """Find calls that are expected to last longer than their `max_duration` lets them.

    expectation: who is expected to last, up to the number. stopped: what becomes of them, with a
    "{}" for the limit.
    """
    if seconds is not None and limit is not None and seconds > limit:
        end = stopped.format(f"after {limit:g} s")
        text = f"{expectation} {seconds:.3g} s, and max_duration stops {end}"
        yield Finding("error", "max_duration", text, site)


def foreign_partition(
    name: str, partition: str | None, allowed: Collection[str], choices: str, site: str
) -> Iterator[Finding]:
    """Find calls of a name that want a partition which is not among the allowed ones."""
    if partition and partition not in allowed:
        text = f"{name} wants the partition {partition!r}, {choices}"
        yield Finding("error", "partition", text, site)
