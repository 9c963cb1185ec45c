"""Graphs as files: what was recorded, to look at, compare and submit later, elsewhere.

Enters: a plan that knows what it was compiled of. Leaves: a file, and from a file a `Source` that
compiles to the same plan. A file is a zip archive:

    graph.json      what `Writer` gives; its field "format" is 2, and grows when the shape changes
    contents/N      the pickle of content N, never loaded before it runs
    contents/N.K    its out-of-band buffer K

Looking at a file runs nothing of it. Values of variables of an environment are not in it, nor are
credentials of URLs: who submits the graph has them.

A slot value in the JSON is an immediate as it is; or an object with one key: `tuple`, `bytes` (in
base 64), `int` and `float` (in hexadecimal: of too many digits, or not finite), `complex` (two
floats), `ellipsis`; `content` (a number), `ref` (node and index), `bundle` (nodes with start, stop,
step), `nested` (a content and its slots). A column is `const`, `immediates`, `each` (with slot
values) or `range` (node, start, step).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pymonik.analysis import archive
from pymonik.analysis.decode import Reader
from pymonik.analysis.encode import FORMAT, KIND, Writer
from pymonik.analysis.session.file import is_tasks_file
from pymonik.environment.withheld import without_secrets
from pymonik.errors import GraphError, GraphFileError, OptionsError
from pymonik.graph.passes import run_passes
from pymonik.plan.lower import lower
from pymonik.plan.plan import Plan, Source
from pymonik.values.foreign import harmless


def save(plan: Plan, path: str | Path) -> None:
    """Write what a plan was compiled of; raises GraphFileError when it needs earlier values."""
    if plan.source is None:
        raise GraphFileError(
            "this plan has lost the graph it was compiled from: save the first plan"
        )
    writer = Writer(plan.source)
    with archive.created(path) as file:
        file.writestr("graph.json", json.dumps(writer.data, indent=1))
        for number, (content, _) in enumerate(writer.contents.values()):
            for place, view in enumerate(content.views()):
                name = f"contents/{number}.{place - 1}" if place else f"contents/{number}"
                with file.open(name, "w", force_zip64=True) as entry:
                    entry.write(without_secrets(view))


def load(path: str | Path, variables: Mapping[str, str] | None = None) -> Source:
    """Read a file; raises GraphFileError when it is none, or of another format.

    variables: those of this process, for a graph that is to run; else it can be looked at only.
    """
    if is_tasks_file(str(path)):
        raise GraphFileError(
            f"{path} holds only the wiring of a session, without arguments and code: it can be "
            "shown, priced, checked and compared, but not run; only a graph saved from a script "
            "can run"
        )
    with archive.opened(path, "graph") as file:
        data = file.json("graph.json")
        if (data["kind"], data["format"]) == (KIND, FORMAT):
            return Reader(data, file, variables).source()
        if data["kind"] != KIND:
            raise ValueError("of another kind")
        raise GraphFileError(
            f"{path} has format {data['format']!r:.40}, this PymoniK reads {FORMAT}: read it "
            "with the version of PymoniK that wrote it"
        )


def of_brief(data: dict[str, Any]) -> Source:
    """Return what `encode.brief` wrote: it can be compiled, but not run; raises GraphFileError."""
    try:
        if data["format"] != FORMAT:
            raise GraphFileError(
                "its graph was saved by another version of PymoniK, and cannot be read"
            )
        return Reader(data, None).source()
    except GraphFileError:
        raise
    except archive.MALFORMED as error:
        raise GraphFileError("its graph is not in the form that PymoniK writes") from error


def compiled(source: Source) -> Plan:
    """Compile what was recorded: the same source gives the same plan; raises GraphFileError.

    What was read is sound by itself; that a pass cannot make sense of it is still for its file to
    answer for.
    """
    try:
        plan = lower(run_passes(source.graph, source.target, source.optimize))
    except (GraphError, OptionsError, *archive.MALFORMED) as error:
        raise GraphFileError(f"this graph cannot be compiled: {harmless(str(error))}") from error
    return replace(plan, source=source)


def is_file(path: str) -> bool:
    """Return whether a path is a graph's file, also one that is damaged."""
    return archive.holds(path, "graph.json") or archive.is_broken(path)
