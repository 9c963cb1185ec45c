"""Writing a graph as plain data: the JSON of a file, and the contents that stand beside it.

Enters: what a plan was compiled of. Leaves: `data` for JSON, in the shape that `file` documents,
and `contents` by number.
"""

from __future__ import annotations

import base64
import math
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pymonik.capture.fingerprint import content_digest, parameters_of, parts_of
from pymonik.capture.freeze import pickled_types
from pymonik.errors import GraphFileError
from pymonik.foreign import without_credentials
from pymonik.graph.columns import Const, Immediates, ListOf, Range, Ref, Template
from pymonik.graph.ir import CallSpec, External, Graph, Put
from pymonik.plan.plan import Source
from pymonik.values.content import Content
from pymonik.values.options import TaskOptions, names_of

if TYPE_CHECKING:
    from pymonik.environment.value import Environment

KIND, FORMAT = "pymonik-graph", 2
# Python writes no longer numbers in decimals, as JSON does (its limit is 4 300 digits).
_BITS = 14_000


def brief(source: Source) -> dict[str, Any]:
    """Return a graph as plain data without its contents: enough to draw, price and compare it.

    Raises GraphFileError when it needs earlier values.
    """
    return Writer(source, is_brief=True).data


class Writer:
    """Numbers specs, nodes and contents in the order met.

    is_brief: for the record of a run. Versions of packages are left out, and contents that would
    have to be loaded to be known have the digest "".
    """

    def __init__(self, source: Source, is_brief: bool = False) -> None:
        self.is_brief = is_brief
        # With the number of holes in each.
        self.contents: dict[int, tuple[Content, int]] = {}
        self.numbers: dict[int, int] = {}
        self.specs: dict[int, int] = {}
        self.places: dict[int, int] = {}
        self.folders: dict[str, Content] = {}
        # The numbers of values of variables, by name.
        self.values: dict[str, dict[str, int]] = {}
        graph: Graph = source.graph
        self.data: dict[str, Any] = {
            "kind": KIND,
            "format": FORMAT,
            "target": {
                "slots": source.target.slots,
                "chunk_size": source.target.chunk_size,
                "known": dict(source.target.known),
            },
            "optimize": source.optimize,
            "partitions": source.partitions,
            "seed": source.seed,
            "specs": [],
            "nodes": [],
        }
        for node in graph.nodes:
            self._append(node)
        self.data["contents"] = [
            {"size": c.size, "buffers": len(c.buffers), "digest": self._digest(c, slots)}
            for c, slots in self.contents.values()
        ]

    def _digest(self, content: Content, slots: int) -> str:
        if not self.is_brief:
            return content_digest(content, slots)
        travels = content.has_definitions or b"cloudpickle" in content.data
        return "" if travels else content.digest.hex()

    def _append(self, node: Any) -> int:
        entry = self._node(node)
        place = self.places[id(node)] = len(self.data["nodes"])
        self.data["nodes"].append(entry)
        return place

    def _node(self, node: Any) -> dict[str, Any]:
        if isinstance(node, Put):
            return {"put": self._content(node.content), "label": node.label, "site": node.where}
        if isinstance(node, External):
            return {"external": node.name, "n": node.n}
        slots = map(self._slot, node.args) if node.n is None else map(self._column, node.args)
        return {
            "spec": self._spec(node.spec),
            "n": node.n,
            "args": list(slots),
            "site": node.where,
            "wanted": node.wanted,
            "label": node.label,
            "place": node.place,
        }

    def _spec(self, spec: CallSpec) -> int:
        if id(spec) not in self.specs:
            self.specs[id(spec)] = len(self.specs)
            environment: Environment | None = spec.environment
            modules = spec.snapshot.content() if spec.snapshot is not None else None
            self.data["specs"].append(
                {
                    "name": spec.name,
                    "code": self._content(spec.code.content),
                    "delegates": spec.delegates,
                    "fingerprint": parts_of(spec.code.function, not self.is_brief),
                    "parameters": parameters_of(spec.code.function, spec.context),
                    "width": spec.width,
                    "keywords": spec.keywords,
                    "pure": spec.pure,
                    "context": spec.context,
                    "options": self._options(spec.options),
                    "retry_on": names_of(spec.options.retry_on),
                    "environment": environment and self._environment(environment),
                    "folder": self._folder(environment),
                    "root": spec.root.hex(),
                    "modules": None if modules is None else self._content(modules),
                }
            )
        return self.specs[id(spec)]

    def _environment(self, environment: Environment) -> list[Any]:
        """Return what is demanded, without what opens doors: values of variables, credentials.

        A variable stands with the number of its value, so that equal names of others stay apart.
        """
        version, packages, variables, *rest = environment.to_wire()
        numbers = []
        for name, value in variables:
            numbered = self.values.setdefault(name, {})
            numbers.append([name, numbered.setdefault(value, len(numbered))])
        return [version, list(map(without_credentials, packages)), numbers, *rest]

    def _folder(self, environment: Environment | None) -> int | None:
        """Return the working folder of an environment as it is now: it may be gone when it runs."""
        if self.is_brief or not environment or not environment.working_hash:
            return None
        content = self.folders.get(environment.working_hash)
        if content is None:
            from pymonik.files.materialize import content_of_bytes

            content = self.folders[environment.working_hash] = content_of_bytes(
                environment.archive()
            )
        return self._content(content)

    def _options(self, options: TaskOptions) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for field in fields(options):
            value = getattr(options, field.name)
            if isinstance(value, timedelta):
                value = value.total_seconds()
            if field.name == "retry_on" and value is not None:
                value = self._content(pickled_types(value))
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
        if place is None and isinstance(node, (Put, External)):  # without a name: in no graph
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
        if isinstance(slot, ListOf):
            runs = [[self._place(node), r.start, r.stop, r.step] for node, r in slot.runs]
            return {"bundle": runs}
        if isinstance(slot, Template):
            own = self._content(slot.content, len(slot.slots))
            return {"nested": [own, list(map(self._slot, slot.slots))]}
        return self._immediate(slot)

    def _immediate(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return {"tuple": list(map(self._immediate, value))}
        if type(value) is int and value.bit_length() > _BITS:
            return {"int": hex(value)}
        if type(value) is float and not math.isfinite(value):  # no numbers of JSON
            return {"float": value.hex()}
        if isinstance(value, bytes):
            return {"bytes": base64.b64encode(value).decode()}
        if isinstance(value, complex):
            return {"complex": [self._immediate(value.real), self._immediate(value.imag)]}
        return {"ellipsis": True} if value is ... else value
