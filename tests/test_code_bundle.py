"""A bundle gives modules the code that Python would, or leaves them to Python, whatever happens."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from pymonik.system import code_bundle
from pymonik.system.code_bundle import CodeBundle, renew_bundle, use_bundle
from tests.conftest import REPOSITORY

NAMES = [f"bundled.part_{number}" for number in range(10)]
ALL = [*NAMES, "bundled.below", "bundled.below.inner"]


def forget() -> None:
    """Let no module of the package be loaded."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "bundled"]:
        del sys.modules[name]


class Program:
    """A run of a program that imports a package of twelve modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start()

    def start(self) -> None:
        """Begin another run: nothing is loaded."""
        forget()
        sys.meta_path[:] = [one for one in sys.meta_path if type(one) is not CodeBundle]
        importlib.invalidate_caches()
        use_bundle(importlib.import_module("bundled").__spec__)

    def load(self, names: list[str] = ALL) -> list[str]:
        """Import modules; return the names of those that came out of the bundle."""
        modules = [importlib.import_module(name) for name in names]
        return [
            module.__name__
            for module in modules
            if type(module.__spec__ and module.__spec__.loader) is code_bundle._BundledLoader
        ]

    def end(self) -> None:
        """Do what programs do at their end."""
        renew_bundle()

    @property
    def bundles(self) -> list[Path]:
        """The bundles that there are, and what else of them."""
        return list(self.folder.rglob("*bundle*"))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    package = tmp_path / "bundled"
    (package / "below").mkdir(parents=True)
    for name in ("__init__", "below/__init__", "below/inner", *(n.split(".")[1] for n in NAMES)):
        (package / f"{name}.py").write_text(f"def where():\n    return {name!r}\n")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:])
    monkeypatch.setattr(code_bundle, "_bundle", None)
    yield Program(package)
    forget()
    importlib.invalidate_caches()


@pytest.fixture
def bundled(program: Program) -> Program:
    """Return a run after one that has written a bundle."""
    assert program.load() == []
    program.end()
    program.start()
    return program


def test_the_second_run_finds_all_modules_in_the_bundle(bundled: Program) -> None:
    assert bundled.load() == ALL
    inner = sys.modules["bundled.below.inner"]
    assert inner.where() == "below/inner"
    assert inner.where.__code__.co_filename == inner.__file__ == inner.__spec__.origin
    assert len(bundled.bundles) == 1


def test_modules_look_as_python_makes_them(bundled: Program) -> None:
    def looks() -> list[dict[str, Any]]:
        bundled.load()
        found = []
        for name in ALL:
            module = sys.modules[name]
            spec = module.__spec__
            assert isinstance(spec, ModuleSpec)
            seen = {key: getattr(module, key, None) for key in ("__file__", "__path__", "__name__")}
            seen |= {"cached": spec.cached, "parent": spec.parent, "location": spec.has_location}
            assert isinstance(spec.loader, SourceFileLoader)
            seen["source"] = spec.loader.get_source(name)
            found.append(seen | {"folders": spec.submodule_search_locations})
        return found

    ours = looks()
    shutil.rmtree(bundled.folder / "__pycache__")
    bundled.start()
    assert ours == looks()


def test_a_source_that_was_changed_is_what_is_loaded(bundled: Program) -> None:
    source = bundled.folder / "part_3.py"
    status = source.stat()
    source.write_text("def where():\n    return 'PART_3'\n")  # as long as before
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    assert bundled.load() == [name for name in ALL if name != "bundled.part_3"]
    assert sys.modules["bundled.part_3"].where() == "PART_3"


def test_a_source_of_another_length_is_what_is_loaded(bundled: Program) -> None:
    source = bundled.folder / "part_3.py"
    status = source.stat()
    source.write_text("def where():\n    return 3\n")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    bundled.load()
    assert sys.modules["bundled.part_3"].where() == 3


def test_a_module_that_was_removed_is_not_found(bundled: Program) -> None:
    (bundled.folder / "part_3.py").unlink()
    with pytest.raises(ModuleNotFoundError):
        bundled.load()
    assert importlib.util.find_spec("bundled.part_3") is None


def test_a_module_that_became_a_package_is_that(bundled: Program) -> None:
    (bundled.folder / "part_3").mkdir()
    (bundled.folder / "part_3.py").rename(bundled.folder / "part_3" / "__init__.py")
    bundled.load()
    assert sys.modules["bundled.part_3"].__path__ == [str(bundled.folder / "part_3")]


@pytest.mark.parametrize("damage", ["empty", "short", "zeros", "other", "table", "code"])
def test_a_damaged_bundle_is_as_none(bundled: Program, damage: str) -> None:
    (path,) = bundled.bundles
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    changed = {
        "empty": b"",
        "short": data[:-1],
        "zeros": bytes(len(data)),
        "other": b"not a bundle of ours at all",
        "table": data[:8] + bytes(start - 8) + data[start:],
        "code": data[:start] + bytes(len(data) - start),
    }
    path.write_bytes(changed[damage])
    bundled.load()
    assert [sys.modules[name].where() for name in NAMES] == [n.split(".")[1] for n in NAMES]


def test_a_bundle_of_another_python_is_as_none(
    bundled: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version", "3.99")
    assert bundled.load() == []
    bundled.end()
    bundled.start()
    assert bundled.load() == ALL


def test_a_copy_of_the_package_uses_no_bundle_of_the_first(
    bundled: Program, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere" / "bundled"
    shutil.copytree(bundled.folder, copy)
    sys.path.insert(0, str(copy.parent))
    bundled.start()
    assert bundled.load() == []
    assert sys.modules["bundled.part_1"].where.__code__.co_filename == str(copy / "part_1.py")


def test_a_few_changes_are_not_worth_another_bundle(bundled: Program) -> None:
    (path,) = bundled.bundles
    before = path.stat().st_ino
    for name in NAMES[:3]:
        os.utime(bundled.folder / f"{name.split('.')[1]}.py", (1, 1))
    bundled.load()
    bundled.end()
    assert path.stat().st_ino == before


def test_many_changes_are(bundled: Program) -> None:
    for name in NAMES:
        os.utime(bundled.folder / f"{name.split('.')[1]}.py", (1, 1))
    bundled.load()
    bundled.end()
    bundled.start()
    assert bundled.load() == ALL


def test_none_is_written_where_python_may_keep_nothing(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.load()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    program.end()
    assert program.bundles == []


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError("the disk is full"), nullcontext()),
        (KeyboardInterrupt(), pytest.raises(KeyboardInterrupt)),
    ],
)
def test_none_is_left_half_written(
    program: Program, monkeypatch: pytest.MonkeyPatch, error: BaseException, seen: Any
) -> None:
    def fail(*_: object) -> None:
        raise error

    program.load()
    monkeypatch.setattr(os, "replace", fail)
    with seen:
        program.end()
    assert program.bundles == []


def test_nothing_is_read_for_one_that_cannot_be_written(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each program of an installation that is not the user's own would read it all at its end."""

    def refuse(*_: object) -> None:
        raise PermissionError("not yours")

    read: list[object] = []
    program.load()
    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(code_bundle, "_compiled", lambda *args: read.append(args))
    program.end()
    assert read == program.bundles == []


