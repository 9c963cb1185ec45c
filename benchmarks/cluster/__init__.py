"""What programs cost on a cluster: requests, bytes and seconds, on the emulator.

`python -m benchmarks.cluster` prints the table. Each program is written once, and runs as it is
with PymoniK and with the pattern of eager clients such as PymoniK 0.2.5: a task a call, sent at
once by three requests. Every request takes as long as `--latency` says.

    programs.py   what is run, with checked values
    eager.py      the eager client, over the classes of the armonik package
    worker.py     its worker, over the same package
    measure.py    sides, emulators, counts
"""
