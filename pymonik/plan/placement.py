"""Placement: what a cluster is told of options, and of the program that submits.

Enters: the options of a task. Leaves: texts that a control plane can store, and that operators see.
"""

from __future__ import annotations

import os
import sys

from pymonik.plan.requests import APPLICATION, Placement
from pymonik.values.foreign import storable
from pymonik.values.options import TaskOptions


def placement_of(options: TaskOptions, unit: str = "", application: str = "") -> Placement:
    """Return what a cluster is sent of options.

    unit, application: what the task runs, and in which program: an operator finds it where a user
    has named no application.
    """
    name, version = options.application_name or "", options.application_version or ""
    namespace, service = options.application_namespace or "", options.application_service or ""
    if application and not (name or version or namespace or service):
        name, namespace, service = application, APPLICATION, unit
    return Placement(
        storable(options.partition_id or ""),
        options.priority or 1,
        storable(name),
        storable(version),
        storable(namespace),
        storable(service),
        storable(options.engine_type or ""),
        tuple(sorted((storable(k), storable(v)) for k, v in (options.options or {}).items())),
    )


def application() -> str:
    """Return the name of the program that runs, for tools that list the tasks of a cluster."""
    script = os.path.basename(getattr(sys.modules.get("__main__"), "__file__", None) or "")
    return storable(script.removesuffix(".py") or "python")