def test_modules_that_no_bundle_is_for_are_not_missed(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each program that loads them, as all of a cluster do, would write the bundle anew."""
    monkeypatch.setattr(code_bundle, "_APART", frozenset({"below"}))
    monkeypatch.setattr(code_bundle, "_FEW", 0)
    program.load()
    program.end()
    (path,) = program.bundles
    before = path.stat().st_ino
    program.start()
    assert program.load() == NAMES
    program.end()
    assert path.stat().st_ino == before


def test_modules_whose_pyc_is_of_a_digest_are_left_to_python(program: Program) -> None:
    import py_compile

    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    for name in NAMES:
        source = program.folder / f"{name.split('.')[1]}.py"
        py_compile.compile(str(source), invalidation_mode=mode)
    program.load()
    program.end()
    program.start()
    assert program.load() == ["bundled.below", "bundled.below.inner"]
    (path,) = program.bundles
    before = path.stat().st_ino
    program.end()  # they are not missed: no other bundle would have them, either
    assert path.stat().st_ino == before


def test_what_was_let_go_of_is_read_again(bundled: Program) -> None:
    bundled.load(NAMES[:1])
    code_bundle.release_bundle()
    assert bundled.load() == ALL


def test_finders_put_before_pythons_own_are_asked_first(bundled: Program) -> None:
    asked = []

    class Hook:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            asked.append(name)

    sys.meta_path.insert(0, Hook)  # type: ignore[arg-type]
    assert bundled.load() == ALL
    assert [name for name in asked if name.startswith("bundled")] == ALL


def test_a_module_is_loaded_anew_as_it_is_then(bundled: Program) -> None:
    bundled.load()
    source = bundled.folder / "part_3.py"
    source.write_text("def where():\n    return 'changed'\n")
    os.utime(source, (1, 1))
    assert importlib.reload(sys.modules["bundled.part_3"]).where() == "changed"


def test_a_program_with_a_client_writes_one_for_the_next(tmp_path: Path) -> None:
    shutil.copytree(
        REPOSITORY / "pymonik", tmp_path / "pymonik", ignore=shutil.ignore_patterns("__pycache__")
    )
    code = """
import sys
from pymonik import Pymonik, task
from pymonik.system import code_bundle

@task
def bundled():
    specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    loaders = [type(spec.loader) for spec in specs if spec is not None]
    return loaders.count(code_bundle._BundledLoader)

with Pymonik(workers=1):
    print(bundled.invoke().get(), bundled())
"""
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    variables["PYTHONPATH"] = str(tmp_path)
    script = tmp_path / "script.py"
    script.write_text(code)

    def run() -> list[int]:
        done = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, env=variables
        )
        assert not done.returncode, done.stderr
        return list(map(int, done.stdout.split()))

    assert run() == [0, 0]
    in_executor, in_program = run()
    assert in_executor > 50
    assert in_program > 150
