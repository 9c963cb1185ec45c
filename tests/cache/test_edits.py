"""A cached value is never that of other code: random programs are edited in one place.

`make edits` tries 500 edits; PYMONIK_EDITS and PYMONIK_EDITS_SEED say how many, and which.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import script_environment

EDITS = int(os.environ.get("PYMONIK_EDITS", "15"))
SEED = int(os.environ.get("PYMONIK_EDITS_SEED", "1"))
ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(max(540, 8 * EDITS))
def test_no_edit_is_answered_with_the_value_of_before(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.cache.law", f"--edits={EDITS}", f"--seed={SEED}"]
    env = {**script_environment(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["edits"] >= EDITS
    assert (told["stale"], told["odd"], told["lost"]) == ([], [], [])
    print(f"{told['edits']} edits changed a value: 0 stale; {told['silent']} changed none")
