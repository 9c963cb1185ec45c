"""The first result of a bare pool: prints the value and when it was there."""

import sys
import time
from multiprocessing import Pool


def double(x):
    return 2 * x


if __name__ == "__main__":
    with Pool(int(sys.argv[1])) as pool:
        print(pool.apply(double, (21,)), time.monotonic())
