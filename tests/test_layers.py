"""The layers hold: imports run down the list of rooms, and no two files import each other.

Beside them what else keeps the house in order: names are unique, and files short.

All imports count: at the top of a file, inside a function, and for the type checker alone.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path

import networkx

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "pymonik"
# From the ground up. Rooms of one row import nothing of each other; `runtime` is three rooms.
FLOORS = (
    {"errors", "_pickled", "system"},
    {"settings", "humanize"},
    {"values"},
    {"files", "wire", "capture"},
    {"environment", "graph"},
    {"record", "plan", "cache"},
    {"runtime.executor"},
    {"runtime.host"},
    {"runtime.worker"},
    {"backend", "emulator"},
    {"analysis"},
    {"draw"},
    {"runs"},
    {"client"},
    {"", "testing"},
    {"cli"},
    {"__main__"},
)
# Folders of one floor that say the same things of something else, and the names they share.
PARALLEL = {
    ("analysis", "analysis.session"): {"check", "cost", "diff", "file"},  # of plans, of sessions
    # What clients ask for, and what the machine keeps.
    ("emulator.services", "emulator.state"): {"events", "results", "sessions", "submission"},
    # The two ends of one stream, and what is said in it.
    ("backend.armonik", "emulator.services"): {"events"},
    ("backend.armonik", "emulator.state"): {"events"},
}
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def _module(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room_of(module: str) -> str:
    parts = module.split(".")[1:]
    return ".".join(parts[:2] if parts[:1] == ["runtime"] else parts[:1])


def _imported(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"{module} imports relative to itself, which is not followed here")
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            submodules = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in MODULES else node.module for name in submodules)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)


@cache
def imports() -> dict[str, set[str]]:
    """Return what each module imports of the others: found when asked for, not to collect tests."""
    return {module: set(_imported(module)) - {module} for module in MODULES}


def test_every_file_is_in_a_room_of_the_list() -> None:
    # `pymonik.runtime` itself is the door of its three rooms.
    assert {room_of(module) for module in MODULES} - {"runtime"} == set(FLOOR)


def test_no_import_runs_up_the_list() -> None:
    up = [
        f"{module} → {name}"
        for module, names in imports().items()
        for name in names
        if room_of(module) != room_of(name) and FLOOR[room_of(name)] >= FLOOR[room_of(module)]
    ]
    assert up == []


def test_no_files_import_each_other_in_a_circle() -> None:
    found = imports().items()
    graph = networkx.DiGraph((module, name) for module, names in found for name in names)
    circles = networkx.strongly_connected_components(graph)
    assert [sorted(circle) for circle in circles if len(circle) > 1] == []


def test_only_who_speaks_to_a_cluster_imports_grpc_and_armonik() -> None:
    speakers = {"backend", "runtime.worker", "emulator"}
    # They take and give objects of ArmoniK that users know: its `TaskOptions`, its statuses.
    known = {"pymonik.values.options", "pymonik.analysis.session.look"}
    imports = re.compile(r"^\s*(?:import|from) (grpc|google|armonik)\b", re.MULTILINE)
    found = {
        (module, name)
        for module, path in MODULES.items()
        for name in imports.findall(path.read_text(encoding="utf-8"))
        if room_of(module) not in speakers
    }
    assert found == {(module, "armonik") for module in known}


def test_no_file_is_longer_than_a_reader_keeps_in_mind() -> None:
    # Most have less than 150 lines. One that has more than this does two things: it is split by
    # them, and not squeezed.
    lines = {module: path.read_text("utf-8").count("\n") for module, path in MODULES.items()}
    assert {module: count for module, count in lines.items() if count > 300} == {}


def test_class_names_are_unique() -> None:
    names = Counter(
        node.name
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_files_of_one_floor_have_names_of_their_own_but_in_parallel_folders() -> None:
    folders: dict[tuple[int, str], set[str]] = defaultdict(set)
    for module, path in MODULES.items():
        if path.name != "__init__.py":
            folder = module.partition(".")[2].rpartition(".")[0]
            folders[FLOOR[room_of(module)], path.stem].add(folder)
    shared: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for (_, name), places in folders.items():
        for pair in combinations(sorted(places), 2):
            shared[pair].add(name)
    assert shared == PARALLEL
