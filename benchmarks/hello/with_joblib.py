"""The first result of joblib: prints the value and when it was there."""

import sys
import time

from joblib import Parallel, delayed


def double(x):
    return 2 * x


if __name__ == "__main__":
    print(*Parallel(n_jobs=int(sys.argv[1]))([delayed(double)(21)]), time.monotonic())
