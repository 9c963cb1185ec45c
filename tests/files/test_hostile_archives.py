"""Archives that somebody else made: nothing gets out, nothing grows, nothing crashes."""

from __future__ import annotations

import copy
import io
import os
import stat
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pymonik.errors import ArchiveError
from pymonik.material import materialize, read_source
from pymonik.runtime.env_extract import extract
from pymonik.runtime.env_tree import tree_hash

Member = tuple[str, int, bytes]
FOLDER, FILE, LINK = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777


def pack(*members: Member, compression: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicates are meant
        for name, mode, content in members:
            member = zipfile.ZipInfo(name)
            member.create_system = 3
            member.external_attr = mode << 16
            member.compress_type = compression
            archive.writestr(member, content)
    return packed.getvalue()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "outer" / "target"
    folder.mkdir(parents=True)
    (tmp_path / "outer" / "victim").write_text("safe")
    return folder


@pytest.mark.parametrize(
    "members",
    [
        [("../victim", FILE, b"x")],
        [("/victim", FILE, b"x")],
        [("a/", FOLDER, b""), ("a/../../victim", FILE, b"x")],
        [("./a", FILE, b"x")],
        [("a//b", FILE, b"x")],
        [("..", FILE, b"x")],
        [("../", FOLDER, b"")],
        [("/", FOLDER, b"")],
        [("a/b", FILE, b"no such folder")],
        [("a", FILE, b"1"), ("a", FILE, b"2")],
        [("a/", FOLDER, b""), ("a/", FOLDER, b"")],
        [("a", FILE, b"1"), ("a/", FOLDER, b"")],
        [("a", FILE, b"1"), ("a/b", FILE, b"2")],
        [("b", FILE, b"out of order"), ("a", FILE, b"2")],
        [("link", LINK, b"..")],
        [("link", LINK, b"/etc")],
        [("link", LINK, b"../victim")],
        [("link", LINK, b"a/../../victim")],
        [("link", LINK, b"")],
        [("link", LINK, b"\xff")],
        [("link", LINK, b"a\0b")],
        [("link", LINK, b"x" * 5000)],
        [("link", LINK, b".."), ("link/victim", FILE, b"written through a link")],
        [("a", LINK, b"."), ("a/victim", FILE, b"written through a link")],
        # Each link stays inside when read alone; together they climb out.
        [("a/", FOLDER, b""), ("a/up", LINK, b".."), ("out", LINK, b"a/up/..")],
        [("device", stat.S_IFBLK | 0o600, b"")],
        [("device", stat.S_IFCHR | 0o600, b"")],
        [("pipe", stat.S_IFIFO | 0o600, b"")],
        [("socket", stat.S_IFSOCK | 0o600, b"")],
        [("unknown", 0o644, b"")],
        [("file/", FILE, b"")],
        [("folder", FOLDER, b"")],
    ],
)  # fmt: skip
def test_a_hostile_member_is_refused(target: Path, members: list[Member]) -> None:
    with pytest.raises(ArchiveError):
        extract(pack(*members), target)
    assert sorted(os.listdir(target.parent)) == ["target", "victim"]
    assert (target.parent / "victim").read_text() == "safe"


def test_a_compressed_bomb_is_refused_before_it_unpacks(target: Path) -> None:
    bomb = pack(("bomb", FILE, b"\0" * 50_000_000), compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    with pytest.raises(ArchiveError, match="more than its own size"):
        extract(bomb, target)
    assert os.listdir(target) == []


def test_even_a_small_compressed_member_is_refused(target: Path) -> None:
    # Random bytes do not shrink, so this one passes the bound on sizes.
    packed = pack(("a", FILE, os.urandom(1000)), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveError, match="compressed"):
        extract(packed, target)


def test_members_that_share_their_bytes_are_refused(target: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        first = zipfile.ZipInfo("000")
        first.create_system, first.external_attr = 3, FILE << 16
        archive.writestr(first, b"x" * 10_000)
        for number in range(1, 100):
            # Listed again under another name: much from little, without compression.
            again = copy.copy(first)
            again.filename = f"{number:03}"
            archive.filelist.append(again)
    with pytest.raises(ArchiveError, match="more than its own size"):
        extract(packed.getvalue(), target)
    assert os.listdir(target) == []


def test_too_many_members_are_refused(target: Path) -> None:
    packed = pack(*((f"{number:03}", FILE, b"") for number in range(11)))
    with pytest.raises(ArchiveError, match="11 members, the limit is 10"):
        extract(packed, target, max_members=10)
    assert os.listdir(target) == []


def test_an_encrypted_member_is_refused(target: Path) -> None:
    packed = bytearray(pack(("a", FILE, b"x" * 20)))
    packed[6] |= 1
    packed[packed.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(ArchiveError):
        extract(bytes(packed), target)


def test_special_bits_do_not_survive(target: Path) -> None:
    extract(pack(("su", stat.S_IFREG | 0o6755, b"x")), target)
    assert stat.S_IMODE((target / "su").stat().st_mode) == 0o755


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip" * 100])
def test_what_is_no_archive_is_refused(target: Path, content: bytes) -> None:
    with pytest.raises(ArchiveError):
        extract(content, target)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    source = tmp_path_factory.mktemp("honest")
    (source / "a").mkdir()
    (source / "a" / "file").write_text("content")
    (source / "link").symlink_to("a/file")
    mat = materialize(source, "x")
    return read_source(mat), mat.content_hash


@settings(max_examples=400)
@given(
    damage=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=4),
    cut=st.floats(0, 1),
)
@example(damage=[], cut=1.0)
def test_a_damaged_archive_is_refused_or_has_another_hash(
    tmp_path_factory: pytest.TempPathFactory,
    honest: tuple[bytes, str],
    damage: list[tuple[float, int]],
    cut: float,
) -> None:
    archive, expected = honest
    damaged = bytearray(archive)
    for place, value in damage:
        damaged[int(place * len(archive))] = value
    del damaged[int(cut * len(archive)) :]
    base = tmp_path_factory.mktemp("damaged")
    target = base / "target"
    target.mkdir()
    try:
        found = extract(bytes(damaged), target)
    except ArchiveError:
        assert damaged != archive
    else:
        assert (found == expected) == (tree_hash(target) == expected)
        if damaged == archive:
            assert found == expected
    assert os.listdir(base) == ["target"]
