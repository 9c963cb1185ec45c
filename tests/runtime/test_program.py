"""Programs: what a payload says survives its journey, and can be cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymonik.values.outcome import Failure
from pymonik.wire import wired_steps
from pymonik.wire.program import Program, Shared, cut, parts_of
from pymonik.wire.wired_steps import StepWiring, WiredSteps

from .runs import loaded, records
from .units import content, step


def program(n: int) -> Program:
    first = step(abs, ("s", list(range(n))), ("v", 2), name="first", base=3)
    second = step(
        abs,
        ("p", 0),
        ("r", [(0, 0, 1, 1, n - 1), (1, 0, 0, 1, 1)]),
        ("m", [("v", i) for i in range(n)]),
        ("b", [(0, 0, 0, 1, 2)]),
        name="second",
        keep=bytes(i % 2 for i in range(n)),
        site=[f"u.py:{i}" for i in range(n)],
        retry_on=content((KeyError,)),
        limit=2.0,
    )
    return Program((first, second), n)


def test_a_program_survives_its_journey() -> None:
    sent = program(5)
    got = Program.load(sent.data)
    assert type(got) is Program
    assert got.data == sent.data
    assert Program.load(sent.data).shared is got.shared
    assert got.outputs == sent.outputs == [0, 1]
    assert [step.columns for step in got.steps] == [step.columns for step in sent.steps]
    assert got.steps[1][10:] == sent.steps[1][10:]
    assert got.steps[1].retry_on.load() == (KeyError,)


def wired(*values: Any) -> tuple[Program, Program]:
    """Return a program of which only some is its own, and the same as a whole."""
    root = b"root"
    wiring = StepWiring([(-1, -2), (0, -3, 0), ()], [False, True, False], ["a:1", "a:2", "a:2"])
    steps = WiredSteps(wiring, list(values), root, [7, b"a key", 8])
    columns = [
        (("v", values[0]), ("v", values[1])),
        (("p", 0), ("v", values[2]), ("p", 0)),
        (),
    ]
    shared = Shared([step(abs)[:9]] * 3)
    given = zip(columns, (False, True, False), ("a:1", "a:2", "a:2"))
    keys = iter([(root, 7), b"a key", (root, 8)])
    own = tuple([(*each, None, next(keys)) for each in given])
    return Program.of_wired(shared, steps), Program.of(shared, own, 1)


def told(of: Program) -> Any:
    stored = [of.is_stored(number, 0) for number in range(3)]
    sources, values = of.sources
    rows = [step[9:] for step in of.steps]
    return of.own, of.n, of.outputs, list(sources), list(values), stored, rows


def test_steps_that_are_wired_as_others_are_those_of_any_program() -> None:
    alike, whole = wired(1, "x", None)
    assert told(alike) == told(whole)
    assert told(Program.load(alike.data)) == told(whole)
    assert list(Program.load(whole.data).steps[1][9:]) == list(whole.steps[1][9:])


def test_how_steps_are_wired_is_loaded_once() -> None:
    first, second = (Program.load(wired(*values)[0].data) for values in ("abc", "def"))
    assert first.sources[0] is second.sources[0]
    assert second.steps[1].columns == (("p", 0), ("v", "f"), ("p", 0))


def test_how_steps_are_wired_is_loaded_by_several_threads_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where two clients run calls in the program itself."""

    others = [StepWiring([(-1,)], [True], ["of another thread"]).data]

    class LoadsAnother(list[Any]):
        def __len__(self) -> int:
            if others:
                StepWiring.load(others.pop())
            return super().__len__()

    known = {name: StepWiring((), LoadsAnother(), (), name) for name in (b"first", b"second")}
    monkeypatch.setattr(wired_steps, "_known", known)
    data = StepWiring([(-1,)], [True], ["of this one"]).data
    assert StepWiring.load(data).sites == ["of this one"]
    assert [one.sites for one in known.values()][2:] == [["of another thread"], ["of this one"]]


def test_steps_that_take_other_values_have_no_plain_sources() -> None:
    sources, values = program(5).sources
    assert (sources, values) == ([None, None], [])


def test_only_stored_steps_are_outputs() -> None:
    keeps = (False, True, b"\0\0", False, b"\1\0")
    steps = tuple(step(abs, name=f"s{i}", keep=keep) for i, keep in enumerate(keeps))
    assert Program(steps, 2).outputs == [1, 2, 4]


@settings(max_examples=60, deadline=None)
@given(bounds=st.lists(st.integers(0, 8), max_size=5))
def test_a_program_in_pieces_makes_the_values_of_the_whole(bounds: list[int]) -> None:
    n = 8
    sources = ([list(range(100, 109))], [[7]])
    gather = step(lambda *args: args, *program(n).steps[1].columns[1:], name="gather", base=0)
    keep = bytes(i % 3 for i in range(n))
    steps = [
        step(abs, ("s", list(range(n))), name="first", keep=keep),
        gather._replace(columns=(("p", 0), *gather.columns)),
    ]
    whole = records(steps, n, *sources)
    ends = sorted({0, n, *bounds})
    parts = []
    for start, stop in pairwise(ends):
        piece = cut(Program(tuple(steps), n), start, stop)
        assert [s.base for s in piece.steps] == [None, start]
        parts.append(records(list(piece.steps), piece.n, *sources))
    for place, column in enumerate(whole):
        joined = [record for part in parts for record in part[place]]
        assert loaded(joined) == loaded(column)


def test_what_an_argument_takes_from_others_is_named_in_order() -> None:
    failure = Failure("error", "it broke", "a")
    runs = [(0, 0, 5, 1, 2), (1, 0, 0, 3, 2)]
    taken: list[tuple[Any, int, list[Any]]] = [
        (("v", 1), 0, []),
        (("c", 3), 0, []),
        (("p", 2), 7, [2]),
        (("x", failure), 0, [failure]),
        (("r", runs), 1, [(0, 0, 6, 1, 1)]),
        (("r", runs), 3, [(1, 0, 3, 3, 1)]),
        (("r", [(0, 0, 5, 1, 1)]), 3, [(0, 0, 5, 1, 1)]),
        (("b", [*runs, ("c", 4)]), 3, runs),
        (
            ("m", [("v", 1), ("n", 4, [("p", 0), ("r", [(1, 0, 0, 1, 1)])])]),
            1,
            [0, (1, 0, 0, 1, 1)],
        ),
    ]
    for column, element, parts in taken:
        assert list(parts_of(column, element)) == parts
