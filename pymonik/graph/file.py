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

import base64
import json
import zipfile
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from pymonik.capture import Code
from pymonik.content import Content, freeze_buffer
from pymonik.environment import Environment
from pymonik.errors import GraphFileError
from pymonik.graph.fingerprint import (
    Stored,
    content_digest,
    parameters_of,
    parts_of,
    remember,
)
from pymonik.graph.ir import (
    Bundle,
    Const,
    Each,
    Graph,
    Immediates,
    Nested,
    Put,
    Range,
    Recorded,
    Ref,
    Spec,
)
from pymonik.graph.passes import Target, run_passes
from pymonik.options import TaskOptions
from pymonik.plan.home import settled
from pymonik.plan.lower import lower
from pymonik.plan.plan import Plan, Source

FORMAT = 1
_KIND = "pymonik-graph"


def save(plan: Plan, path: str | Path) -> None:
    """Write what a plan was compiled of; raises GraphFileError when it needs earlier values."""
    if plan.source is None:
        raise GraphFileError("this plan does not know what it was compiled of: save the first one")
    writer = _Writer(plan.source)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.writestr("graph.json", json.dumps(writer.data, indent=1))
        for number, (content, _) in enumerate(writer.contents.values()):
            for place, view in enumerate(content.views()):
                name = f"contents/{number}.{place - 1}" if place else f"contents/{number}"
                with archive.open(name, "w", force_zip64=True) as file:
                    file.write(view)


def load(path: str | Path) -> Source:
    """Read a file; raises GraphFileError when it is none, or of another format."""
    try:
        with zipfile.ZipFile(path) as archive:
            data = json.loads(archive.read("graph.json"))
            if (data["kind"], data["format"]) == (_KIND, FORMAT):
                return _Reader(data, archive).source()
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise GraphFileError(f"{path} is no graph that `pymonik graph save` wrote") from error
    found = data["format"]
    raise GraphFileError(
        f"{path} has format {found!r}, this PymoniK reads {FORMAT}: use the one that wrote it"
    )


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


