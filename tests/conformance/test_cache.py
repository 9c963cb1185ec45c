"""Values of pure tasks that are kept, and not computed again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, Task, TaskOptions, task
from pymonik.cache.store import ValueStore
from pymonik.errors import TaskDefinitionError
from tests.conftest import PATIENCE, Gate, Ledger, script_environment
from tests.environment.tmpfs import tmpfs

from .conftest import HERE, Connect
from .programs import pass_gate, total

# Of the embedded engines: a cluster keeps values within a session.


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYMONIK_VALUES_FOLDER", str(tmp_path / "values"))
    return tmp_path / "values"


def counted(ledger: Ledger, **options: Any) -> Task[..., Any]:
    """Make a cached task that counts the calls that run."""
    path = ledger.path

    def square(x: Any) -> Any:
        with open(path, "a") as lines:
            lines.write(".\n")
        return x * x

    return Task(square, func_name="square", pure=True, cache=True, **options)


def test_a_value_is_computed_once_in_a_session(client: Pymonik, ledger: Ledger) -> None:
    square = counted(ledger)
    for _ in range(3):
        assert square.invoke(7).get() == 49
    assert square.invoke(8).get() == 64
    assert len(ledger.lines()) == 2


def test_a_value_is_kept_from_one_program_to_the_next(
    connect: Connect, backend: str, ledger: Ledger
) -> None:
    for _ in range(3):
        with connect():
            assert counted(ledger).invoke(7).get() == 49
            assert counted(ledger).map_invoke(range(5)).get() == [0, 1, 4, 9, 16]
    assert len(ledger.lines()) == (6 if backend in HERE else 18)


def test_only_what_is_not_known_of_a_map_is_computed(client: Pymonik, ledger: Ledger) -> None:
    square = counted(ledger)
    square.map_invoke([1, 3, 5]).get()
    handles = square.map_invoke(range(7))
    plan = client.plan()
    assert plan.calls == 4
    assert [handle.get() for handle in handles] == [x * x for x in range(7)]
    assert handles.get() == [x * x for x in range(7)]
    assert handles[::2].get() == [0, 4, 16, 36]
    assert len(ledger.lines()) == 7


def test_a_known_value_costs_no_unit(client: Pymonik, ledger: Ledger) -> None:
    square = counted(ledger)
    square.map_invoke(range(10)).get()
    again = square.map_invoke(range(10))
    assert client.plan().units == ()
    assert again.get() == [x * x for x in range(10)]


def test_a_chain_is_known_by_the_keys_of_its_inputs(
    connect: Connect, backend: str, ledger: Ledger
) -> None:
    def program(square: Any) -> Any:
        total = Task(lambda xs: sum(xs), func_name="total", pure=True, cache=True)
        squares = square.map_invoke(range(4))
        handle = total.invoke([square.invoke(x) for x in squares])
        return handle

    with connect() as client:
        first = program(counted(ledger))
        assert first.get() == 98
        second = program(counted(ledger))
        assert client.plan().units == ()
        assert second.get() == 98
    assert len(ledger.lines()) == 8
    if backend in HERE:
        with connect() as client:
            third = program(counted(ledger))
            assert client.plan().units == ()
            assert third.get() == 98


def test_known_values_are_arguments_like_any_other(client: Pymonik, ledger: Ledger) -> None:
    square = counted(ledger)
    square.map_invoke([0, 1, 4, 9]).get()
    plain = Task(lambda *given: given, func_name="plain")
    known = square.map_invoke(range(10))
    assert plain.invoke(known[3], known[2:5], {"a": [known[9]]}).get() == (
        9,
        [4, 9, 16],
        {"a": [81]},
    )
    assert plain.map_invoke((x,) for x in known).get() == [(x * x,) for x in range(10)]
    assert plain.invoke(list(known)).get() == ([x * x for x in range(10)],)  # once they were sent
    assert plain.map_invoke([(x, 1) for x in reversed(list(known))]).get()[0] == (81, 1)


def test_a_call_that_nobody_needs_uses_a_known_value(client: Pymonik, ledger: Ledger) -> None:
    square, plain = counted(ledger), Task(str, func_name="plain", pure=True)
    assert square.invoke(7).get() == 49
    again = square.invoke(7)
    plain.invoke(again)  # dropped as it stands in the graph: with the known value as its argument
    assert plain.invoke(8).get() == "8"
    assert again.get() == 49


def test_arrays_and_large_arguments_are_known_by_content(client: Pymonik, ledger: Ledger) -> None:
    np = pytest.importorskip("numpy")
    square = counted(ledger)
    for _ in range(2):
        assert square.invoke(np.arange(100_000.0)).get()[-1] == 99_999.0**2
    square.invoke(np.arange(100_001.0)).get()
    assert len(ledger.lines()) == 2


class Node:
    def __init__(self, value: Any, following: Node | None = None) -> None:
        self.value = value
        self.following = following


def test_objects_of_the_script_are_told_apart_however_deep(client: Pymonik) -> None:
    @task(pure=True, cache=True)
    def last(node: Node) -> Any:
        while node.following is not None:
            node = node.following
        return node.value

    def chain(value: str) -> Node:
        node = Node(value)
        for number in range(10):
            node = Node(number, node)
        return node

    assert [last.invoke(chain(value)).get() for value in "abca"] == ["a", "b", "c", "a"]
    assert client.stats.reused == 1


FACTOR = 2


def helper(x: int) -> int:
    return x * FACTOR


def test_changed_code_helpers_and_globals_make_it_anew(
    client: Pymonik, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ledger.path

    @task(pure=True, cache=True)
    def scaled(x: int) -> int:
        with open(path, "a") as lines:
            lines.write(".\n")
        return helper(x)

    assert [scaled.invoke(3).get() for _ in range(2)] == [6, 6]
    monkeypatch.setitem(globals(), "FACTOR", 5)
    assert [scaled.invoke(3).get() for _ in range(2)] == [15, 15]
    monkeypatch.setitem(globals(), "helper", lambda x: -x)
    assert [scaled.invoke(3).get() for _ in range(2)] == [-3, -3]
    assert len(ledger.lines()) == 3


LIMITS = {"top": 2}


def test_what_changes_after_the_call_is_not_taken_for_what_it_was(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task(pure=True, cache=True)
    def limited(x: int) -> int:
        return x * LIMITS["top"]

    @task(pure=True)
    def doubled(x: int) -> int:
        return x * LIMITS["top"] * 2

    for top in (2, 7, 2):
        with connect():
            monkeypatch.setitem(LIMITS, "top", top)
            results = [limited.invoke(3), limited.invoke(doubled.invoke(1))]
            monkeypatch.setitem(LIMITS, "top", 7)
            assert [r.get() for r in results] == [3 * top, 2 * top * top]


def test_values_of_an_older_format_are_not_read(
    connect: Connect, backend: str, ledger: Ledger, folder: Path
) -> None:
    if backend not in HERE:
        pytest.skip("the session keeps it")
    with connect():
        assert counted(ledger).invoke(6).get() == 36
    (file,) = folder.iterdir()
    head, _, rest = file.read_bytes().partition(b"\n")
    older = {k: v for k, v in json.loads(head).items() if k != "format"}
    file.write_bytes(json.dumps(older).encode() + b"\n" + rest)
    assert ValueStore().entries() == []
    with connect():
        assert counted(ledger).invoke(6).get() == 36
    assert len(ledger.lines()) == 2


def test_another_name_keeps_the_values(connect: Connect, backend: str, ledger: Ledger) -> None:
    path = ledger.path
    source = """
