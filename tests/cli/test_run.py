"""`pymonik run`: what python does, on the backend of the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY, script_environment

Command = Callable[..., "subprocess.CompletedProcess[str]"]

ADD = """
import sys
from pymonik import Pymonik, task

@task
def add(a, b):
    return a + b

with Pymonik(endpoint="localhost:5001") as client:
    print(add.invoke(2, 3).get(), client, *sys.argv[1:])
"""
WHO_AM_I = """
import sys
print(__name__, __file__, sys.argv, sys.path[0], sys.modules["__main__"].__file__, __package__)
"""


def test_the_backend_of_the_command_line_wins(pymonik_command: Command) -> None:
    done = pymonik_command("run", "--backend", "inline", "add.py", "--backend", "x", add=ADD)
    assert done.stdout == "5 <Pymonik on inline, 0 calls pending> --backend x\n"
    assert done.returncode == 0


def test_the_number_of_workers_reaches_the_client(pymonik_command: Command) -> None:
    source = (
        "from pymonik import Pymonik\n"
        "print(Pymonik(workers=2).create().parts.engine.opened().traits.slots)\n"
    )
    done = pymonik_command(
        "run", "--backend", "dry-run", "--workers", "7", "slots.py", slots=source
    )
    assert done.stdout == "7\n"


@pytest.mark.parametrize("args", [["who.py", "a", "-b"], ["-m", "who", "a", "-b"]])
def test_a_script_sees_what_python_shows_it(
    pymonik_command: Command, args: list[str], tmp_path: Path
) -> None:
    ours = pymonik_command("run", *args, who=WHO_AM_I)
    pythons = subprocess.run(
        [sys.executable, *args],
        cwd=tmp_path,
        env=script_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ours.stdout == pythons.stdout


def test_a_script_s_exit_code_is_ours(pymonik_command: Command) -> None:
    assert pymonik_command("run", "end.py", end="raise SystemExit(7)").returncode == 7


def test_a_failing_script_shows_its_own_frames_only(pymonik_command: Command) -> None:
    done = pymonik_command("run", "bad.py", bad="def f():\n    return 1 / 0\nf()\n")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ZeroDivisionError")
    assert done.stderr.count("File ") == 2
    assert "pymonik" not in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run"], "Missing argument 'SCRIPT'"),
        (["run", "nowhere.py"], "there is no 'nowhere.py' here"),
        (["run", "--backend", "moon", "x.py"], "'moon' is not one of 'local'"),
        (["run", "--workers", "0", "x.py"], "0 is not in the range"),
        (["orbit"], "No such command 'orbit'"),
    ],
)
def test_wrong_usage_ends_with_2(pymonik_command: Command, args: list[str], words: str) -> None:
    done = pymonik_command(*args)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize("recorded", ["off", "on"])
def test_verbose_sums_up_on_stderr(
    pymonik_command: Command, monkeypatch: Any, tmp_path: Path, recorded: str
) -> None:
    monkeypatch.setenv("PYMONIK_RUNS", "off" if recorded == "off" else str(tmp_path / "runs"))
    done = pymonik_command("run", "-v", "--backend", "local", "--workers", "1", "add.py", add=ADD)
    first, second, third = done.stderr.splitlines()
    assert first.startswith("pymonik: 1 call in 1 unit and 1 submission, 0 failed; ")
    assert first.endswith(" with 1 worker on local")
    assert second.startswith("  work ")
    assert third.startswith("  add ×1: ")
    assert (tmp_path / "runs").exists() is (recorded == "on")


def test_without_verbose_nothing_is_summed_up(pymonik_command: Command) -> None:
    assert pymonik_command("run", "--backend", "local", "add.py", add=ADD).stderr == ""


def test_the_version_is_the_package_s(pymonik_command: Command) -> None:
    import pymonik

    assert pymonik_command("--version").stdout == f"pymonik {pymonik.__version__}\n"


@pytest.mark.parametrize("args", [["-h"], ["run", "-h"], ["graph", "-h"], ["graph", "show", "-h"]])
def test_h_is_help(pymonik_command: Command, args: list[str]) -> None:
    done = pymonik_command(*args)
    assert done.returncode == 0
    assert "Usage: pymonik" in done.stdout


def test_a_variable_that_is_no_number_of_workers_is_refused(monkeypatch: Any) -> None:
    from pymonik import Pymonik
    from pymonik.errors import BackendError

    monkeypatch.setenv("PYMONIK_WORKERS", "many")
    with pytest.raises(BackendError, match="PYMONIK_WORKERS is 'many'"):
        Pymonik()


def test_the_commands_are_an_extension_of_armonik_cli() -> None:
    from importlib.metadata import EntryPoint

    import rich_click as click

    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    section = text.partition('[project.entry-points."armonik.cli.extensions"]\n')[2]
    name, _, value = section.partition("\n")[0].partition(" = ")
    loaded = EntryPoint(name, value.strip('"'), "armonik.cli.extensions").load()
    assert isinstance(loaded, click.RichGroup)
    assert {"run", "graph", "submit", "runs", "trace"} <= loaded.commands.keys()
