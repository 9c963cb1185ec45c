"""Rows of cases of which each shows at length what the first show: seeds, formats, sizes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def shortened(cases: Iterable[Any], shown: int = 1) -> list[Any]:
    """Return the cases for `parametrize`: all but the first `shown` are thorough."""
    return [
        case if place < shown else pytest.param(case, marks=pytest.mark.thorough)
        for place, case in enumerate(cases)
    ]
