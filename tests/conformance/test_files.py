"""Files and folders among the arguments: in place before a task starts, and of its own."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pymonik import Materialize, Pymonik, materialize, task
from pymonik.errors import OptionsError
from tests.conftest import Ledger

from .conftest import SYNCHRONOUS, Connect


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file, and a folder beside it."""
    folder = tmp_path / "source"
    (folder / "tree" / "deep").mkdir(parents=True)
    (folder / "tree" / "deep" / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (folder / "tree" / "deep" / "run.sh").chmod(0o750)
    (folder / "tree" / "link").symlink_to("deep/run.sh")
    (folder / "data.txt").write_text("forty-two")
    return folder


@task
def read(given: Any) -> str:
    with open(given) as file:
        return file.read()


@task
def read_at(path: str, *_: Any) -> str:
    with open(path) as file:
        return file.read()


def test_a_file_is_there_under_its_relative_path(client: Pymonik, source: Path) -> None:
    mat = materialize(source / "data.txt", "inputs/data.txt")

    @task
    def look(mat: Materialize) -> tuple[Any, ...]:
        here = os.path.realpath(mat.path) == os.path.realpath("inputs/data.txt")
        return mat.worker_path, Path(mat.worker_path).read_text(), Path(mat).read_text(), here

    assert look.invoke(mat).get() == ("inputs/data.txt", "forty-two", "forty-two", True)
    assert read(mat) == "forty-two"


@pytest.mark.shares_files
def test_a_file_is_there_under_its_absolute_path(
    client: Pymonik, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "worker" / "data.txt"
    mat = materialize(source / "data.txt", target)
    assert read_at.invoke(str(target), mat).get() == "forty-two"
    assert target.read_text() == "forty-two"


def test_a_folder_is_there_with_its_modes_and_links(client: Pymonik, source: Path) -> None:
    @task
    def look(mat: Materialize) -> tuple[Any, ...]:
        script = Path(mat, "deep", "run.sh")
        return (
            subprocess.check_output([script], text=True),
            stat.S_IMODE(script.stat().st_mode),
            os.readlink(Path(mat, "link")),
            sorted(os.listdir(mat)),
        )

    seen = look.invoke(materialize(source / "tree", "tools")).get()
    assert seen == ("ran\n", 0o750, "deep/run.sh", ["deep", "link"])


def test_a_file_says_where_it_is_as_a_path_does(client: Pymonik, source: Path) -> None:
    @task
    def look(mat: Materialize) -> tuple[Any, ...]:
        texts = [Path(path).read_text() for path in (f"{mat}/run.sh", mat / "run.sh")]
        with open(os.path.join(str(mat), "run.sh")) as file:
            return type(mat / "run.sh") is type(Path()), {*texts, file.read()}, os.listdir("tools")

    mat = materialize(source / "tree" / "deep", "tools")
    assert look.invoke(mat).get() == (True, {"#!/bin/sh\necho ran\n"}, ["run.sh"])


def test_a_relative_file_needs_no_second_place(
    client: Pymonik, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source)
    assert read_at.invoke("tree/link", materialize("tree")).get().startswith("#!")


@dataclass
class Case:
    name: str
    files: dict[str, Any]


def test_files_are_found_at_any_depth_and_in_closures(client: Pymonik, source: Path) -> None:
    mat = materialize(source / "data.txt", "data.txt")

    @task
    def inside(case: Case, *, extra: Any = None) -> str:
        return Path(case.files["first"][0]).read_text() + Path(extra).read_text()

    @task
    def closed(_: int) -> str:
        return Path(mat).read_text()

    case = Case("one", {"first": [mat]})
    assert inside.invoke(case, extra=mat).get() == "forty-two" * 2
    assert closed.map_invoke([1, 2]).get() == ["forty-two"] * 2
    assert read.map_invoke([mat, mat]).get() == ["forty-two"] * 2


def test_the_folder_of_a_task_is_its_own_and_goes_with_it(client: Pymonik, source: Path) -> None:
    mat = materialize(source / "data.txt", "data.txt")

    @task
    def spoil(mat: Materialize, _: int) -> tuple[str, list[str]]:
        there = os.listdir()
        Path("data.txt").write_text("spoiled")
        Path("left").touch()
        return os.getcwd(), there

    here = where_it_runs.invoke().get()
    seen = spoil.map_invoke([(mat, i) for i in range(4)]).get()
    assert len({folder for folder, _ in seen}) == 4
    assert [there for _, there in seen] == [["data.txt"]] * 4
    assert not any(os.path.exists(folder) for folder, _ in seen)
    assert where_it_runs.invoke().get() == here
    assert (source / "data.txt").read_text() == "forty-two"


@task
def where_it_runs() -> str:
    return os.getcwd()


@pytest.mark.shares_files
def test_a_file_that_is_right_already_is_left_alone(
    client: Pymonik, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "kept.txt"
    mat = materialize(source / "data.txt", target)

    @task
    def inode(mat: Materialize) -> int:
        return os.stat(mat).st_ino

    first = inode.invoke(mat).get()
    assert inode.map_invoke([mat, mat]).get() == [first, first]
    target.write_text("changed")
    assert read.invoke(mat).get() == "forty-two"
    target.unlink()
    assert read.invoke(mat).get() == "forty-two"


def test_a_file_means_what_it_was_at_the_call(client: Pymonik, source: Path) -> None:
    mat = materialize(source / "data.txt", "data.txt")
    handle = read.invoke(mat)
    (source / "data.txt").unlink()
    assert handle.get() == "forty-two"


def test_a_missing_source_fails_at_the_call_with_its_path(client: Pymonik, source: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        materialize(source / "nowhere", "x")
    mat = materialize(source / "data.txt", "data.txt")
    (source / "data.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"data\.txt"):
        read.invoke(mat)
    with pytest.raises(FileNotFoundError, match=r"data\.txt"):
        read.map_invoke([mat])
    assert not client.pending


def test_a_changed_source_fails_at_the_call(client: Pymonik, source: Path) -> None:
    mat = materialize(source / "data.txt", "data.txt")
    (source / "data.txt").write_text("forty-three")
    with pytest.raises(RuntimeError, match="changed after materialize"):
        read.invoke(mat)


def test_a_large_file_travels_once(connect: Connect, source: Path, tmp_path: Path) -> None:
    (source / "large").write_bytes(os.urandom(1 << 20))
    (source / "copy").write_bytes((source / "large").read_bytes())
    mats = [materialize(source / name, f"{name}.bin") for name in ("large", "copy")]
    size = task(lambda mat, _: os.path.getsize(mat), function_name="size")  # type: ignore[call-overload]
    with connect() as client:
        handles = [size.invoke(mat, i) for i in range(10) for mat in mats]
        assert client.plan().size < 1.1 * (1 << 20)
        assert [handle.get() for handle in handles] == [1 << 20] * 20


def test_two_files_that_want_one_place_are_refused(client: Pymonik, source: Path) -> None:
    (source / "other").write_text("other")
    first, second = (materialize(source / name, "same") for name in ("data.txt", "other"))
    error = read_at.invoke("same", first, second).exception()
    assert "two different files at 'same'" in str(error)


@pytest.mark.shares_files
def test_one_call_cannot_have_two_files_at_an_absolute_path_but_two_can(
    client: Pymonik, source: Path, tmp_path: Path
) -> None:
    (source / "other").write_text("other")
    where = str(tmp_path / "same")
    first, second = (materialize(source / name, where) for name in ("data.txt", "other"))
    assert "two different files" in str(read_at.invoke(where, first, second).exception())
    for mat in (first, second, first):  # one after the other
        assert read.invoke(mat).get() == Path(mat.source_path).read_text()


@pytest.mark.shares_files
def test_calls_with_different_files_at_one_absolute_path_find_their_own(
    connect: Connect, tmp_path: Path
) -> None:
    where = str(tmp_path / "shared.txt")

    @task
    def look(mat: Materialize, number: int) -> bool:
        for _ in range(3000):  # long enough for others to come
            if Path(where).read_text() != str(number):
                return False
        return True

    sources = [tmp_path / str(number) for number in range(8)]
    for number, source in enumerate(sources):
        source.write_text(str(number))
    with connect(optimize=False):
        calls = [look.invoke(materialize(s, where), n) for n, s in enumerate(sources)]
        assert [call.get() for call in calls] == [True] * 8


def test_a_place_outside_of_the_folder_is_refused(client: Pymonik, source: Path) -> None:
    mat = materialize(source / "data.txt", "escaped")
    mat.worker_path = "../escaped"  # `materialize` itself refuses it
    error = read.invoke(mat).exception()
    assert "inside the task's own folder" in str(error)


def test_a_task_hands_its_files_on(client: Pymonik, source: Path) -> None:
    mat = materialize(source / "data.txt", "a/data.txt")

    @task
    def hand_on(mat: Materialize) -> Any:
        return [read.invoke(mat), read_at.invoke("a/data.txt", mat)]

    assert hand_on.invoke(mat).get() == ["forty-two"] * 2


def test_a_task_that_returns_one_gives_it_as_it_was(client: Pymonik, source: Path) -> None:
    mat = materialize(source / "data.txt", "data.txt")
    given = task(lambda mat: mat, function_name="given")  # type: ignore[call-overload]
    back = given.invoke(mat).get()
    assert (back, back.path) == (mat, str(source / "data.txt"))


def test_put_takes_no_files(client: Pymonik, source: Path) -> None:
    with pytest.raises(OptionsError, match=r"put\(\) takes no files"):
        client.put([materialize(source / "data.txt", "data.txt")])


def test_an_upload_ahead_is_used_by_calls(client: Pymonik, source: Path) -> None:
    mat = materialize(source / "data.txt", "data.txt")
    uploaded = client.upload_materialize(mat)
    assert uploaded is mat
    assert mat.result_id
    first = mat.result_id
    assert client.upload_materialize(mat).result_id == first
    (source / "data.txt").unlink()
    assert read.invoke(mat).get() == "forty-two"
    with pytest.raises(FileNotFoundError):
        client.upload_materialize(mat, force_upload=True)


def test_tries_of_a_call_have_folders_of_their_own(
    client: Pymonik, source: Path, ledger: Ledger
) -> None:
    mat = materialize(source / "data.txt", "data.txt")

    @task(retries=1)
    def again(mat: Materialize, path: str) -> str:
        seen = Path(mat).read_text()
        with open(path, "a") as lines:
            lines.write(f"{seen}\n")
        Path("data.txt").write_text("spoiled")
        if len(Path(path).read_text().splitlines()) == 1:
            raise RuntimeError("again")
        return seen

    assert again.invoke(mat, ledger.path).get() == "forty-two"
    assert ledger.lines() == ["forty-two"] * 2


@pytest.mark.asynchronous
def test_a_killed_task_leaves_no_folder(connect: Connect, source: Path, ledger: Ledger) -> None:
    mat = materialize(source / "data.txt", "data.txt")

    @task(max_retries=0)
    def dies(mat: Materialize, path: str) -> None:
        with open(path, "a") as lines:
            lines.write(f"{os.getcwd()}\n")
        os._exit(1)

    with connect():
        assert dies.invoke(mat, ledger.path).exception() is not None
        (folder,) = ledger.lines()
        assert not os.path.exists(folder)


@pytest.mark.parametrize("name", ["data.txt", "tree"])
def test_tasks_that_want_one_file_at_once_all_find_it_whole(
    backend: str, connect: Connect, source: Path, tmp_path: Path, name: str
) -> None:
    (source / "tree" / "big").write_bytes(os.urandom(1 << 20))
    mat = materialize(source / name, tmp_path / "shared" / name)

    @task(chunk_size=1)
    def check(mat: Materialize, _: int) -> bool:
        kind = os.path.isdir(mat)
        whole = os.path.getsize(os.path.join(mat, "big")) == 1 << 20 if kind else True
        return whole and kind == mat.is_directory

    workers = 1 if backend in SYNCHRONOUS else 2
    with connect(workers=workers):
        assert check.map_invoke([(mat, i) for i in range(8)]).get() == [True] * 8
    assert not list((tmp_path / "shared").glob(".*"))


@pytest.mark.shares_files
@pytest.mark.parametrize("shape", ["alone", "in a dict"])
def test_a_task_that_returns_a_file_is_refused(client: Pymonik, tmp_path: Path, shape: str) -> None:
    @task
    def generate(where: str) -> Any:
        path = Path(where, "made.txt")
        path.write_text("made")
        made = materialize(path, "in/made.txt")
        return made if shape == "alone" else {"file": [made]}

    @task
    def consume(made: Any) -> str:
        return Path("in/made.txt").read_text()

    made = generate.invoke(str(tmp_path))
    for handle in (consume.invoke(made), made):
        error = handle.exception()
        assert isinstance(error, TypeError)
        assert "cannot return a file" in str(error)
        assert "'generate'" in str(error)
