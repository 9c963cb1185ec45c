"""Tasks that several tests of clusters call."""

from __future__ import annotations

from typing import Any

from pymonik import task


@task
def fail(text: str) -> Any:
    raise ValueError(text)


@task
def fail_behind(path: str) -> Any:
    with open(path):
        pass
    raise ValueError("behind the gate")
