"""Names that name nothing, and files that cannot be written: wrong usage, with the way out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pymonik import Pymonik
from pymonik.cli.dry_run import record
from pymonik.settings import settings
from pymonik.values.foreign import harmless
from tests.conformance.programs import add
from tests.conftest import PATIENCE, script_environment

Command = Callable[..., "subprocess.CompletedProcess[str]"]

JOBS = """
from pymonik import Pymonik, task

@task
def double(x):
    return 2 * x

with Pymonik():
    print(double.invoke(3).get())
"""
SESSION = "1f0c1b2e-1111-2222-3333-444455556666"


def words(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["show", "jobz.py"], "there is no 'jobz.py' here"),
        (["show", "jobs"], "there is no 'jobs' here, but jobs.py is"),
        (["show", "--veiw", "units", "jobs.py"], "'--veiw' is no option, '--view' is"),
        (["show", "--moons", "jobs.py"], "'--moons' is no option, and no script"),
        (["show", SESSION], "for a session, name its cluster with --endpoint or AKCONFIG"),
        (["check", SESSION], f"no run that is recorded here has the id '{SESSION}'"),
        (["show", "local-123"], "there is no run 'local-123': `pymonik runs list` names them"),
        (["show", "-m", "moons"], "there is no module 'moons' here"),
        (["show", "/dev/zero"], "'/dev/zero' is a device, and no script"),
        (["diff", "/dev/zero", "jobs.py"], "'/dev/zero' is a device, and no script"),
        (["show", "moons.io:orbit"], "there is no module 'moons' here"),
        (["diff", "it's", "b"], '"it\'s" has an open quotation'),
        (["diff", " ", "b"], "' ' names no script"),
        (["show", "."], "'.' is a folder, and has no __main__.py"),
        (["show", "jobs.py", "--save", "moons/a.svg"], "moons/a.svg cannot be written: No such"),
    ],
)
def test_wrong_names_are_wrong_usage(
    command_here: Command,
    args: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # With no runs: this user's own may have any id.
    monkeypatch.setenv("PYMONIK_RUNS", str(tmp_path / "runs"))
    done = command_here("graph", *args, jobs=JOBS)
    assert done.returncode == 2, done.stderr
    assert told in words(done)


@pytest.fixture
def one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One run was recorded, whatever else this machine has run."""
    monkeypatch.setenv("PYMONIK_RUNS", str(tmp_path / "runs"))
    settings.cache_clear()
    with Pymonik(backend="inline"):
        assert add.invoke(1, 2).get() == 3
    yield
    monkeypatch.undo()
    settings.cache_clear()


ESCAPES = "\x1b[2J\x1b]0;title\x07\u202e\r\x9b1m"


@pytest.mark.parametrize(
    "args",
    [
        ["graph", "show", f"{ESCAPES}.pmk"],
        ["graph", "save", f"{ESCAPES}.pmk", "jobs.py"],
        ["graph", "show", "jobs.py", "--save", f"{ESCAPES}/a.svg"],
        ["trace", ESCAPES],
        ["trace", "last", "-o", f"{ESCAPES}/x.json"],
        ["submit", f"{ESCAPES}.pmk"],
        ["runs", "show", ESCAPES],
        ["cache", "explain", ESCAPES],
        ["emulator", ESCAPES],
        [ESCAPES],
        [f"--{ESCAPES}"],
    ],
    ids=lambda args: " ".join(args[:2]) if args[0].isalpha() else ascii(args[0][:3]),
)
def test_no_error_has_what_a_terminal_obeys(
    command_here: Command,
    one_run: None,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    args: list[str],
) -> None:
    (tmp_path / f"{ESCAPES}.pmk").write_text("no graph")
    done = command_here(*args, jobs=JOBS)
    assert done.returncode in (1, 2), done
    told = done.stdout + done.stderr + "".join(capfd.readouterr())
    assert "\\x1b[2J" in told
    assert harmless(told, lines=True) == told


