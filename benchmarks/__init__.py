"""Benchmarks: the same small programs on PymoniK and on its peers, measured in one run.

`python -m benchmarks` prints the table; `python -m benchmarks -h` lists programs and peers. Medians
of a noisy machine mean little alone: peers take turns (A B C A B C), each figure waits for a calm
moment, and what is compared are ratios within one run.

    kernels.py    what tasks compute
    peers/        the same programs, each peer as its best users would write them
    measures.py   a peer and a size in, a figure out; values are checked
    programs.py   what is measured: sizes, units, budgets
    metg.py       smallest task that keeps the cores half busy
    calm.py       whether the cores are disturbed by others at the moment
    fresh.py      what only a fresh process shows: import, first result
    driver.py     the process a peer lives in
    runner.py     takes turns, collects samples
    table.py      medians, ratios, budgets met or not
    cluster/      requests, bytes and seconds on the emulator: `python -m benchmarks.cluster`
"""
