"""Reading a graph from plain data: what `encode` wrote.

Enters: the JSON of a file, and the archive that holds the contents, or none: then others as large
stand for them. Leaves: a `Source`. No pickle is loaded, but the exception types of `retry_on`.
"""

from __future__ import annotations

import base64
import zipfile
from dataclasses import replace
from typing import Any

from pymonik.capture.fingerprint import Stored, remember
from pymonik.capture.function import Code
from pymonik.capture.snapshot import Edition
from pymonik.environment.value import Environment
from pymonik.graph.columns import Bundle, Const, Each, Immediates, Nested, Range, Ref
from pymonik.graph.ir import Graph, Put, Recorded, Spec
from pymonik.graph.target import Target
from pymonik.humanize import literal
from pymonik.plan.plan import Source
from pymonik.values.content import Content, freeze_buffer
from pymonik.values.options import TaskOptions
from pymonik.values.outputs import settled


class Reader:
    """Makes nodes again, in the order in which they were written."""

    def __init__(self, data: dict[str, Any], archive: zipfile.ZipFile | None) -> None:
        self.data = data
        self.archive = archive
        self.contents = [
            self._content(number, entry) for number, entry in enumerate(data["contents"])
        ]
        for content, entry in zip(self.contents, data["contents"]):
            remember(content, entry["digest"])
        self.editions: dict[int, Edition] = {}
        self.specs = [self._spec(entry) for entry in data["specs"]]
        self.nodes: list[Any] = []
        # One object for equal immediates, as a constant in a loop is: so they fold as they did.
        self.immediates: dict[tuple[type, str], Any] = {}

    def _content(self, number: int, entry: dict[str, Any]) -> Content:
        if self.archive is None:
            # No two are equal, unless what they stand for was.
            name = (entry["digest"] or f"{number:040}").encode()[: entry["size"]]
            return Content(name.ljust(entry["size"], b"."))
        buffers = [
            freeze_buffer(memoryview(self.archive.read(f"contents/{number}.{place}")))
            for place in range(entry["buffers"])
        ]
        return Content(self.archive.read(f"contents/{number}"), buffers)

    def source(self) -> Source:
        for entry in self.data["nodes"]:
            self.nodes.append(self._node(entry))
        target, optimize = Target(**self.data["target"]), self.data["optimize"]
        chosen = optimize if isinstance(optimize, bool) else tuple(optimize)
        nameless = [n for n in self.nodes if isinstance(n, Put) and n.label is None]
        graph = Graph(tuple(node for node in self.nodes if node not in nameless), {})
        partitions, seed = tuple(self.data["partitions"]), self.data.get("seed")
        return Source(graph, target, chosen, partitions, seed)

    def _spec(self, entry: dict[str, Any]) -> Spec:
        content = self.contents[entry["code"]]
        code = Code.of_content(content)
        parameters = tuple(entry["parameters"])
        code.function = Stored(content.load, entry["fingerprint"], parameters)
        code.delegates = entry["delegates"]
        options = dict(entry["options"])
        if self.archive is None:
            options.pop("retry_on", None)
        elif "retry_on" in options:
            options["retry_on"] = self.contents[options["retry_on"]].load()
        return Spec(
            entry["name"],
            code,
            entry["width"],
            TaskOptions(**options),
            tuple(entry["keywords"]),
            entry["pure"],
            entry["context"],
            self._environment(entry),
            self._edition(entry.get("modules")),
            root=bytes.fromhex(entry.get("root", "")),
        )

    def _environment(self, entry: dict[str, Any]) -> Environment | None:
        if entry["environment"] is None:
            return None
        environment = Environment.from_wire(_tuples(entry["environment"]))
        folder = entry.get("folder")
        if folder is None:
            return environment
        return replace(environment, archived=bytes(self.contents[folder].views()[1]))

    def _edition(self, number: int | None) -> Edition | None:
        """Give the edition of a content, one for all: calls of one share units."""
        if number is not None and number not in self.editions:
            self.editions[number] = Edition.of_content(self.contents[number])
        return None if number is None else self.editions[number]

    def _node(self, entry: dict[str, Any]) -> Any:
        if "put" in entry:
            put = Put(self.contents[entry["put"]], entry["label"], entry["site"])
            put.home = settled(put.content)
            return put
        n = entry["n"]
        read = self._slot if n is None else self._column
        args = tuple(map(read, entry["args"]))
        node = Recorded(self.specs[entry["spec"]], args, n, entry["site"], 0)
        label = entry["label"]
        if isinstance(label, dict):  # the keys of JSON are texts
            label = {int(index): name for index, name in label.items()}
        node.label, node.place = label, entry.get("place")
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
            return self.immediates.setdefault((type(slot), literal(slot)), slot)
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
            return self.immediates.setdefault((tuple, literal(made)), made)
        if kind == "int":
            return int(value, 16)
        if kind == "bytes":
            return base64.b64decode(value)
        return complex(*value) if kind == "complex" else ...


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
