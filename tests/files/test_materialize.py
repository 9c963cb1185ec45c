"""A file or folder named by what is in it, and packed the same way everywhere."""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymonik.files.extract import extract
from pymonik.files.materialize import (
    Materialize,
    SourceChangedError,
    TreeError,
    materialize,
    read_source,
)
from pymonik.files.tree import tree_hash


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a bit of everything that may be shipped."""
    root = tmp_path / "data"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "deep" / "er" / "run.sh").write_text("#!/bin/sh\n")
    (root / "deep" / "er" / "run.sh").chmod(0o755)
    (root / "deep-er").write_bytes(b"\0\xff")
    (root / "é.txt").write_text("é")
    (root / "secret").write_text("s")
    (root / "secret").chmod(0o600)
    (root / "link").symlink_to("deep/er/run.sh")
    (root / "deep" / "up").symlink_to("..")
    (root / "dangling").symlink_to("not-there")
    return root


def listing(root: Path) -> dict[str, tuple[str, bytes | str]]:
    found: dict[str, tuple[str, bytes | str]] = {}
    for path in root.rglob("*"):
        mode = stat.filemode(path.lstat().st_mode)
        if path.is_symlink():
            found[str(path.relative_to(root))] = ("link", os.readlink(path))
        else:
            found[str(path.relative_to(root))] = (mode, path.read_bytes() if path.is_file() else "")
    return found


def test_a_file_is_named_by_its_sha256(tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(b"hello")
    source.chmod(0o750)
    mat = materialize(source, "in//a.bin")
    assert mat == Materialize(
        str(source), "in/a.bin", hashlib.sha256(b"hello").hexdigest(), False, None, 0o750
    )
    assert read_source(mat) == b"hello"


def test_the_fields_are_those_of_the_eager_sdk(folder: Path) -> None:
    mat = materialize(source_path=folder, worker_path="/data")
    assert (mat.source_path, mat.worker_path, mat.is_directory, mat.result_id) == (
        str(folder),
        "/data",
        True,
        None,
    )
    mat.result_id = "abc"  # set by the upload
    assert pickle.loads(pickle.dumps(mat)) == mat


def test_a_missing_source_fails_at_the_call(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        materialize(tmp_path / "nowhere", "x")
    (tmp_path / "broken").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError, match="broken"):
        materialize(tmp_path / "broken", "x")


def test_a_place_is_a_path(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not 3"):
        materialize(tmp_path, 3)  # type: ignore[arg-type]


def test_a_relative_source_is_put_at_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dd").mkdir()
    (tmp_path / "dd" / "a.csv").touch()
    monkeypatch.chdir(tmp_path / "dd")
    assert materialize("a.csv") == materialize("a.csv", "a.csv")
    monkeypatch.chdir(tmp_path)
    assert materialize("./dd/a.csv").worker_path == "dd/a.csv"
    assert materialize(Path("dd")).worker_path == "dd"
    with pytest.raises(TypeError, match=r"needs a worker_path, .* such as 'a\.csv'"):
        materialize(tmp_path / "dd" / "a.csv")
    monkeypatch.chdir(tmp_path / "dd")
    with pytest.raises(TreeError, match="no place"):
        materialize("../dd/a.csv")


def test_its_text_is_its_path_and_other_attributes_of_paths_are_told_of(folder: Path) -> None:
    mat = materialize(folder, "tree")
    assert (str(mat), f"{mat}/secret") == (str(folder), f"{folder}/secret")
    assert mat / "deep" / "er" == folder / "deep" / "er"
    assert repr(mat).startswith("Materialize(source_path=")
    for name in ("exists", "name"):
        with pytest.raises(AttributeError, match=rf"use Path\(mat\)\.{name}"):
            getattr(mat, name)
    with pytest.raises(AttributeError, match=r"no attribute 'size'$"):
        mat.size  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(TypeError, match="unsupported operand"):
        mat / 3  # type: ignore[operator]
    assert copy.deepcopy(mat) == copy.copy(mat) == pickle.loads(pickle.dumps(mat)) == mat


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TreeError, match="pipe"):
        materialize(tmp_path / "pipe", "x")
    with pytest.raises(TreeError, match="pipe"):
        materialize(tmp_path, "x")


def test_times_and_order_do_not_change_the_name_nor_the_bytes(folder: Path) -> None:
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy, symlinks=True)
    for path in sorted(copy.rglob("*"), reverse=True):
        os.utime(path, (1, 1), follow_symlinks=False)
    one, two = materialize(folder, "x"), materialize(copy, "x")
    assert one.content_hash == two.content_hash
    assert read_source(one) == read_source(two)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "secret").write_text("t"),
        lambda root: (root / "secret").chmod(0o640),
        lambda root: (root / "secret").rename(root / "public"),
        lambda root: (root / "empty").rmdir(),
        lambda root: (root / "empty").chmod(0o700),
        lambda root: (root / "more").touch(),
        lambda root: [(root / "link").unlink(), (root / "link").symlink_to("secret")],
        lambda root: [
            (root / "link").unlink(),
            shutil.copy(root / "deep/er/run.sh", root / "link"),
        ],
    ],
)
def test_any_change_of_content_changes_the_name(folder: Path, change: object) -> None:
    before = materialize(folder, "x")
    assert callable(change)
    change(folder)
    assert materialize(folder, "x").content_hash != before.content_hash
    with pytest.raises(SourceChangedError, match="data"):
        read_source(before)


def test_a_file_that_changed_before_its_upload_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    mat = materialize(tmp_path / "a", "a")
    (tmp_path / "a").write_text("two")
    with pytest.raises(SourceChangedError, match="materialize"):
        read_source(mat)


def test_the_format_of_the_name_is_fixed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o755)
    (tmp_path / "d").chmod(0o755)
    (tmp_path / "d" / "f").write_bytes(b"x")
    (tmp_path / "d" / "f").chmod(0o644)
    (tmp_path / "l").symlink_to("d/f")
    content = hashlib.sha256(b"x").digest()
    told = b"pymonik tree 1\n" + b"d 755 1 0\nd" + b"f 644 3 32\nd/f" + content + b"l 777 1 3\nld/f"
    assert tree_hash(tmp_path) == hashlib.sha256(told).hexdigest()


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../outside", "deep/../../outside", "deep/up/.."]
)
def test_a_link_that_leaves_the_folder_is_refused(folder: Path, target: str) -> None:
    (folder / "out").symlink_to(target)
    with pytest.raises(TreeError, match="out"):
        materialize(folder, "x")


def test_a_link_to_a_folder_is_followed_only_at_the_top(folder: Path) -> None:
    alias = folder.with_name("alias")
    alias.symlink_to("data")
    assert materialize(alias, "x") == materialize(folder, "x")


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="other systems refuse such names")
def test_a_name_that_is_no_text_is_refused(folder: Path) -> None:
    with open(os.fsencode(folder) + b"/\xff", "wb"):
        pass
    with pytest.raises(TreeError, match="UTF-8"):
        materialize(folder, "x")


def test_what_is_packed_comes_out_the_same(folder: Path, tmp_path: Path) -> None:
    mat = materialize(folder, "x")
    target = tmp_path / "target"
    target.mkdir()
    assert extract(read_source(mat), target) == mat.content_hash == tree_hash(target)
    assert listing(target) == listing(folder)


_names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8)
_files = st.tuples(st.binary(max_size=64), st.sampled_from([0o600, 0o644, 0o755, 0o400]))
_trees = st.recursive(
    st.dictionaries(_names.filter(lambda name: name not in {".", ".."}), _files, max_size=4),
    lambda inner: st.dictionaries(
        _names.filter(lambda name: name not in {".", ".."}), inner | _files, max_size=3
    ),
    max_leaves=12,
)


def grow(root: Path, tree: dict[str, object]) -> None:
    for name, content in tree.items():
        path = root / name
        if isinstance(content, dict):
            path.mkdir()
            grow(path, content)
        elif isinstance(content, tuple):
            path.write_bytes(content[0])
            path.chmod(content[1])


@settings(deadline=None)
@given(_trees)
def test_any_folder_comes_out_the_same(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, object]
) -> None:
    base = tmp_path_factory.mktemp("tree")
    (base / "in").mkdir()
    (base / "out").mkdir()
    grow(base / "in", tree)
    mat = materialize(base / "in", "x")
    assert extract(read_source(mat), base / "out") == mat.content_hash
    assert listing(base / "out") == listing(base / "in")


def test_paths_may_be_bytes_and_what_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    mat = materialize(os.fsencode(tmp_path / "a"), b"data/a")  # type: ignore[arg-type]
    assert (mat.source_path, mat.worker_path) == (str(tmp_path / "a"), "data/a")
    with pytest.raises(TypeError, match="a path as worker_path, not 3"):
        materialize(tmp_path / "a", 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"a path as worker_path: 'a\\x00b' has a NUL"):
        materialize(tmp_path / "a", "a\0b")
    with pytest.raises(TypeError, match="a path as source_path, not None"):
        materialize(None, "a")  # type: ignore[arg-type]
