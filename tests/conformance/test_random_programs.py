"""Random programs give the values, and the errors, that plain Python gives."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pymonik import MultiResultHandle, Pymonik, ResultHandle, task

# One step: what it does, which earlier values it takes (modulo their number), a constant.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["inc", "sub", "total", "divide", "map", "pair", "item", "spoil", "flush"]),
        st.tuples(st.integers(0, 99), st.integers(0, 99)),
        st.integers(-2, 3),
    ),
    min_size=1,
    max_size=14,
)


def flat(value: Any) -> int:
    """Make a number of whatever an earlier step left, so that every step fits every other."""
    return sum(map(flat, value)) % 1009 if isinstance(value, (list, tuple)) else value


def inc(x: Any, k: int) -> int:
    return flat(x) + k


def sub(x: Any, y: Any) -> int:
    return flat(x) - flat(y)


def total(xs: Any, k: int) -> int:
    return flat(xs) + k


def divide(x: Any, k: int) -> int:
    return flat(x) // k


def pair(x: Any, y: Any) -> list[Any]:
    return [x, y]


def spoil(x: Any, k: int) -> Any:
    if isinstance(x, list):
        x.append(k)
    return x


FUNCTIONS = {f.__name__: f for f in (inc, sub, total, divide, pair, spoil)}
TASKS = {name: task(f) for name, f in FUNCTIONS.items()}
PURE = {name: task(pure=True, function_name=name)(f) for name, f in FUNCTIONS.items()}


class Failed:
    """Stands for a value that does not exist because a step before it failed."""


def copied(value: Any) -> Any:
    return [copied(x) for x in value] if isinstance(value, list) else value


def plainly(name: str, *args: Any) -> Any:
    if any(isinstance(x, Failed) for arg in args for x in (arg if type(arg) is list else [arg])):
        return Failed()
    try:
        return FUNCTIONS[name](*map(copied, args))
    except Exception:
        return Failed()


def items(values: list[Any], step: Any, call: Any, multi: Any) -> Any:
    """Carry out one step, plainly or lazily: `call` and `multi` make the difference."""
    kind, (i, j), k = step
    x, y = values[i % len(values)], values[j % len(values)]
    if kind in ("inc", "divide", "spoil"):
        return [call(kind, x, k)]
    if kind in ("sub", "pair"):
        return [call(kind, x, y)]
    if kind == "total":
        return [call(kind, values[-(k % 3) - 1 :], k)]
    if kind == "map":
        return multi([(x, n) for n in range(k + 2)])
    return [call("pair", x, y), call("inc", x, 1)]


def expected_of(steps: Any) -> list[Any]:
    values: list[Any] = [1]
    for step in steps:
        values += items(values, step, plainly, lambda rows: [plainly("inc", x, n) for x, n in rows])
    return values


def handles_of(client: Pymonik, steps: Any, pure: bool) -> list[Any]:
    tasks = PURE if pure else TASKS
    values: list[Any] = [1]

    def call(name: str, *args: Any) -> ResultHandle[Any]:
        return tasks[name].invoke(*args, pymonik=client)

    def mapped(rows: Any) -> list[Any]:
        return list(tasks["inc"].map_invoke(rows, pymonik=client))

    for step in steps:
        if step[0] == "flush":
            client.flush()
        values += items(values, step, call, mapped)
    return values


def asserted(client: Pymonik, steps: Any, pure: bool, drop: bool) -> list[Any]:
    """Assert that a program gives what plain Python gives; return the handles looked at."""
    expected = expected_of(steps)
    handles = handles_of(client, steps, pure)
    looked_at = list(zip(handles, expected, strict=True))[1:]
    if drop:
        looked_at, handles = looked_at[::3], []
    for handle, value in reversed(looked_at):
        if isinstance(value, Failed):
            assert isinstance(handle.exception(), Exception)
        else:
            assert handle.get() == value
    return [handle for handle, _ in looked_at]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS, pure=st.booleans(), drop=st.booleans())
def test_random_programs_give_what_plain_python_gives(
    shared: Pymonik, steps: Any, pure: bool, drop: bool
) -> None:
    looked_at = asserted(shared, steps, pure, drop)
    assert MultiResultHandle(looked_at).wait().done()
