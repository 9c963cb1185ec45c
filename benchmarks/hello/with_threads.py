"""The first result of a thread pool: prints the value and when it was there."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor


def double(x):
    return 2 * x


if __name__ == "__main__":
    with ThreadPoolExecutor(int(sys.argv[1])) as pool:
        print(pool.submit(double, 21).result(), time.monotonic())
