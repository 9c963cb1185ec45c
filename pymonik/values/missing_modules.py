"""Modules that a worker lacks, and the user has: what lets them go there.

Enters: the name that could not be imported. Leaves: a sentence, where the module is found here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sysconfig
from pathlib import PurePath
from typing import Any

# Folders of what was installed: of this Python, of the user, of the system.
_INSTALLED = {"site-packages", "dist-packages"}


def hint_for_missing(name: Any) -> str:
    """Return what is to be done about a module that was not found; "" where it is not here either.

    name: what the error says, which may be anything. Of a module in a package the package was
    found: nothing is said of it.
    """
    if not isinstance(name, str) or "." in name or name in ("", "__main__", "__mp_main__"):
        return ""
    spec = None
    with contextlib.suppress(Exception):  # of finders that others have installed
        spec = importlib.util.find_spec(name)
    if spec is None:
        return ""
    file = (
        spec.origin if spec.has_location else next(iter(spec.submodule_search_locations or ()), "")
    )
    if not file:
        return ""
    paths = sysconfig.get_paths()
    if not _INSTALLED.isdisjoint(PurePath(file).parts):
        return (
            f"the module {name!r} is installed here, but not there: name its package in "
            "environment="
        )
    if file.startswith((paths["stdlib"], paths["platstdlib"])):
        return ""
    return (
        f"the module {name!r} is here ({file}), but not there: it lies neither beside the script, "
        "nor below the working folder, nor in a folder that the script has put on sys.path. "
        f"Set PYMONIK_LOCAL_MODULES={name} to send it along"
    )
