"""Sub-tasks: integrate a function, with more points where it is wild.

Adaptive Simpson quadrature (Lyness, 1969, Journal of the ACM 16): an interval whose two halves do
not confirm it is given to two tasks. Nobody knows beforehand how many tasks that makes. Returning a
handle is all it takes: its value becomes the value of the task that returned it.
"""

from __future__ import annotations

import math

from pymonik import Pymonik, ResultHandle, task


def wild(x: float) -> float:
    """Oscillate faster and faster towards 0."""
    return math.sin(1 / x)


def simpson(low: float, high: float) -> float:
    """Estimate the integral from three points."""
    return (high - low) / 6 * (wild(low) + 4 * wild((low + high) / 2) + wild(high))


@task
def add(left: tuple[float, int], right: tuple[float, int]) -> tuple[float, int]:
    """Add the values of two parts, and the number of intervals they took."""
    return left[0] + right[0], left[1] + right[1]


@task
def integrate(
    low: float, high: float, tolerance: float
) -> tuple[float, int] | ResultHandle[tuple[float, int]]:
    """Give the integral of `wild` and how many intervals it took."""
    middle = (low + high) / 2
    whole, halves = simpson(low, high), simpson(low, middle) + simpson(middle, high)
    error = (halves - whole) / 15
    if abs(error) <= tolerance:
        return halves + error, 1
    left = integrate.invoke(low, middle, tolerance / 2)
    right = integrate.invoke(middle, high, tolerance / 2)
    return add.invoke(left, right)


def main() -> None:
    """Integrate sin(1/x) from 0.05 to 1."""
    with Pymonik():
        value, intervals = integrate.invoke(0.05, 1.0, 1e-6).get()
    print(f"the integral of sin(1/x) from 0.05 to 1 is {value:.6f}, from {intervals} intervals")


if __name__ == "__main__":
    main()
