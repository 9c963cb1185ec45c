"""`pymonik graph show`: a drawing and the plan's figures, and nothing is sent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import script_environment

Command = Callable[..., "subprocess.CompletedProcess[str]"]

PRICES = """
import sys
from pymonik import Pymonik, task

@task
def load(name):
    raise AssertionError("nothing runs")

@task
def price(book, day):
    raise AssertionError("nothing runs")

@task
def total(prices):
    raise AssertionError("nothing runs")

print("recording", *sys.argv[1:])
with Pymonik():
    book = load.invoke("book")
    prices = [price.invoke(book, day) for day in range(60)]
    both = total.invoke(prices[:30]), total.invoke(prices[30:])
    print(both[0].get())
    raise AssertionError("the script goes on")
"""
DRAWN = """\
prices.py: as written

  ╭─────────╮
  │ load *  │
  ╰────┬────╯
       │
╭──────┴──────╮
│ price ×60 * │
╰──────┬──────╯
       │
╭──────┴──────╮
│ total ×2 *  │
╰─────────────╯

* its values can be asked for
"""


def test_a_script_is_drawn_as_it_was_written(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "show", "prices.py", prices=PRICES)
    assert done.returncode == 0, done.stderr
    drawing, _, figures = done.stdout.partition("\ncalls ")
    assert drawing == DRAWN
    assert figures.splitlines()[0].split() == ["63"]
    assert done.stderr == "recording\n"


def test_options_after_the_script_that_are_not_ours_are_the_script_s(
    pymonik_command: Command,
) -> None:
    args = ("prices.py", "--days", "3", "-o", "json", "--", "-o", "x")
    done = pymonik_command("graph", "show", *args, prices=PRICES)
    assert done.stderr == "recording --days 3 -o x\n"
    assert json.loads(done.stdout)["pending"] is True


def test_json_has_the_drawing_and_the_figures(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "show", "-o", "json", "prices.py", prices=PRICES)
    shown = json.loads(done.stdout)
    assert [(box["titles"], box["count"]) for box in shown["boxes"]] == [
        (["load"], 1),
        (["price"], 60),
        (["total"], 2),
    ]
    assert shown["links"] == [
        {"source": 0, "target": 1, "values": 1, "kind": "values"},
        {"source": 1, "target": 2, "values": 60, "kind": "values"},
    ]
    figures = shown["figures"]
    assert (figures["calls"], figures["depth"], figures["width"]) == (63, 3, 60)
    assert {kind["kind"] for kind in figures["requests"]} == {"declare", "create", "submit"}
    assert figures["bytes_raw"] > figures["bytes_distinct"] > 0


def test_the_view_of_units_says_how_calls_were_batched(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "show", "--view", "units", "prices.py", prices=PRICES)
    assert "20 units of 3" in done.stdout
    assert "as it will be submitted" in done.stdout


def test_print_after_gives_the_text_of_a_pass(pymonik_command: Command) -> None:
    args = ("--print-after", "vectorize", "--print-after", "batch", "prices.py")
    done = pymonik_command("graph", "show", *args, prices=PRICES)
    assert "after vectorize:\n%0 = load('book') *\n%1 = map[60] price(%0, 0:60) *\n" in done.stdout
    assert "after batch:\n%0 = load('book') *\n%1 = map[60/3] price(%0, 0:60) *\n" in done.stdout


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_script_without_calls_has_nothing_pending(pymonik_command: Command, output: str) -> None:
    done = pymonik_command("graph", "show", "-o", output, "calm.py", calm="print('calm')\n")
    assert done.returncode == 0
    assert "pending" in done.stdout
    assert output == "text" or json.loads(done.stdout)["pending"] is False


def test_a_failing_script_ends_with_1_and_its_own_traceback(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "show", "bad.py", bad="def f():\n    return 1 / 0\n\nf()\n")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert done.stderr.count("File ") == 2


def test_a_script_that_exits_early_ends_with_1(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "show", "end.py", end="raise SystemExit(3)")
    assert done.returncode == 1
    assert "exit code 3" in done.stderr


def test_an_end_that_the_script_catches_is_seen_all_the_same(pymonik_command: Command) -> None:
    source = PRICES.replace(
        "    print(both[0].get())\n",
        "    try:\n        both[0].get()\n    except BaseException:\n        pass\n",
    ).replace('    raise AssertionError("the script goes on")\n', "    both[1].get()\n")
    done = pymonik_command("graph", "show", "prices.py", prices=source)
    assert "price ×60" in done.stdout
    assert done.returncode == 0


def test_a_value_needed_in_a_thread_ends_the_recording(pymonik_command: Command) -> None:
    source = PRICES.replace(
        "    print(both[0].get())\n",
        "    import threading\n"
        "    other = threading.Thread(target=both[0].get)\n"
        "    other.start()\n    other.join()\n    both[0].get()\n",
    )
    done = pymonik_command("graph", "show", "prices.py", prices=source)
    assert "price ×60" in done.stdout


def test_a_module_is_drawn_by_its_name(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "show", "-m", "prices", prices=PRICES)
    assert "price ×60" in done.stdout


def test_a_script_that_is_not_there_is_wrong_usage(pymonik_command: Command) -> None:
    assert pymonik_command("graph", "show", "nowhere.py").returncode == 2


def test_the_client_does_not_import_the_command_line() -> None:
    code = "import sys, pymonik; print({'pymonik.cli', 'pymonik.draw'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=script_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("svg", "<svg "),
        ("html", "<!doctype html>"),
        ("dot", "digraph pymonik {"),
        ("mermaid", "flowchart TD"),
        ("json", '"pymonik-drawing"'),
        ("graphml", "<graphml "),
        ("terminal", "│ price ×60 * │"),
    ],
)
def test_the_drawing_is_printed_in_any_format(
    pymonik_command: Command, form: str, words: str
) -> None:
    done = pymonik_command("graph", "show", "--format", form, "prices.py", prices=PRICES)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout


@pytest.mark.parametrize(("view", "start"), [("logical", 3), ("units", 7)])
def test_the_page_begins_with_what_was_asked_for(
    pymonik_command: Command, view: str, start: int
) -> None:
    args = ("graph", "show", "--format", "html", "--view", view, "prices.py")
    assert f'"start":{start},' in pymonik_command(*args, prices=PRICES).stdout


def test_the_ending_of_a_file_names_the_format(pymonik_command: Command, tmp_path: Path) -> None:
    args = ("prices.py", "--view", "units", "--save", "prices.mmd")
    done = pymonik_command("graph", "show", *args, prices=PRICES)
    assert (done.returncode, done.stdout) == (0, "")
    assert "20 units of 3" in (tmp_path / "prices.mmd").read_text()


def test_an_ending_that_names_no_format_is_wrong_usage(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "show", "prices.py", "--save", "prices.doc", prices=PRICES)
    assert done.returncode == 2
    assert "names no format" in done.stderr


def test_explain_gives_the_reasons(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "show", "--explain", "prices.py", prices=PRICES)
    assert "vectorize: fold calls of equal spec and depth into maps\n" in done.stdout
    assert "  - price: 60 calls in units of 3\n" in done.stdout


def test_open_hands_a_page_to_the_browser(
    pymonik_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER", "echo opened %s")
    done = pymonik_command("graph", "show", "--open", "prices.py", prices=PRICES)
    (opened,) = (line for line in done.stdout.splitlines() if line.startswith("opened file:///"))
    file = Path(opened.removeprefix("opened file://"))
    assert "<!doctype html>" in file.read_text(encoding="utf-8")
    file.unlink()


def test_no_future_of_ours_leaks_into_the_script(pymonik_command: Command) -> None:
    source = "def f(x: int): ...\nassert f.__annotations__ == {'x': int}\n" + PRICES
    done = pymonik_command("graph", "show", "prices.py", prices=source)
    assert done.returncode == 0, done.stderr


FUNCTIONS = """
from pymonik import task

@task
def double(x):
    raise AssertionError("nothing runs")

def twice(x):
    return double.invoke(double.invoke(x))
"""


@pytest.mark.parametrize(("name", "calls"), [("jobs:twice", 2), ("jobs:double", 1)])
def test_a_function_or_a_task_of_a_module_is_drawn(
    pymonik_command: Command, name: str, calls: int
) -> None:
    done = pymonik_command("graph", "show", "-o", "json", name, "7", jobs=FUNCTIONS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["figures"]["calls"] == calls


def test_a_function_that_is_not_there_is_said(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "show", "jobs:thrice", jobs=FUNCTIONS)
    assert done.returncode == 2
    told = " ".join(done.stderr.replace("│", " ").split())
    assert "module 'jobs' has no function 'thrice'. Did you mean 'twice'?" in told
