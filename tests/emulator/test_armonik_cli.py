"""The command line of ArmoniK itself, run against the emulator as against any cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pymonik import Pymonik, task
from pymonik.emulator import Emulator
from tests.armonik.conftest import BOTH, started

ARMONIK = shutil.which("armonik", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
pytestmark = pytest.mark.skipif(
    ARMONIK is None, reason="armonik-cli is not installed: pip install armonik-cli"
)

Ask = Callable[..., Any]


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def fail() -> None:
    raise ValueError("on purpose")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Emulator]:
    with started(partitions=BOTH) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def session(cluster: Emulator) -> str:
    """A session that has ended, with a task in each partition, one of which failed."""
    with Pymonik(cluster.endpoint, partition=["pymonik", "other"]) as client:
        assert add.invoke(1, 2, pmk_name="three").get() == 3
        assert isinstance(fail.invoke(pmk_partition="other").exception(), ValueError)
    return client.session_id


def said(cluster: Emulator, *arguments: str) -> str:
    """Run a command; give what it prints."""
    assert ARMONIK is not None
    # The tool has packages of its own: this checkout is none of its business.
    variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "AKCONFIG")}
    done = subprocess.run(
        [ARMONIK, *arguments, "--endpoint", cluster.url],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def ask(cluster: Emulator) -> Ask:
    """Run a command; give its data. As YAML, since its JSON cannot hold ids of stored objects."""
    return lambda *arguments: yaml.safe_load(said(cluster, *arguments, "--output", "yaml"))


@pytest.mark.thorough
def test_it_lists_sessions(ask: Ask, session: str) -> None:
    assert {row["SessionId"]: row["Status"] for row in ask("session", "list")} == {
        session: "Closed"
    }
    [shown] = ask("session", "get", session)
    assert shown["PartitionIds"] == ["pymonik", "other"]


def test_it_lists_tasks_with_their_errors(ask: Ask, session: str) -> None:
    tasks = ask("task", "list", "--filter", f"session_id='{session}'")
    assert sorted(row["Status"] for row in tasks) == ["Completed", "Error"]
    [failed] = [row["Id"] for row in tasks if row["Status"] == "Error"]
    [shown] = ask("task", "get", failed)
    assert "on purpose" in shown["Output"]["Error"]
    assert shown["Options"]["PartitionId"] == "other"


@pytest.mark.thorough
def test_it_lists_results_by_name(ask: Ask, session: str) -> None:
    [named] = ask("result", "list", "--filter", "name='three'")
    assert (named["SessionId"], named["Status"]) == (session, "Completed")


def test_it_downloads_a_result(ask: Ask, cluster: Emulator, session: str, tmp_path: Path) -> None:
    [named] = ask("result", "list", "--filter", "name='three'")
    chosen = ("--id", named["ResultId"], "--path", str(tmp_path))
    said(cluster, "result", "download-data", session, *chosen)
    [file] = tmp_path.iterdir()
    assert file.read_bytes().startswith(b"PYMK")


@pytest.mark.thorough
def test_it_lists_partitions(ask: Ask, session: str) -> None:
    listed = {row["Id"]: row["PodReserved"] for row in ask("partition", "list")}
    assert listed == {"pymonik": 2, "other": 1}


@pytest.mark.thorough
def test_it_shows_the_cluster(ask: Ask, cluster: Emulator) -> None:
    assert ask("cluster", "health")
