"""A tree: mean and variance of a million numbers that are never in one place.

Each block gives its count, mean and sum of squares; pairs are merged until one is left, by the
formula of Chan, Golub and LeVeque (1983, The American Statistician 37), which does not lose digits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pymonik import Pymonik, task

BLOCKS, SIZE = 64, 16_384


class Moments(NamedTuple):
    """Count, mean, and sum of squared deviations."""

    count: int
    mean: float
    squares: float


@task
def summarize(seed: int) -> Moments:
    """Make a block of numbers, far from 0, and summarize it."""
    numbers = np.random.default_rng(seed).normal(loc=1e6, size=SIZE)
    mean = float(numbers.mean())
    return Moments(SIZE, mean, float(np.sum((numbers - mean) ** 2)))


@task
def merge(a: Moments, b: Moments) -> Moments:
    """Merge two summaries into the summary of both."""
    count, apart = a.count + b.count, b.mean - a.mean
    mean = a.mean + apart * b.count / count
    return Moments(count, mean, a.squares + b.squares + apart**2 * a.count * b.count / count)


def main() -> None:
    """Reduce the blocks pair by pair."""
    with Pymonik():
        level = summarize.map_invoke(range(BLOCKS))
        while len(level) > 1:
            level = merge.map_invoke(list(zip(level[::2], level[1::2], strict=True)))
        total = level[0].get()
    deviation = (total.squares / total.count) ** 0.5
    print(f"{total.count} numbers: mean {total.mean:.3f}, standard deviation {deviation:.4f}")


if __name__ == "__main__":
    main()
