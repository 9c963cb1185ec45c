"""What tasks need: packages, variables, a Python; declared, checked, built."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    # `Environment.parse` is how the first version called `environment.parse.parse`.
    if name != "Environment":
        raise AttributeError(f"module 'pymonik.environment' has no attribute {name!r}")
    from pymonik.environment.parse import parse
    from pymonik.environment.value import Environment

    globals()[name] = Environment
    type.__setattr__(Environment, "parse", staticmethod(parse))
    return Environment
