"""The first result of PymoniK's local backend: prints the value and when it was there."""

import sys
import time

from pymonik import Pymonik, task


@task
def double(x):
    return 2 * x


with Pymonik(backend="local", workers=int(sys.argv[1])):
    print(double.invoke(21).get(), time.monotonic())
