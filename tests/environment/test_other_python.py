"""A cluster whose workers are not what the client is: another Python, other packages."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from pymonik import Pymonik, task
from pymonik.emulator import Emulator
from pymonik.errors import TaskFailed
from tests.conftest import REPOSITORY

from .wheels import install_by_hand

# What a worker needs beside the standard library.
_NEEDED = ("armonik", "cloudpickle", "packaging", "platformdirs", "pydantic")
# As it was before the tests of this folder took the machine's package settings away.
_SETTINGS = dict(os.environ)


@task
def add(a: int, b: int) -> int:
    return a + b


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter of another minor version that can run workers."""
    here = f"3.{sys.version_info.minor}"
    known = Path.home() / ".pyenv" / "versions"
    found = [p for n in (12, 11, 13, 10) for p in known.glob(f"3.{n}.*/bin/python") if n != here]
    found = [path for path in found if not path.parts[-3].startswith(here + ".")]
    if not found:
        pytest.skip(f"no other Python is tried: pyenv has none but {here} here")
    venv = tmp_path_factory.mktemp("other") / "venv"
    tool, python = uv.find_uv_bin(), str(venv / "bin" / "python")
    for command in (
        [tool, "venv", "--quiet", "--python", str(found[0]), str(venv)],
        [tool, "pip", "install", "--quiet", "--python", python, *_NEEDED],
    ):
        done = subprocess.run(command, env=_SETTINGS, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no other Python is tried: {found[0]} has no packages: {done.stderr}")
    return Path(python)


@pytest.fixture
def other_cluster(other_python: Path) -> Iterator[Emulator]:
    with Emulator(
        worker=[str(other_python), "-m", "pymonik.runtime.worker.server"],
        environment={"PYTHONPATH": str(REPOSITORY)},
    ) as running:
        yield running


def test_another_python_is_one_sentence_with_both_versions(other_cluster: Emulator) -> None:
    with Pymonik(endpoint=other_cluster.endpoint):
        error = add.invoke(1, 2).exception()
    assert isinstance(error, TaskFailed)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    text = str(error)
    assert f"the client runs Python {here}, the worker 3." in text
    assert f"run the client with Python 3.{text.split('the worker 3.')[1].split(',')[0]}" in text
    assert "Traceback" not in text, text


@pytest.fixture
def differing(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """A cluster whose workers have another version of a package than this process."""
    for place, version in (("there", "2.0"), ("here", "1.0")):
        (tmp_path / place).mkdir()
        install_by_hand(wheels / f"pmk_demo-{version}-py3-none-any.whl", tmp_path / place)
    monkeypatch.syspath_prepend(str(tmp_path / "here"))
    monkeypatch.setattr("pymonik.environment.versions._version", _fresh_version)
    path = os.pathsep.join([str(REPOSITORY), str(tmp_path / "there")])
    worker = [sys.executable, "-m", "pymonik.runtime.worker.server"]
    with Emulator(
        worker=worker, partitions={"pymonik": 2}, environment={"PYTHONPATH": path}
    ) as running:
        yield running
    sys.modules.pop("pmk_demo", None)


def _fresh_version(module: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(module)
    except metadata.PackageNotFoundError:
        return ""


def test_a_package_in_another_version_is_told_of_once(
    differing: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    import pmk_demo

    @task
    def ask(_: int) -> str:
        return str(pmk_demo.VERSION)

    with caplog.at_level(logging.WARNING), Pymonik(endpoint=differing.endpoint):
        assert ask.map_invoke(range(8), pmk_chunk_size=1).get() == ["2.0"] * 8
        assert add.invoke(1, 2).get() == 3
    told = [r.getMessage() for r in caplog.records if r.name == "pymonik.versions"]
    assert len(told) == 1, told
    assert "pmk_demo is 1.0 on the client and 2.0 on the worker" in told[0]
