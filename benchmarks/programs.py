"""The programs: what is measured, at which size, in which unit, against which budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import fresh, measures
from benchmarks.budgets import Budget
from benchmarks.patterns import PATTERNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.peers import Peer

THREADS = ("broadcast", "threads")
COMPARE = ("compare", "pymonik")
ARRAY = 25_000_000
"""Doubles in 200 MB."""
SMALL = 50_000
"""Doubles in an array of a quick run: still a blob, not an immediate value."""


@dataclass(frozen=True)
class Program:
    """One line of the table; `rounds` limits how often it is repeated."""

    name: str
    title: str
    unit: str
    measure: Callable[[Peer, int], float]
    size: int = 1
    quick: int = 1
    budget: Budget | None = None
    rounds: int | None = None

    @property
    def higher_is_better(self) -> bool:
        """Tell a rate from a cost."""
        return self.unit.endswith("/s")


def starting() -> Iterator[Program]:
    """Yield what a user waits for before anything runs."""
    heavy = f"of {', '.join(fresh.HEAVY)}, imported"
    yield Program("import", "import", "ms", fresh.import_time, budget=Budget(60))
    yield Program("heavy", heavy, "", fresh.heavy_imports, budget=Budget(0), rounds=1)
    first = Budget(2.0, of=("first", "processes"))
    yield Program("first", "first result", "s", fresh.first_result, budget=first)
    block = measures.second_block
    yield Program("block", "second block, library loaded", "ms", block, budget=Budget(30))


def compiling() -> Iterator[Program]:
    """Yield what the client does with calls, and with elements of a map, before they are sent."""
    few = Budget(5.0)
    yield Program(
        "record-handles", "record, a call of 3", "µs", measures.record_handles, 10**5, 200, few
    )
    for kind, noun, time, memory in (("call", "a call", 3.0, 600), ("map", "an element", 0.5, 200)):
        record, keep = measures.record_cost(kind), measures.record_memory(kind)
        compile_, few = measures.compile_cost(kind), 200
        yield Program(f"record-{kind}", f"record, {noun}", "µs", record, 10**5, few, Budget(time))
        for power in (4, 5, 6):
            name, title = f"compile-{kind}-{power}", f"compile, {noun} of 10^{power}"
            rounds = 1 if power == 6 else None
            yield Program(name, title, "µs", compile_, 10**power, few, Budget(time), rounds)
        yield Program(
            f"memory-{kind}", f"memory, {noun}", "B", keep, 10**5, 1_000, Budget(memory), rounds=1
        )


def running() -> Iterator[Program]:
    """Yield what small tasks cost, from recording to the last value."""
    bare = Budget(0.55, of=("map", "pool"))  # chunks cut by hand, and no word of any call
    yield Program("map", "no-op map of 10^5", "/s", measures.map_rate, 10**5, 500, bare)
    yield Program(
        "loop", "10^4 invokes, then gets", "/s", measures.loop_rate, 10**4, 100, Budget(80_000)
    )
    single = Budget(0.8, of=("single", "processes"))
    yield Program("single", "one call and its value", "µs", measures.single_cost, 1_000, 20, single)
    title = "20 × 0.1 s, then 1 s: times the bound"
    yield Program("unequal", title, "", measures.unequal_time, 20, 2, Budget(1.1))
    links, half = (1_000, 20), Budget(0.5, of=("chain", "threads"))
    yield Program("chain", "chain of 1 000, a link", "µs", measures.chain_cost, *links, half)
    for part, name in enumerate(("record", "compile and send", "run")):
        measure = measures.chain_part(part)
        yield Program(f"chain-{name.split()[0]}", f"a link: {name}", "µs", measure, *links)
    cells = Budget(0.6, of=("stencil", "threads"))
    yield Program("stencil", "METG(50 %), 8 × 200", "µs", measures.stencil_metg, 200, 3, cells)
    for pattern in PATTERNS:
        name, title = f"metg-{pattern}", f"METG(50 %), {pattern} 8 × 50"
        like_threads = Budget(0.6, of=(name, "threads"))
        yield Program(name, title, "µs", measures.pattern_metg(pattern), 50, 3, like_threads)
    title = "a sub-task in a tree of 7 750"
    yield Program("subtasks", title, "µs", measures.subtask_cost, 17, 6, Budget(20))


def moving() -> Iterator[Program]:
    """Yield what large arrays cost."""
    like_threads = Budget(1.5, of=THREADS)
    for name, way, title, budget in (
        ("broadcast", "broadcast", "one map", like_threads),
        ("broadcast-put", "broadcast_put", "put", like_threads),
        ("broadcast-loop", "broadcast_loop", "50 invokes", Budget(1.5, THREADS, COMPARE)),
    ):
        measure = measures.broadcast_time(way)
        yield Program(name, f"200 MB to 50 tasks, {title}", "s", measure, ARRAY, SMALL, budget)
    yield Program("compare", "50 comparisons of 200 MB", "s", measures.comparisons, ARRAY, SMALL)
    yield Program(
        "copies",
        "copies of the 200 MB",
        "",
        measures.broadcast_copies,
        ARRAY,
        SMALL,
        Budget(1.2),
        rounds=1,
    )
    yield Program(
        "roundtrip",
        "8 MB in and out, 50 times",
        "MB/s",
        measures.roundtrip_rate,
        10**6,
        10_000,
        Budget(0.7, of=("roundtrip", "threads")),
    )
    for kind in ("memmap", "masked", "record", "matrix"):
        title, measure = f"8 MB, a {kind} array, 200 calls: × plain", measures.kind_cost(kind)
        yield Program(kind, title, "", measure, 10**6, 10_000, Budget(1.2))


PROGRAMS = {
    program.name: program
    for part in (starting(), compiling(), running(), moving())
    for program in part
}