def helper(x):
    with open(path, "a") as lines:
        lines.write(".\\n")
    return x + 1
def total(x):
    return helper(x) * 2
"""
    for old, new in (("", ""), ("total", "whole"), ("helper", "aid")):
        space: dict[str, Any] = {"__name__": "__main__", "path": path}
        exec(source.replace(old, new) if old else source, space)
        named = space[new if old == "total" else "total"]
        with connect():
            assert Task(named, pure=True, cache=True).map_invoke([1, 2]).get() == [4, 6]
    assert len(ledger.lines()) == (2 if backend in HERE else 6)


def test_a_version_stands_for_the_code(client: Pymonik, ledger: Ledger) -> None:
    first = Task(lambda x: x + 1, func_name="f", pure=True, cache=True, version=1)
    other = Task(lambda x: x + 100, func_name="f", pure=True, cache=True, version=1)
    newer = Task(lambda x: x + 100, func_name="f", pure=True, cache=True, version=2)
    assert [t.invoke(1).get() for t in (first, other, newer)] == [2, 2, 101]


def test_equal_calls_that_nobody_holds_are_one_and_known_later(
    client: Pymonik, ledger: Ledger
) -> None:
    square = counted(ledger)
    both = total.invoke([square.invoke(2), square.invoke(2)])
    assert both.get() == 8
    assert square.invoke(2).get() == 4
    assert len(ledger.lines()) == 1


def test_a_failure_is_not_kept(client: Pymonik, ledger: Ledger) -> None:
    path = ledger.path

    @task(pure=True, cache=True)
    def fails_once(x: int) -> int:
        with open(path, "a") as lines:
            lines.write(".\n")
        if len(Path(path).read_text().splitlines()) == 1:
            raise ValueError("not yet")
        return x

    assert isinstance(fails_once.invoke(1).exception(), ValueError)
    assert fails_once.invoke(1).get() == 1
    assert fails_once.invoke(1).get() == 1
    assert len(ledger.lines()) == 2


def test_an_element_keeps_its_number_when_others_are_known(client: Pymonik) -> None:
    inverse = Task(lambda x: 1 / x, func_name="inverse", pure=True, cache=True)
    inverse.map_invoke([4, 2]).get()
    error = inverse.map_invoke([4, 2, 0])[2].exception()
    assert error is not None
    assert error.__cause__.element == 2  # type: ignore[union-attr]


def test_an_element_of_a_map_over_known_values_has_its_number(client: Pymonik) -> None:
    double = Task(lambda x: 2 * x, func_name="double", pure=True, cache=True)
    inverse = Task(lambda x: 1 / (x - 6), func_name="inverse")
    double.map_invoke(range(5)).get()
    handles = inverse.map_invoke(double.map_invoke(range(5)), pmk_chunk_size=2)
    error = handles[3].exception()
    assert error is not None
    assert error.__cause__.element == 3  # type: ignore[union-attr]
    assert handles[4].get() == 0.5


@pytest.mark.asynchronous
def test_a_value_on_its_way_is_waited_for_and_not_cancelled_under_others(
    client: Pymonik, gate: Gate
) -> None:
    passed = Task(pass_gate.func, func_name="passed", pure=True, cache=True)
    first = passed.invoke(gate.path, 5)
    client.flush()
    second = passed.invoke(gate.path, 5)
    client.flush()
    assert (client.stats.units, client.stats.reused) == (1, 1)
    assert not first.cancel()
    gate.open()
    assert (second.get(), first.get()) == (5, 5)


def test_processes_share_the_store(folder: Path, ledger: Ledger) -> None:
    script = """
