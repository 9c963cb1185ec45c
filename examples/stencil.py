"""A stencil: heat spreads along a rod that is cut into blocks.

Each block needs its neighbours' edges of the step before: 50 × 20 single calls, a handle each. The
compiler sees what they have in common, and makes a few wide nodes of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pymonik import Pymonik, task

Cells = npt.NDArray[np.float64]

BLOCKS, STEPS, CELLS = 50, 20, 64
CONDUCTION = 0.25
COLD = np.zeros(1)


@task
def heat(left: Cells, here: Cells, right: Cells) -> Cells:
    """Advance one block by a step, given its neighbours."""
    cells = np.concatenate([left[-1:], here, right[:1]])
    return here + CONDUCTION * (cells[:-2] - 2 * here + cells[2:])


def rod() -> Cells:
    """Give a rod that is hot in the middle."""
    return np.exp(-(np.linspace(-4, 4, BLOCKS * CELLS) ** 2))


def main() -> None:
    """Advance the rod block by block, and as a whole."""
    cells = rod()
    with Pymonik():
        blocks = np.split(cells, BLOCKS)
        for _ in range(STEPS):
            around = [COLD, *blocks, COLD]
            blocks = [heat.invoke(*around[i : i + 3]) for i in range(BLOCKS)]
        advanced = np.concatenate([block.get() for block in blocks])
    for _ in range(STEPS):
        cells = heat(COLD, cells, COLD)
    print(f"{BLOCKS * STEPS} calls, equal to one rod: {np.array_equal(advanced, cells)}")


if __name__ == "__main__":
    main()
