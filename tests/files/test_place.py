"""Files and folders put in place: right, whole, reused, and never at the user's expense."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pymonik.errors import MaterializeError
from pymonik.files.materialize import Materialize, materialize, read_source
from pymonik.files.place import place
from pymonik.files.tree import tree_hash
from tests.environment.tmpfs import tmpfs


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The task's own folder."""
    folder = tmp_path / "task"
    folder.mkdir()
    return folder


def a_file(content: bytes, where: str, mode: int | None = None) -> Materialize:
    return Materialize("/src", where, hashlib.sha256(content).hexdigest(), False, None, mode)


def a_folder(tmp_path: Path, where: str, **files: str) -> tuple[Materialize, bytes]:
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    for old in source.iterdir():
        old.unlink()
    for name, text in files.items():
        (source / name).write_text(text)
    mat = materialize(source, where)
    return mat, read_source(mat)


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.pymonik-part")]


def test_a_relative_file_lies_in_the_tasks_folder(root: Path) -> None:
    assert place(a_file(b"x", "sub/a.txt"), b"x", root) == root / "sub" / "a.txt"
    assert (root / "sub" / "a.txt").read_bytes() == b"x"
    assert leftovers(root) == []


def test_an_absolute_file_lies_where_it_says(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "a.txt"
    assert place(a_file(b"x", str(target)), b"x", root) == target
    assert target.read_bytes() == b"x"


def test_content_may_come_from_a_file(root: Path, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"y" * 3_000_000)
    target = place(a_file(b"y" * 3_000_000, "a"), tmp_path / "blob", root)
    assert target.read_bytes() == b"y" * 3_000_000
    mat, archive = a_folder(tmp_path, "folder", a="1")
    (tmp_path / "blob").write_bytes(archive)
    assert (place(mat, tmp_path / "blob", root) / "a").read_text() == "1"


@pytest.mark.parametrize("where", ["../a", "sub/../../a", ".", "", "sub/..", "link/a"])
def test_a_relative_path_cannot_leave_the_tasks_folder(root: Path, where: str) -> None:
    (root / "link").symlink_to("/tmp")
    with pytest.raises(MaterializeError, match="own folder"):
        place(a_file(b"x", where), b"x", root)


def test_modes_are_kept(root: Path) -> None:
    assert place(a_file(b"x", "a", 0o751), b"x", root).stat().st_mode & 0o777 == 0o751
    assert place(a_file(b"x", "b"), b"x", root).stat().st_mode & 0o777 == 0o644
    (root / "a").chmod(0o600)
    assert place(a_file(b"x", "a", 0o751), b"x", root).stat().st_mode & 0o777 == 0o751


def test_what_is_right_already_is_left_alone(root: Path, tmp_path: Path) -> None:
    mat, archive = a_folder(tmp_path, "folder", a="1")
    file = place(a_file(b"x", "a"), b"x", root)
    folder = place(mat, archive, root)
    before = [file.stat(), folder.stat(), (folder / "a").stat()]
    # Nothing to make it from: it can only be reused.
    place(a_file(b"x", "a"), b"", root)
    place(mat, b"", root)
    assert [file.stat(), folder.stat(), (folder / "a").stat()] == before


def test_what_a_task_spoiled_is_made_right(root: Path, tmp_path: Path) -> None:
    mat, archive = a_folder(tmp_path, str(tmp_path / "shared"), a="1", b="2")
    folder = place(mat, archive, root)
    (folder / "a").write_text("spoiled")
    (folder / "new").touch()
    place(mat, archive, root)
    assert tree_hash(folder) == mat.content_hash
    file = place(a_file(b"x", "a"), b"x", root)
    file.write_bytes(b"y")
    assert place(a_file(b"x", "a"), b"x", root).read_bytes() == b"x"


def test_a_new_version_replaces_ours_even_if_read_only(root: Path, tmp_path: Path) -> None:
    where = str(tmp_path / "shared")
    place(*a_folder(tmp_path, where, a="1"), root)
    (tmp_path / "shared").chmod(0o500)
    place(*a_folder(tmp_path, where, b="2"), root)
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["b"]
    assert leftovers(tmp_path) == []


def test_a_folder_of_somebody_else_is_not_replaced(root: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("years of work")
    mat, archive = a_folder(tmp_path, str(precious), a="1")
    for _ in range(2):
        with pytest.raises(MaterializeError, match="did not put there"):
            place(mat, archive, root)
    assert (precious / "thesis.tex").read_text() == "years of work"
    (precious / "thesis.tex").unlink()
    assert (place(mat, archive, root) / "a").exists()  # an empty one is nobody's loss


def test_a_folder_made_where_ours_was_is_not_replaced(root: Path, tmp_path: Path) -> None:
    where = tmp_path / "shared"
    mat, archive = a_folder(tmp_path, str(where), a="1")
    place(mat, archive, root)
    where.rename(tmp_path / "moved")  # keeps the inode taken
    where.mkdir()
    (where / "theirs").touch()
    with pytest.raises(MaterializeError, match="did not put there"):
        place(mat, archive, root)
    assert (where / "theirs").exists()


def test_a_folder_of_somebody_else_does_not_give_way_to_a_file(root: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("years of work")
    with pytest.raises(MaterializeError, match="did not put there"):
        place(a_file(b"x", str(precious)), b"x", root)
    assert (precious / "thesis.tex").read_text() == "years of work"
    assert leftovers(tmp_path) == []
    mat, archive = a_folder(tmp_path, str(tmp_path / "ours"), a="1")
    place(mat, archive, root)
    assert place(a_file(b"x", str(tmp_path / "ours")), b"x", root).read_bytes() == b"x"


def test_a_file_of_somebody_else_is_not_replaced(root: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("years of work")
    folder, archive = a_folder(tmp_path, str(precious), a="1")
    for mat, content in ((a_file(b"x", str(precious)), b"x"), (folder, archive)):
        with pytest.raises(MaterializeError, match="did not put there"):
            place(mat, content, root)
    assert precious.read_text() == "years of work"
    assert leftovers(tmp_path) == []
    precious.unlink()
    assert place(a_file(b"x", str(precious)), b"x", root).read_bytes() == b"x"
    assert place(a_file(b"y", str(precious)), b"y", root).read_bytes() == b"y", "it is ours"


def test_a_file_made_where_ours_was_is_not_replaced(root: Path, tmp_path: Path) -> None:
    """Its inode is often that of the one that was removed."""
    where = tmp_path / "shared.txt"
    for number in range(20):
        mine = b"%d" % number
        place(a_file(mine, str(where)), mine, root)
        where.unlink()
        where.write_text("theirs")
        with pytest.raises(MaterializeError, match="did not put there"):
            place(a_file(b"x", str(where)), b"x", root)
        assert where.read_text() == "theirs"
        where.unlink()


def test_a_link_that_somebody_put_there_is_not_replaced(root: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("safe")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    with pytest.raises(MaterializeError, match="did not put there"):
        place(a_file(b"x", str(tmp_path / "link")), b"x", root)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "victim").read_text() == "safe"


def test_a_link_in_the_way_is_replaced_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("safe")
    (root / "a").symlink_to(tmp_path / "victim")
    place(a_file(b"x", "a"), b"x", root)
    assert not (root / "a").is_symlink()
    assert (tmp_path / "victim").read_text() == "safe"


def test_file_and_folder_take_each_others_place_in_the_tasks_folder(
    root: Path, tmp_path: Path
) -> None:
    mat, archive = a_folder(tmp_path, "a", inner="1")
    place(a_file(b"x", "a"), b"x", root)
    assert place(mat, archive, root).is_dir()
    assert place(a_file(b"x", "a"), b"x", root).is_file()
    assert leftovers(root) == []


def test_content_that_is_not_what_was_promised_changes_nothing(root: Path, tmp_path: Path) -> None:
    place(a_file(b"old", "a"), b"old", root)
    with pytest.raises(MaterializeError, match="hash"):
        place(a_file(b"new", "a"), b"damaged", root)
    assert (root / "a").read_bytes() == b"old"
    mat, archive = a_folder(tmp_path, "folder", a="1")
    other, _ = a_folder(tmp_path, "folder", a="2")
    with pytest.raises(MaterializeError, match="hash"):
        place(other, archive, root)
    with pytest.raises(MaterializeError, match="damaged"):
        place(mat, archive[:-30], root)
    assert not (root / "folder").exists()
    assert leftovers(root) == []


@pytest.mark.parametrize("path", ["/", "//", "/x/.."])
def test_the_root_of_all_files_is_no_place(root: Path, path: str) -> None:
    with pytest.raises(MaterializeError, match="is no place for a file: name one below it"):
        place(a_file(b"x", path), b"x", root)


def test_an_error_names_the_source_and_the_place(root: Path) -> None:
    (root / "file").touch()
    with pytest.raises(MaterializeError, match=r"'/src' at '.*/file/a'") as caught:
        place(a_file(b"x", "file/a"), b"x", root)
    assert isinstance(caught.value.__cause__, OSError)


def test_locks_of_tasks_own_files_do_not_pile_up(root: Path, cache: Path, tmp_path: Path) -> None:
    for number in range(5):
        place(a_file(b"x", f"a{number}"), b"x", root)
    place(*a_folder(tmp_path, "folder", a="1"), root)
    assert list((cache / "pymonik" / "locks").iterdir()) == []


PLACE = """
import sys
from pathlib import Path
from pymonik.files.materialize import Materialize
from pymonik.files.place import place
where, digest, kind, content, root = sys.argv[1:]
sys.stdin.readline()
for _ in range(20):
    place(Materialize("/src", where, digest, kind == "folder"), Path(content), Path(root))
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_processes_that_want_the_same_at_once_all_get_it(
    tmp_path: Path, root: Path, kind: str
) -> None:
    where, blob = tmp_path / "shared", tmp_path / "blob"
    if kind == "file":
        mat, content = a_file(b"z" * 500_000, str(where)), b"z" * 500_000
    else:
        mat, content = a_folder(tmp_path, str(where), **{f"f{i}": "z" * 9999 for i in range(50)})
    blob.write_bytes(content)
    arguments = [str(where), mat.content_hash, kind, str(blob), str(root)]
    racers = [
        subprocess.Popen([sys.executable, "-c", PLACE, *arguments], stdin=subprocess.PIPE)
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(b"go\n")
        racer.stdin.flush()
    halves = 0
    while any(racer.poll() is None for racer in racers):
        # What is there is whole, whenever one looks: once there, nobody takes it away again.
        if where.exists():
            found = tree_hash(where) if kind == "folder" else hashlib.sha256(where.read_bytes())
            halves += (found if isinstance(found, str) else found.hexdigest()) != mat.content_hash
    for racer in racers:
        racer.communicate()
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert halves == 0
    assert leftovers(tmp_path) == []


def test_a_kill_in_the_middle_leaves_the_old_file_and_no_litter(root: Path, tmp_path: Path) -> None:
    place(a_file(b"old", "a"), b"old", root)
    os.mkfifo(tmp_path / "slow")
    digest = hashlib.sha256(b"new").hexdigest()
    arguments = ["a", digest, "file", str(tmp_path / "slow"), str(root)]
    child = subprocess.Popen([sys.executable, "-c", PLACE, *arguments], stdin=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.write(b"go\n")
    child.stdin.flush()
    with open(tmp_path / "slow", "wb") as feed:  # opens once the child reads: it is in the middle
        feed.write(b"ne")
        feed.flush()
        assert len(leftovers(root)) == 1
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert (root / "a").read_bytes() == b"old"
    place(a_file(b"new", "a"), b"new", root)
    assert (root / "a").read_bytes() == b"new"
    assert leftovers(root) == []


def test_threads_may_place_the_same_file(root: Path) -> None:
    mat, failures = a_file(b"x" * 100_000, "a"), []

    def put() -> None:
        try:
            place(mat, b"x" * 100_000, root)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, kind: str) -> None:
    with tmpfs(tmp_path / "disk", "1m") as grow:
        root = tmp_path / "disk"
        big = "b" * 2_000_000
        if kind == "file":
            place(a_file(b"old", "a"), b"old", root)
            mat, content = a_file(big.encode(), "a"), big.encode()
        else:
            place(*a_folder(tmp_path, "a", old="1"), root)
            mat, content = a_folder(tmp_path, "a", big=big)
        with pytest.raises(MaterializeError, match="No space left"):
            place(mat, content, root)
        assert (root / "a").exists() if kind == "file" else (root / "a" / "old").exists()
        assert leftovers(root) == []
        grow("8m")
        place(mat, content, root)
