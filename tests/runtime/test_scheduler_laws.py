"""The laws of the scheduler, on random graphs of units and random events.

Whatever executors do, with whatever deaths: a unit starts when all its inputs are there, no element
is in two places, none that was reported runs again, and all of them end.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pymonik.plan.unit import Unit
from pymonik.runtime.host.events import (
    ElementsReported,
    EnvironmentFailed,
    ExecutorStarted,
    JournalRead,
    RoundOver,
    UnitsAdded,
)
from pymonik.runtime.host.scheduler_state import SchedulerState
from pymonik.runtime.host.unit_slice import UnitSlice
from pymonik.values.outcome import PENDING

from .units import Machine, records, unit

GRAPHS = st.lists(
    st.tuples(st.integers(1, 6), st.sets(st.integers(0, 30), max_size=3)), min_size=1, max_size=8
)


def units_of(graph: Any) -> list[Unit]:
    made: list[Unit] = []
    for n, needs in graph:
        inputs = {made[need % len(made)].name: made[need % len(made)] for need in needs if made}
        made.append(unit(f"u{len(made)}.", n, *inputs.values(), max_retries=1000))
    return made


class RandomExecutors:
    """Executors that do with their pieces what comes to their minds."""

    def __init__(self, units: list[Unit], executors: int, chance: Random) -> None:
        self.machine = Machine(executors)
        self.chance = chance
        self.born = executors
        self.reported: Counter[tuple[str, int]] = Counter()
        self.sub_units = 0
        self.machine.tell(UnitsAdded(units))

    @property
    def state(self) -> SchedulerState:
        return self.machine.state

    def look(self) -> None:
        """Check what has been given out."""
        held = Counter(
            (piece.running.unit.name, element)
            for pieces in (*self.state.executors.values(), self.state.ready)
            for piece in pieces
            for element in range(piece.start, piece.stop)
        )
        assert not held or held.most_common(1)[0][1] == 1, "an element in two places"
        assert not set(held) & set(self.reported), "an element that was reported runs again"
        for pieces in self.state.executors.values():
            for piece in pieces:
                assert not any(outputs.missing for outputs in piece.running.unit.needs)

    def step(self) -> None:
        """Let one thing happen."""
        self.machine.tell(RoundOver())
        self.look()
        busy = [number for number, pieces in self.state.executors.items() if pieces]
        if not busy or self.chance.random() < 0.1:
            self.machine.tell(ExecutorStarted(self.born))
            self.born += 1
            return
        number = self.chance.choice(busy)
        piece = self.state.executors[number][0]
        event = self.chance.choice(["report", "end", "end", "hand back", "die", "delegate"])
        stop = self.chance.randint(piece.start + 1, piece.stop)
        if event == "die":
            self.die(number, piece, stop)
        elif event == "report" and stop < piece.stop:
            self.note(piece, stop)
            of = piece.running.unit
            columns = records(of, piece.start, stop)
            self.machine.tell(ElementsReported(number, of.number, piece.start, stop, columns, []))
        else:
            self.end(number, piece, piece.stop if event == "end" else stop, event == "delegate")

    def note(self, piece: UnitSlice, stop: int) -> None:
        self.reported.update((piece.running.unit.name, i) for i in range(piece.start, stop))

    def end(self, number: int, piece: UnitSlice, stop: int, delegates: bool) -> None:
        of, start = piece.running.unit, piece.start
        columns: list[list[Any]] = records(of, start, stop)
        plan = None
        if delegates and self.sub_units < 10:
            self.sub_units += 1
            sub = unit(f"{of.name}{stop - 1}>", max_retries=1000)
            plan = ([sub], [(0, stop - 1, 0, 0, 0)])
            columns[0][-1] = None
        self.note(piece, stop)
        self.machine.end(number, of, start, stop, columns=columns, plan=plan, seconds=1e-5)

    def die(self, number: int, piece: UnitSlice, stop: int) -> None:
        of = piece.running.unit
        entries = records(of, piece.start, stop - 1)[0]
        self.note(piece, stop - 1)
        self.machine.tell(JournalRead(number, of.number, piece.start, entries))
        self.machine.die(number, of, stop - 1)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph=GRAPHS, executors=st.integers(0, 3), seed=st.integers(0, 1 << 32))
def test_every_element_ends_once_whatever_happens(graph: Any, executors: int, seed: int) -> None:
    units = units_of(graph)
    world = RandomExecutors(units, executors, Random(seed))
    for _ in range(5000):
        if not world.state.unfinished:
            break
        world.step()
    assert world.state.unfinished == 0
    assert max(world.reported.values()) == 1
    for of in units:
        (column,) = of.outputs.columns
        assert of.outputs.missing == 0
        assert PENDING not in column
        # Delegated elements hold what the unit behind them made, to any depth.
        assert all(record.startswith(f"{of.name}{i}") for i, record in enumerate(column))
    assert world.state.failures.first == []


class BadDay(RandomExecutors):
    """As before, and units are cancelled, and for some no executor can start."""

    def __init__(self, units: list[Unit], executors: int, chance: Random) -> None:
        super().__init__(units, executors, chance)
        self.units = units

    def look(self) -> None:
        """Check that nothing that has ended waits to run."""
        super().look()
        assert all(self.state.is_open(piece.running) for piece in self.state.ready)

    def step(self) -> None:
        """Let one thing happen."""
        kind = self.chance.random()
        if kind < 0.06:
            self.machine.cancel(self.chance.choice(self.units))
        elif kind < 0.3 and not self.state.executors:
            self.machine.tell(EnvironmentFailed(None, ValueError("no executor can start")))
            self.machine.call_back()
        else:
            super().step()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph=GRAPHS, executors=st.integers(0, 3), seed=st.integers(0, 1 << 32))
def test_nothing_that_has_ended_runs_on_a_bad_day(graph: Any, executors: int, seed: int) -> None:
    units = units_of(graph)
    world = BadDay(units, executors, Random(seed))
    for _ in range(5000):
        if not world.state.unfinished:
            break
        world.step()
    world.machine.tell(RoundOver())
    world.look()
    assert (world.state.unfinished, list(world.state.ready)) == (0, [])
    for of in units:
        assert of.outputs.missing == 0
        assert PENDING not in of.outputs.columns[0]
