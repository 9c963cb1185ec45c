"""The first result of a local Dask cluster: prints the value and when it was there."""

import sys
import time

from dask.distributed import Client


def double(x):
    return 2 * x


if __name__ == "__main__":
    workers = int(sys.argv[1])
    with Client(n_workers=workers, threads_per_worker=1, dashboard_address=None) as client:
        print(client.submit(double, 21).result(), time.monotonic())