def test_a_setting_that_is_wrong_is_one_sentence(
    command_here: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command_here("graph", "save", "jobs.pmk", "jobs.py", jobs=JOBS).returncode == 0
    monkeypatch.setenv("PYMONIK_WORKERS", f"three{ESCAPES}")
    done = command_here("submit", "jobs.pmk")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done
    assert "PYMONIK_WORKERS is 'three" in words(done)


def test_a_broken_graph_file_is_not_run_as_a_script(
    pymonik_command: Command, tmp_path: Path
) -> None:
    (tmp_path / "jobs.pmk").write_text("raise SystemExit('it was run')")
    done = pymonik_command("graph", "show", "jobs.pmk")
    assert done.returncode == 2
    assert "jobs.pmk is no graph" in words(done)


def test_a_misspelt_option_that_goes_to_the_script_is_noted(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "cost", "jobs.py", "--fail-ovr", "tasks=0", jobs=JOBS)
    assert done.returncode == 0
    assert (
        "note: --fail-ovr is given to the script; to give it to this command, write --fail-over"
        in done.stderr
    )
    meant = pymonik_command("graph", "cost", "jobs.py", "--", "--fail-ovr=3", "--seed=3")
    assert (meant.returncode, meant.stderr) == (0, "")


def test_a_function_of_a_module_that_is_a_program_is_not_taken_for_the_program(
    pymonik_command: Command,
) -> None:
    done = pymonik_command("graph", "show", "jobs:double", "3", jobs=JOBS)
    assert (done.returncode, done.stdout) == (1, "")
    assert "importing 'jobs' needs a value before 'double' can be called" in done.stderr


def test_a_trace_is_json_or_a_page(pymonik_command: Command, tmp_path: Path) -> None:
    done = pymonik_command("trace", "-o", "trace.pdf")
    assert done.returncode == 2
    assert "'trace.pdf' names no format: end it in .json or .html" in words(done)
    assert not (tmp_path / "trace.pdf").exists()


CATCHING = """
from pymonik import Pymonik, task

@task
def double(x):
    return 2 * x

with Pymonik():
    for x in range({times}):
        try:
            print(double.invoke(x).get())
        except{kind}:
            pass
"""


@pytest.mark.parametrize(
    ("times", "kind", "is_noted"), [(1, "", True), (3, "", True), (3, " Exception", False)]
)
def test_a_script_that_goes_on_where_it_is_ended_is_noted(
    tmp_path: Path, times: int, kind: str, is_noted: bool
) -> None:
    script = tmp_path / "script.py"
    script.write_text(CATCHING.format(times=times, kind=kind))
    recording = record(str(script))
    assert recording.goes_on == is_noted
    assert recording.plan is not None
    assert recording.plan.calls == 1


def test_the_note_says_why_and_how_to_see_the_rest(command_here: Command) -> None:
    done = command_here("graph", "show", "script.py", script=CATCHING.format(times=2, kind=""))
    assert done.returncode == 0, done.stderr
    assert "bare `except:`" in words(done)
    assert "--execute takes all" in words(done)


def test_what_is_no_script_takes_no_arguments(
    command_here: Command, pymonik_command: Command
) -> None:
    jobs = "from pymonik import Pymonik, task\n" + JOBS
    assert command_here("graph", "save", "a.pmk", "jobs.py", jobs=jobs).returncode == 0
    for verb in ("check", "show", "cost"):
        done = command_here("graph", verb, "a.pmk", "jobs.py")
        assert done.returncode == 2
        assert "takes no arguments: jobs.py" in words(done)
    done = command_here("graph", "check", "jobs.py", "jobs.py")
    assert done.returncode == 0
    assert "jobs.py is an argument of the script" in words(done)


def test_a_function_is_named_by_its_module_and_not_by_its_file(command_here: Command) -> None:
    done = command_here("graph", "show", "jobs.py:double", jobs=JOBS)
    assert done.returncode == 2
    assert "write jobs:double" in words(done)


@pytest.mark.parametrize(
    ("streams", "code", "told"),
    [
        ("<&- >&- 2>&-", 0, ""),
        (">&-", 0, ""),
        (">/dev/full", 1, "pymonik: the output cannot be written: No space left on device\n"),
    ],
)
def test_streams_that_lead_nowhere(streams: str, code: int, told: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m pymonik cache list {streams}"],
        env=script_environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (code, told)
