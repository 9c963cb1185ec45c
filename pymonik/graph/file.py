"""Graphs as files: what was recorded, to look at, compare and submit later, elsewhere.

Enters: a plan that knows what it was compiled of. Leaves: a file, and from a file a `Source` that
compiles to the same plan. A file is a zip archive:

    graph.json      what `to_data` gives; its field "format" is 1, and grows when the shape changes
    contents/N      the pickle of content N, never loaded before it runs
    contents/N.K    its out-of-band buffer K

A slot value in the JSON is an immediate as it is; or an object with one key: `tuple`, `bytes` (in
base 64), `complex`, `ellipsis`; `content` (a number), `ref` (node and index), `bundle` (nodes with
start, stop, step), `nested` (a content and its slots). A column is `const`, `immediates`, `each`
(with slot values) or `range` (node, start, step).
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from pymonik.errors import GraphFileError
from pymonik.graph.decode import Reader
from pymonik.graph.encode import FORMAT, KIND, Writer
from pymonik.graph.passes import run_passes
from pymonik.graph.tasks_file import is_tasks_file
from pymonik.plan.lower import lower
from pymonik.plan.plan import Plan, Source


def save(plan: Plan, path: str | Path) -> None:
    """Write what a plan was compiled of; raises GraphFileError when it needs earlier values."""
    if plan.source is None:
        raise GraphFileError("this plan does not know what it was compiled of: save the first one")
    writer = Writer(plan.source)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.writestr("graph.json", json.dumps(writer.data, indent=1))
        for number, (content, _) in enumerate(writer.contents.values()):
            for place, view in enumerate(content.views()):
                name = f"contents/{number}.{place - 1}" if place else f"contents/{number}"
                with archive.open(name, "w", force_zip64=True) as file:
                    file.write(view)


def load(path: str | Path) -> Source:
    """Read a file; raises GraphFileError when it is none, or of another format."""
    if is_tasks_file(str(path)):
        raise GraphFileError(
            f"{path} holds the wiring of what ran, without arguments and code: it can be shown, "
            "priced, checked and compared, and only a graph saved of a script can run"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            data = json.loads(archive.read("graph.json"))
            if (data["kind"], data["format"]) == (KIND, FORMAT):
                return Reader(data, archive).source()
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise GraphFileError(f"{path} is no graph that `pymonik graph save` wrote") from error
    found = data["format"]
    raise GraphFileError(
        f"{path} has format {found!r}, this PymoniK reads {FORMAT}: use the one that wrote it"
    )


def brief(source: Source) -> dict[str, Any]:
    """Give a graph as plain data without its contents: enough to draw, price and compare it.

    Raises GraphFileError when it needs earlier values.
    """
    return Writer(source, is_brief=True).data


def of_brief(data: dict[str, Any]) -> Source:
    """Give what `brief` wrote: it can be compiled, but not run."""
    return Reader(data, None).source()


def compiled(source: Source) -> Plan:
    """Compile what was recorded: the same source gives the same plan."""
    plan = lower(run_passes(source.graph, source.target, source.optimize))
    return replace(plan, source=source)


def is_file(path: str) -> bool:
    """Tell whether a path is a graph's file."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "graph.json" in archive.namelist()
