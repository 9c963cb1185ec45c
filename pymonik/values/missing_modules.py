"""Modules that a worker lacks, and the user has: what lets them go there.

Enters: the name that could not be imported. Leaves: a sentence, where the module is found here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sysconfig


def hint_for_missing(name: str | None) -> str:
    """Return what is to be done about a module that was not found; "" where it is not here either.

    Only the outermost package is looked for: what is inside could not be found without an import.
    """
    root = (name or "").partition(".")[0]
    spec = None
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(root) if root else None
    if spec is None or root in ("__main__", "__mp_main__"):
        return ""
    file = (
        spec.origin if spec.has_location else next(iter(spec.submodule_search_locations or ()), "")
    )
    if not file:
        return ""
    paths = sysconfig.get_paths()
    if file.startswith((paths["purelib"], paths["platlib"])):
        return f"{root!r} is installed here, and not there: name its package in environment="
    if file.startswith((paths["stdlib"], paths["platstdlib"])):
        return ""
    return (
        f"{root!r} is here, {file}, and not there: it lies neither beside the script nor below the "
        f"working folder. PYMONIK_LOCAL_MODULES={root} lets it travel"
    )