class _Writer:
    """Numbers specs, nodes and contents in the order met."""

    def __init__(self, source: Source) -> None:
        # With the number of holes in each.
        self.contents: dict[int, tuple[Content, int]] = {}
        self.numbers: dict[int, int] = {}
        self.specs: dict[int, int] = {}
        self.places: dict[int, int] = {}
        graph: Graph = source.graph
        self.data: dict[str, Any] = {
            "kind": _KIND,
            "format": FORMAT,
            "target": {"slots": source.target.slots, "chunk_size": source.target.chunk_size},
            "optimize": source.optimize,
            "partitions": source.partitions,
            "specs": [],
            "nodes": [],
        }
        for node in graph.nodes:
            self._append(node)
        self.data["contents"] = [
            {"size": c.size, "buffers": len(c.buffers), "digest": content_digest(c, slots)}
            for c, slots in self.contents.values()
        ]

    def _append(self, node: Any) -> int:
        entry = self._node(node)
        place = self.places[id(node)] = len(self.data["nodes"])
        self.data["nodes"].append(entry)
        return place

    def _node(self, node: Any) -> dict[str, Any]:
        if isinstance(node, Put):
            return {"put": self._content(node.content), "label": node.label, "site": node.where}
        slots = map(self._slot, node.args) if node.n is None else map(self._column, node.args)
        return {
            "spec": self._spec(node.spec),
            "n": node.n,
            "args": list(slots),
            "site": node.where,
            "wanted": node.wanted,
            "label": node.label,
        }

    def _spec(self, spec: Spec) -> int:
        if id(spec) not in self.specs:
            self.specs[id(spec)] = len(self.specs)
            environment: Environment | None = spec.environment
            self.data["specs"].append(
                {
                    "name": spec.name,
                    "code": self._content(spec.code.content),
                    "delegates": spec.code.delegates,
                    "fingerprint": parts_of(spec.code.function),
                    "parameters": parameters_of(spec.code.function, spec.context),
                    "width": spec.width,
                    "keywords": spec.keywords,
                    "pure": spec.pure,
                    "context": spec.context,
                    "options": self._options(spec.options),
                    "environment": environment and environment.to_wire(),
                }
            )
        return self.specs[id(spec)]

    def _options(self, options: TaskOptions) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for field in fields(options):
            value = getattr(options, field.name)
            if isinstance(value, timedelta):
                value = value.total_seconds()
            if field.name == "retry_on" and value is not None:
                from pymonik import pickling

                value = self._content(Content(pickling.freeze(value)[0]))
            if value is not None:
                given[field.name] = value
        return given

    def _content(self, content: Content, slots: int = 0) -> int:
        if id(content) not in self.numbers:
            self.numbers[id(content)] = len(self.contents)
            self.contents[id(content)] = (content, slots)
        return self.numbers[id(content)]

    def _place(self, node: Any) -> int:
        place = self.places.get(id(node))
        if place is None and isinstance(node, Put):  # one without a name is in no graph
            place = self._append(node)
        if place is None:
            raise GraphFileError(
                "the graph uses values of an earlier submission, which no file can hold: record "
                "all of it in one submission, or pass the values themselves"
            )
        return place

    def _column(self, column: Any) -> dict[str, Any]:
        if isinstance(column, Range):
            return {"range": [self._place(column.node), column.start, column.step]}
        if isinstance(column, Const):
            return {"const": self._slot(column.value)}
        name = "immediates" if isinstance(column, Immediates) else "each"
        return {name: list(map(self._slot, column.values))}

    def _slot(self, slot: Any) -> Any:
        if isinstance(slot, Content):
            return {"content": self._content(slot)}
        if isinstance(slot, Ref) and isinstance(slot.node, Put):
            return {"content": self._content(slot.node.content)}
        if isinstance(slot, Ref):
            return {"ref": [self._place(slot.node), slot.index]}
        if isinstance(slot, Bundle):
            runs = [[self._place(node), r.start, r.stop, r.step] for node, r in slot.runs]
            return {"bundle": runs}
        if isinstance(slot, Nested):
            own = self._content(slot.content, len(slot.slots))
            return {"nested": [own, list(map(self._slot, slot.slots))]}
        return self._immediate(slot)

    def _immediate(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return {"tuple": list(map(self._immediate, value))}
        if isinstance(value, bytes):
            return {"bytes": base64.b64encode(value).decode()}
        if isinstance(value, complex):
            return {"complex": [value.real, value.imag]}
        return {"ellipsis": True} if value is ... else value


class _Reader:
    """Makes nodes again, in the order in which they were written."""

    def __init__(self, data: dict[str, Any], archive: zipfile.ZipFile) -> None:
        self.data = data
        self.contents = [
            Content(
                archive.read(f"contents/{number}"),
                [
                    freeze_buffer(memoryview(archive.read(f"contents/{number}.{place}")))
                    for place in range(entry["buffers"])
                ],
            )
            for number, entry in enumerate(data["contents"])
        ]
        for content, entry in zip(self.contents, data["contents"]):
            remember(content, entry["digest"])
        self.specs = [self._spec(entry) for entry in data["specs"]]
        self.nodes: list[Any] = []
        # One object for equal immediates, as a constant in a loop is: so they fold as they did.
        self.immediates: dict[tuple[type, str], Any] = {}

    def source(self) -> Source:
        for entry in self.data["nodes"]:
            self.nodes.append(self._node(entry))
        target, optimize = Target(**self.data["target"]), self.data["optimize"]
        chosen = optimize if isinstance(optimize, bool) else tuple(optimize)
        nameless = [n for n in self.nodes if isinstance(n, Put) and n.label is None]
        graph = Graph(tuple(node for node in self.nodes if node not in nameless), {})
        return Source(graph, target, chosen, tuple(self.data["partitions"]))

    def _spec(self, entry: dict[str, Any]) -> Spec:
        content = self.contents[entry["code"]]
        code = Code.of_content(content)
        parameters = tuple(entry["parameters"])
        code.function = Stored(content.load, entry["fingerprint"], parameters)
        code.delegates = entry["delegates"]
        options = dict(entry["options"])
        if "retry_on" in options:
            options["retry_on"] = self.contents[options["retry_on"]].load()
        wire = entry["environment"]
        return Spec(
            entry["name"],
            code,
            entry["width"],
            TaskOptions(**options),
            tuple(entry["keywords"]),
            entry["pure"],
            entry["context"],
            None if wire is None else Environment.from_wire(_tuples(wire)),
        )

    def _node(self, entry: dict[str, Any]) -> Any:
        if "put" in entry:
            put = Put(self.contents[entry["put"]], entry["label"], entry["site"])
            put.home = settled(put.content)
            return put
        n = entry["n"]
        read = self._slot if n is None else self._column
        args = tuple(map(read, entry["args"]))
        node = Recorded(self.specs[entry["spec"]], args, n, entry["site"], 0)
        node.label = entry["label"]
        if entry["wanted"]:
            node.anchor = lambda: node  # type: ignore[assignment]
        return node

    def _column(self, column: dict[str, Any]) -> Any:
        ((kind, value),) = column.items()
        if kind == "range":
            return Range(self.nodes[value[0]], value[1], value[2])
        if kind == "const":
            return Const(self._slot(value))
        return {"immediates": Immediates, "each": Each}[kind](list(map(self._slot, value)))

    def _slot(self, slot: Any) -> Any:
        if not isinstance(slot, dict):
            return self.immediates.setdefault((type(slot), repr(slot)), slot)
        ((kind, value),) = slot.items()
        if kind == "content":
            return self.contents[value]
        if kind == "ref":
            return Ref(self.nodes[value[0]], value[1])
        if kind == "bundle":
            return Bundle(tuple((self.nodes[n], range(a, b, c)) for n, a, b, c in value))
        if kind == "nested":
            return Nested(self.contents[value[0]], tuple(map(self._slot, value[1])))
        if kind == "tuple":
            made = tuple(map(self._slot, value))
            return self.immediates.setdefault((tuple, repr(made)), made)
        if kind == "bytes":
            return base64.b64decode(value)
        return complex(*value) if kind == "complex" else ...


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
