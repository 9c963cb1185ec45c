"""What a run leaves in the temporary folder: nothing of its own, and all that is not its own."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from pymonik import Materialize, Pymonik, materialize, task


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own, for this process and for executors."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.mark.parametrize("ends", [True, False], ids=["it ends well", "it is killed"])
def test_folders_of_another_process_with_the_same_number_are_left_alone(
    temporary: Path, tmp_path: Path, ends: bool
) -> None:
    (tmp_path / "data.txt").write_text("x")
    mat = materialize(tmp_path / "data.txt", "data.txt")

    @task(max_retries=0)
    def work(mat: Materialize, ends: bool) -> None:
        # As one of another container makes it, in which processes are counted anew.
        (Path(tempfile.gettempdir()) / f"pymonik-task-{os.getpid()}-other").mkdir()
        assert len(os.listdir(tempfile.gettempdir())) == 2
        if not ends:
            os.kill(os.getpid(), signal.SIGKILL)

    with Pymonik(backend="local", workers=1):
        assert (work.invoke(mat, ends).exception() is None) is ends
    [left] = os.listdir(temporary)
    assert left.endswith("-other")


def test_the_copy_of_a_working_directory_goes_with_its_engine(
    tmp_path: Path,
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "data.txt").write_text("x")

    @task(environment={"working_dir": str(tmp_path / "work")})
    def read() -> tuple[str, str]:
        return os.getcwd(), Path("data.txt").read_text()

    with Pymonik(backend="local", workers=1):
        folder, text = read.invoke().get()
        assert (text, os.path.exists(folder)) == ("x", True)
    assert folder != str(tmp_path / "work")
    assert not os.path.exists(folder)
