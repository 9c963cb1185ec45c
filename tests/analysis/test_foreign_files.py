"""Files that somebody else has made: looking runs nothing, and what is wrong is one sentence."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import pickle
import random
import stat
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.analysis.check import check
from pymonik.analysis.diff import diff
from pymonik.analysis.encode import brief
from pymonik.analysis.estimate import estimate
from pymonik.analysis.file import compiled, is_file, load, of_brief, save
from pymonik.analysis.session.check import check_tasks
from pymonik.analysis.session.diff import compare, tasks_of_plans
from pymonik.analysis.session.file import is_tasks_file, load_tasks, save_tasks
from pymonik.analysis.session.tasks import SessionObject
from pymonik.analysis.session.tasks import SessionTask as Ran
from pymonik.draw.explain import explained
from pymonik.draw.formats import FORMATS
from pymonik.draw.model import drawing
from pymonik.draw.tasks import drawing_of_tasks
from pymonik.environment.value import WITHHELD
from pymonik.errors import GraphFileError
from pymonik.graph.show import show
from tests.analysis.test_file import Command, recorded

SECRET = "s3cr3t"
URL = f"https://joe:{SECRET}@index.test/six.whl"


class CodeRan(Exception):
    """Raised where a pickle runs that nobody sent to run."""


def run() -> None:
    raise CodeRan


class Evil:
    def __reduce__(self) -> Any:
        return run, ()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "g.pmk"
    client = Pymonik(backend="dry-run", environment={"env_variables": {"TOKEN": SECRET}})
    kept = recorded(client)
    save(client.plan(), path)
    assert kept
    client.cancel()
    return path


def look(path: Path) -> None:
    """Do all that commands do with a file that is only looked at."""
    plan = compiled(load(path))
    assert plan.source is not None
    written = plan.source.graph
    show(written)
    explained(plan)
    check(plan, {}, lambda spec: None)
    estimate(plan)
    diff(written, written)
    compare((tasks_of_plans([plan]), {}), (tasks_of_plans([plan]), {}))
    for drawn in (drawing(written), drawing(plan.graph)):
        for write in FORMATS.values():
            write(drawn)


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def rewritten(path: Path, entries: dict[str, bytes], **how: Any) -> Path:
    with zipfile.ZipFile(path, "w", **how) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return path


def test_looking_loads_nothing(saved: Path, tmp_path: Path) -> None:
    entries = entries_of(saved)
    evil = pickle.dumps(Evil())
    entries.update({name: evil for name in entries if name.startswith("contents/")})
    data = json.loads(entries["graph.json"])
    assert any("retry_on" in spec["options"] for spec in data["specs"])
    for entry in data["contents"]:
        entry["digest"] = ""
    for spec in data["specs"]:
        spec["modules"] = 0
    entries["graph.json"] = json.dumps(data).encode()
    look(rewritten(tmp_path / "evil.pmk", entries))


def test_exception_types_are_known_by_their_names(saved: Path) -> None:
    options = [n.spec.options for n in load(saved).graph.nodes if hasattr(n, "spec")]
    names = [o.retry_on.names for o in options if o.retry_on and o.retries]
    assert names
    assert set(names) == {("builtins.KeyError",)}


# ----- secrets


@task(environment={"pip": [f"six @ {URL}"], "env_variables": {"A": SECRET, "B": "plain"}})
def f(x: Any) -> Any:
    return x


@task(environment={"env_variables": {"A": f"{SECRET} of another"}})
def g(x: Any) -> Any:
    return x


def test_a_file_has_names_of_variables_only_and_no_credentials(tmp_path: Path) -> None:
    path = tmp_path / "g.pmk"
    path.touch(mode=0o666)
    client = Pymonik(backend="dry-run")
    kept = [f.invoke(g.invoke(1, pymonik=client), pymonik=client)]
    plan = client.plan()
    save(plan, path)
    assert kept
    assert SECRET not in repr(entries_of(path))
    assert SECRET not in json.dumps(brief(plan.source))  # type: ignore[arg-type]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    one, other = (node.spec.environment for node in load(path).graph.nodes)
    assert one.variables != other.variables
    assert all(value.startswith(WITHHELD) for _, value in one.variables)
    assert diff(load(path).graph, plan.source.graph) == []  # type: ignore[union-attr]


class Holder:
    def call(self, x: Any) -> Any:
        return f.invoke(x)


@task(environment={"env_variables": {"A": SECRET}})
def makes(x: Any) -> Any:
    return [f.invoke(x), Holder().call(x), g.invoke(x)]


def test_tasks_that_code_refers_to_bring_no_values_along(tmp_path: Path) -> None:
    path = tmp_path / "g.pmk"
    client = Pymonik(backend="dry-run")
    kept = [makes.invoke(g, pymonik=client)]
    plan = client.plan()
    save(plan, path)
    assert kept
    assert SECRET not in repr(entries_of(path))
    assert b"pymonik environment " in b"".join(entries_of(path).values())
    assert diff(load(path).graph, plan.source.graph) == []  # type: ignore[union-attr]


def test_who_submits_a_file_has_the_values(tmp_path: Path) -> None:
    path = tmp_path / "g.pmk"
    client = Pymonik(backend="dry-run", environment={"env_variables": {"A": SECRET}})
    kept = [plain.invoke(1, pymonik=client)]
    save(client.plan(), path)
    assert kept
    with pytest.raises(GraphFileError, match="need the variable 'A'"):
        load(path, {})
    (node,) = load(path, {"A": "here"}).graph.nodes
    assert node.spec.environment.variables == (("A", "here"),)
    kept += [g.invoke(1, pymonik=client)]
    save(client.plan(), path)
    with pytest.raises(GraphFileError, match="several values of the variable 'A'"):
        load(path, {"A": "here"})


@task
def plain(x: Any) -> Any:
    return x


# ----- damage


def mutated(value: Any, choose: random.Random) -> Any:
    """Change one place of plain data."""
    strange = [
        None,
        -1,
        0,
        1 << 40,
        1.5,
        float("nan"),
        "",
        "\x1b[2J\n",
        [],
        {},
        [[]],
        True,
        "x" * 99,
    ]
    if not isinstance(value, (dict, list)) or not value or choose.random() < 0.1:
        return copy.deepcopy(choose.choice(strange))
    key = choose.choice(list(value) if isinstance(value, dict) else range(len(value)))
    if choose.random() < 0.1:
        del value[key]
    else:
        value[key] = mutated(value[key], choose)
    return value


def refused_or_drawn(path: Path) -> bool:
    told = None
    try:
        look(path)
    except GraphFileError as error:
        told = str(error)
    assert told is None or "\n" not in told
    return told is not None


@pytest.mark.parametrize("seed", range(6))
def test_a_graph_with_other_fields_is_refused_or_drawn(
    saved: Path, tmp_path: Path, seed: int
) -> None:
    choose = random.Random(seed)
    entries = entries_of(saved)
    data = json.loads(entries["graph.json"])
    refused = 0
    for _ in range(25):
        changed = mutated(copy.deepcopy(data), choose)
        entries["graph.json"] = json.dumps(changed).encode()
        refused += refused_or_drawn(rewritten(tmp_path / "g.pmk", entries))
    assert refused


def test_a_graph_that_breaks_the_laws_is_no_graph(saved: Path, tmp_path: Path) -> None:
    entries = entries_of(saved)
    data = json.loads(entries["graph.json"])
    call = next(entry for entry in data["nodes"] if entry.get("args"))
    call["args"].append(call["args"][0])
    entries["graph.json"] = json.dumps(data).encode()
    with pytest.raises(GraphFileError, match="is no graph"):
        load(rewritten(tmp_path / "g.pmk", entries))


@pytest.mark.parametrize("seed", range(4))
def test_a_file_with_other_bytes_is_refused_or_drawn(
    saved: Path, tmp_path: Path, seed: int
) -> None:
    choose = random.Random(seed)
    data, path = saved.read_bytes(), tmp_path / "g.pmk"
    for _ in range(25):
        changed = bytearray(data)
        for _ in range(choose.randrange(1, 4)):
            # Half of them in the directory at the end, which says where all else is.
            at = choose.randrange(choose.choice([0, len(changed) - 2000]), len(changed))
            changed[at] ^= 1 << choose.randrange(8)
        path.write_bytes(changed[: choose.choice([len(changed), choose.randrange(len(changed))])])
        refused_or_drawn(path)


# Blanks shrink to little however little time is taken for it.
QUICK: dict[str, Any] = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 1}


def bomb(path: Path, name: str, size: int) -> Path:
    """Make a file of a few bytes that inflates to many, and says that it does not."""
    entries = {name: b" " * size + b"{}"}
    rewritten(path, entries, **QUICK)
    data = path.read_bytes()
    real = (size + 2).to_bytes(4, "little")
    path.write_bytes(data.replace(real, (100).to_bytes(4, "little")))
    return path


@pytest.mark.parametrize("honest", [True, False])
def test_a_file_inflates_within_bounds(tmp_path: Path, honest: bool) -> None:
    size = 200 << 20
    for name, read in (("graph.json", load), ("tasks.json", load_tasks)):
        path = tmp_path / "bomb.pmk"
        if honest:
            rewritten(path, {name: b" " * size}, **QUICK)
        else:
            bomb(path, name, size)
        tracemalloc.start()
        with pytest.raises(GraphFileError):
            read(path)  # type: ignore[operator]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 40 << 20


LARGE: list[Callable[[Any], Any]] = [
    lambda data: data["nodes"].append({**data["nodes"][-1], "n": 1 << 40, "args": []}),
    lambda data: data["target"].update(slots=1 << 40),
    lambda data: data["contents"].append({"size": 1 << 40, "buffers": 1 << 40, "digest": ""}),
]


@pytest.mark.parametrize("change", LARGE)
def test_a_graph_that_asks_for_much_is_refused(saved: Path, tmp_path: Path, change: Any) -> None:
    entries = entries_of(saved)
    data = json.loads(entries["graph.json"])
    change(data)
    entries["graph.json"] = json.dumps(data).encode()
    with pytest.raises(GraphFileError):
        look(rewritten(tmp_path / "g.pmk", entries))
    with pytest.raises(GraphFileError):
        compiled(of_brief(data))


TASKS = [
    Ran("1", "a", "done", ("x",), ("y",), (), 1.5, (("partition", "p"),), "", 1, "w", 2.0, 60.0),
    Ran("2", "b; c", "failed", ("y",), ("z",), ("1",), None, (), "no\x1b[2J", 2),
]


def look_at_tasks(path: Path) -> None:
    tasks, objects = load_tasks(str(path))
    for write in FORMATS.values():
        write(drawing_of_tasks(tasks, objects))
    compare((tasks, objects), (tasks, objects))
    check_tasks(tasks, objects, None, {})


@pytest.mark.parametrize("seed", range(4))
def test_tasks_with_other_fields_are_refused_or_drawn(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    path = tmp_path / "t.pmk"
    save_tasks(TASKS, {"x": SessionObject("x", 3), "y": SessionObject("y", 4)}, str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    look_at_tasks(path)
    data = json.loads(entries_of(path)["tasks.json"])
    for _ in range(60):
        changed = json.dumps(mutated(copy.deepcopy(data), choose)).encode()
        with contextlib.suppress(GraphFileError):
            look_at_tasks(rewritten(path, {"tasks.json": changed}))


@pytest.mark.parametrize("size", [-1, 10**400])
def test_an_object_of_no_possible_size_is_refused(tmp_path: Path, size: int) -> None:
    path = str(tmp_path / "t.pmk")
    save_tasks([], {"x": SessionObject("x", size)}, path)
    with pytest.raises(GraphFileError, match="no object has the size of 'x'"):
        load_tasks(path)


def test_commands_tell_of_a_damaged_file_in_one_sentence(
    saved: Path, command_here: Command, tmp_path: Path
) -> None:
    data = saved.read_bytes()
    (tmp_path / "cut.pmk").write_bytes(data[: len(data) // 2])
    rewritten(tmp_path / "g.pmk", {"graph.json": b"[]"})
    rewritten(tmp_path / "t.pmk", {"tasks.json": b"[]"})
    assert is_file(str(tmp_path / "cut.pmk"))
    assert is_tasks_file(str(tmp_path / "t.pmk"))
    for command in (["graph", "show"], ["graph", "cost"], ["graph", "check"], ["submit"]):
        for name in ("cut.pmk", "g.pmk", "t.pmk"):
            done = command_here(*command, name)
            assert done.returncode == 2, done
            assert "Traceback" not in done.stderr
            assert name in done.stderr


def test_a_device_is_no_graph() -> None:
    for path in ("/dev/null", "/dev/zero", os.devnull):
        assert not is_file(path)
        assert not is_tasks_file(path)


def test_a_device_is_no_file_to_load() -> None:
    """Reading one would never end."""
    for read in (load, load_tasks):
        with pytest.raises(GraphFileError, match="it is not a file"):
            read("/dev/zero")
