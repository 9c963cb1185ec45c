"""Names of late modules are those of the module, which is loaded by the first of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pymonik.system.late_module import LateModule


def test_a_module_is_loaded_by_its_first_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "met_late.py").write_text("VALUE = [1]\n")
    monkeypatch.syspath_prepend(tmp_path)
    late = LateModule("met_late")
    assert "met_late" not in sys.modules
    value = late.VALUE
    assert value is sys.modules.pop("met_late").VALUE
    assert late.VALUE is value  # it stays, and nothing is loaded again
    assert "met_late" not in sys.modules


def test_a_name_that_is_not_there_is_missed_as_in_the_module() -> None:
    with pytest.raises(AttributeError, match="module 'sys' has no attribute 'nowhere'"):
        LateModule("sys").nowhere  # noqa: B018  # looked up


def test_what_records_calls_is_loaded_when_an_executor_has_been_started() -> None:
    code = """
import subprocess, sys
from pymonik import Pymonik, task

def graphs():
    return [name for name in sys.modules if name.startswith(("pymonik.graph", "pymonik.capture"))]

class Started(subprocess.Popen):
    def __init__(self, *args, **keywords):
        super().__init__(*args, **keywords)
        seen.append(graphs())

seen, subprocess.Popen = [], Started

@task
def double(x):
    return 2 * x

with Pymonik(workers=1):
    assert double.invoke(21).get() == 42
print(seen[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
