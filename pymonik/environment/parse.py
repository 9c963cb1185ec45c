"""What a user wrote as an environment becomes its value.

Enters: the mapping given to `environment=`, or nothing. Leaves: an `Environment`. Light to import;
what checks a description, pydantic among it, is imported when there is something to check.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from pymonik.environment.value import Environment

Spec = Union["Environment", Mapping[str, Any], None]


def parse(spec: Spec, base: str | os.PathLike[str] | None = None) -> Environment:
    """Check a description and return its value.

    base: where relative paths start (the current directory).
    Raises `EnvironmentSpecError`, a `ValueError`, naming every key, package or type that is wrong.

        >>> parse({"pip": ["NumPy", ("scipy", ">=1.11")], "python": ">=3.10"})
        Environment(numpy, scipy>=1.11, python>=3.10)
    """
    from pymonik.environment.value import Environment

    if isinstance(spec, Environment):
        return spec
    if spec is None or spec == {}:
        return Environment()
    from pymonik.environment.spec import read

    return read(spec, base)


def environment_of(given: Any) -> Environment | None:
    """Return the `Environment` that `environment=` asks for, None when it asks for nothing."""
    return None if given is None or given == {} else parse(given)
