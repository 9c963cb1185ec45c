"""The folder of a cluster whose process was killed goes with the next cluster; no other does."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pymonik.emulator.agents.folder import ClusterFolder

KILLED = """
import os, signal
from pymonik.emulator.agents.folder import ClusterFolder
folder = ClusterFolder()
(folder.path / "0").mkdir()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_the_folder_of_a_killed_process_goes(temporary: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], cwd=Path(__file__).parents[2])
    (left,) = temporary.iterdir()
    ours = ClusterFolder()
    assert [*temporary.iterdir()] == [ours.path] != [left]
    ours.remove()
    assert not [*temporary.iterdir()]


def test_folders_in_use_and_of_others_stay(temporary: Path) -> None:
    (temporary / "pmk-mine").mkdir()
    (temporary / "pmk-file").write_text("mine, too")
    one = ClusterFolder()
    other = ClusterFolder()
    names = {"pmk-mine", "pmk-file", one.path.name, other.path.name}
    assert {path.name for path in temporary.iterdir()} == names
    for folder in (one, other, other):
        folder.remove()
    assert {path.name for path in temporary.iterdir()} == {"pmk-mine", "pmk-file"}


def test_a_link_is_not_followed(temporary: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "emulator.lock").touch()
    (temporary / "pmk-link").symlink_to(outside)
    ClusterFolder().remove()
    assert (outside / "emulator.lock").exists()