import sys
from pymonik import Pymonik, task

@task(pure=True, cache=True)
def square(x):
    return x * x

with Pymonik(backend="inline"):
    for _ in range(5):
        assert square.map_invoke(range(50)).get() == [x * x for x in range(50)]
"""
    command = [sys.executable, "-c", script]
    processes = [subprocess.Popen(command, env=script_environment()) for _ in range(3)]
    assert [process.wait(PATIENCE) for process in processes] == [0, 0, 0]
    entries = ValueStore().entries()
    assert len(entries) == 50
    assert not list(folder.glob(".*"))


def test_tasks_that_are_not_cached_run_each_time(client: Pymonik, ledger: Ledger) -> None:
    path = ledger.path

    @task(pure=True)
    def runs(x: int) -> int:
        with open(path, "a") as lines:
            lines.write(".\n")
        return x

    assert [runs.invoke(1).get() for _ in range(2)] == [1, 1]
    assert len(ledger.lines()) == 2


def test_cache_is_for_pure_tasks() -> None:
    with pytest.raises(TaskDefinitionError, match="pure=True, cache=True"):
        task(cache=True)(lambda x: x)
    with pytest.raises(TaskDefinitionError, match="cache=True"):
        Task(lambda x: x, func_name="f", version=3)
    with pytest.raises(TaskDefinitionError, match="version takes"):
        Task(lambda x: x, func_name="f", pure=True, cache=True, version=object())


@pytest.mark.parametrize("flag", ["pure", "cache", "require_context"])
def test_a_flag_is_true_or_false(flag: str) -> None:
    with pytest.raises(TaskDefinitionError, match=f"{flag} takes True or False, not 'no'"):
        Task(lambda x: x, func_name="f", **{flag: "no"})  # type: ignore[arg-type]


def test_a_task_refuses_an_environment_of_another_type() -> None:
    with pytest.raises(ValueError, match="mapping"):
        Task(lambda x: x, func_name="f", environment=[])


def test_a_store_that_cannot_be_used_fails_nothing_and_says_so_once(
    connect: Connect,
    backend: str,
    ledger: Ledger,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder.write_text("in the way")
    with connect():
        assert counted(ledger).map_invoke(range(3)).get() == [0, 1, 4]
    assert caplog.text.count("values of square are not cached") == (backend in HERE)


def test_a_full_disk_fails_nothing(
    connect: Connect, backend: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with tmpfs(folder, "1m"), connect():
        large = Task(lambda n: bytes([n]) * 400_000, func_name="large", pure=True, cache=True)
        assert [len(value) for value in large.map_invoke(range(6)).get()] == [400_000] * 6
        assert [len(value) for value in large.map_invoke(range(6)).get()] == [400_000] * 6
        if backend in HERE:
            assert "are not cached" in caplog.text
            assert 1 <= len(ValueStore().entries()) <= 2
            assert not list(folder.glob(".*"))


def test_a_damaged_value_is_made_anew(
    connect: Connect, backend: str, ledger: Ledger, folder: Path
) -> None:
    if backend not in HERE:
        pytest.skip("the session keeps it")
    for damage in (b"", b"{}\nnonsense", None):
        with connect():
            assert counted(ledger).invoke(6).get() == 36
        (file,) = folder.iterdir()
        whole = file.read_bytes()
        file.write_bytes(whole[:-3] + b"xyz" if damage is None else damage)
    with connect():
        assert counted(ledger).invoke(6).get() == 36
    assert len(ledger.lines()) == 4


def test_the_store_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pymonik.settings import settings
    from pymonik.values.content import Content

    monkeypatch.setenv("PYMONIK_CACHE_BYTES", "5000")
    settings.cache_clear()
    try:
        store = ValueStore()
        for number in range(10):
            store.put(f"{number:032}", Content(bytes([number]) * 1000), {"task": "f"})
            os.utime(folder / f"{number:032}", (number, number))
        assert store.get("0" * 32) is not None  # used: it stays
        store.prune()
        kept = {entry.key for entry in store.entries()}
        assert "0" * 32 in kept
        assert 2 <= len(kept) <= 5
    finally:
        settings.cache_clear()


def test_classes_of_the_program_are_not_kept_for_the_next(
    connect: Connect, backend: str, folder: Path
) -> None:
    class Own:
        pass

    made = Task(lambda: Own(), func_name="made", pure=True, cache=True)
    with connect():
        assert isinstance(made.invoke().get(), Own)
        assert isinstance(made.invoke().get(), Own)
    assert not folder.exists() or not list(folder.iterdir())


def test_an_option_of_the_call_changes_no_key(client: Pymonik, ledger: Ledger) -> None:
    square = counted(ledger)
    square.invoke(3).get()
    assert square.invoke(3, task_options=TaskOptions(retries=2)).get() == 9
    assert len(ledger.lines()) == 1
