"""What a task needs to record calls, and not to be defined: see `Task`, which loads it late."""

from __future__ import annotations

from pymonik.graph.columns import Const
from pymonik.record.builtin_tasks import builtin, call_row, call_row_in, calling
from pymonik.record.call_layout import laid_out
from pymonik.record.handle import ResultHandle
from pymonik.record.map_arguments import Elements
from pymonik.record.together import captured

__all__ = [
    "Const",
    "Elements",
    "ResultHandle",
    "builtin",
    "call_row",
    "call_row_in",
    "calling",
    "captured",
    "laid_out",
]
