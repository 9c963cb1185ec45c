"""Sub-tasks: add two vectors, in pieces if they are long.

The task looks at its arguments and, when they are too big for one task, records calls of its own
and hands its value over to the last of them. Who called it sees one vector.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pymonik import Pymonik, task

Vector = npt.NDArray[np.float64]

THRESHOLD = 512


@task
def join(left: Vector, right: Vector) -> Vector:
    """Put two halves together."""
    return np.concatenate([left, right])


@task
def add(a: Vector, b: Vector) -> Vector:
    """Add two vectors here, or each half by a task of its own."""
    if a.size <= THRESHOLD:
        return a + b
    middle = a.size // 2
    left = add.invoke(a[:middle], b[:middle])
    right = add.invoke(a[middle:], b[middle:])
    return join.invoke(left, right, delegate=True)  # a worker never waits: it passes the duty on


def main() -> None:
    """Add two vectors of 4 096 numbers and compare with NumPy."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 4096))
    with Pymonik():
        total = add.invoke(a, b).get()
    print(f"{total.size} numbers added, equal to NumPy's: {np.array_equal(total, a + b)}")


if __name__ == "__main__":
    main()
