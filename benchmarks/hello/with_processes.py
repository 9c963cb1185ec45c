"""The first result of a process pool: prints the value and when it was there."""

import sys
import time
from concurrent.futures import ProcessPoolExecutor


def double(x):
    return 2 * x


if __name__ == "__main__":
    with ProcessPoolExecutor(int(sys.argv[1])) as pool:
        print(pool.submit(double, 21).result(), time.monotonic())
