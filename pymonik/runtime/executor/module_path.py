"""Where a task imports from: what it has added there is gone when it ends.

Enters: `sys.path` as calls are to find it. Leaves: the same, after each call.
"""

from __future__ import annotations

import os
import sys

# What lies in one of these is of a package that is installed: it adds folders of its own when it is
# imported, which happens once in a process.
_INSTALLED = (f"site-packages{os.sep}", f"dist-packages{os.sep}")


class ModulePath:
    """`sys.path` as it was when this was made."""

    def __init__(self) -> None:
        self._list = sys.path
        self._entries = list(sys.path)

    def is_changed(self) -> bool:
        """Return whether it was changed, at the price of two comparisons: asked after each call."""
        return sys.path is not self._list or len(sys.path) != len(self._entries)

    def put_back(self) -> None:
        """Put it back, but for what packages have added inside themselves."""
        if sys.path is self._list and sys.path == self._entries:
            return
        added = [entry for entry in sys.path if entry not in self._entries]
        self._entries += [one for one in added if any(part in str(one) for part in _INSTALLED)]
        self._list[:] = self._entries
        sys.path = self._list
