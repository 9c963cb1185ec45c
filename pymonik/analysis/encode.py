"""Writing a graph as plain data: the JSON of a file, and the contents that stand beside it.

Enters: what a plan was compiled of. Leaves: `data` for JSON, in the shape that `file` documents,
and `contents` by number.
"""

from __future__ import annotations

import binascii
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from pymonik.capture.definitions.namespaces import holds_code
from pymonik.capture.freeze import pickled_types
from pymonik.capture.text.fingerprint import content_digest, parameters_of, parts_of
from pymonik.errors import GraphFileError
from pymonik.graph.arguments import visit_arguments
from pymonik.graph.ir import CallSpec, External, Graph, Put
from pymonik.graph.verbs import visit
from pymonik.graph.visitors import NodeRun
from pymonik.plan.plan import Source
from pymonik.system.structs import field_names
from pymonik.values.content import Content
from pymonik.values.foreign import without_credentials
from pymonik.values.options import TaskOptions, names_of

if TYPE_CHECKING:
    from pymonik.environment.value import Environment

# What a file says that it is; the number is raised when files of before are not read any more.
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
        self.aliases = graph.aliases
        self.data: dict[str, Any] = {
            "kind": KIND,
            "format": FORMAT,
            "target": {
                "slots": source.target.slots,
                "chunk_size": source.target.chunk_size,
                "known": dict(source.target.durations),
                "isolates_delegating": source.target.isolates_delegating,
                "grain": source.target.grain,
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
        has_code = content.has_definitions or holds_code(content.data)
        return "" if has_code else content.digest.hex()

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
        return {
            "spec": self._spec(node.spec),
            "n": node.n,
            "args": list(visit_arguments(node.args, node.n, self)),
            "site": node.where,
            "wanted": node.wanted,
            "label": node.label,
            "place": node.spawn_key,
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
                    "root": spec.root_seed.hex(),
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
        for name in field_names(TaskOptions):
            value = getattr(options, name)
            if isinstance(value, timedelta):
                value = value.total_seconds()
            if name == "retry_on" and value is not None:
                value = self._content(pickled_types(value))
            if value is not None:
                given[name] = value
        return given

    def _content(self, content: Content, slots: int = 0) -> int:
        if id(content) not in self.numbers:
            self.numbers[id(content)] = len(self.contents)
            self.contents[id(content)] = (content, slots)
        return self.numbers[id(content)]

    def _place(self, node: Any) -> int:
        node = self.aliases.get(node, node)
        place = self.places.get(id(node))
        if place is None and isinstance(node, (Put, External)):  # without a name: in no graph
            place = self._append(node)
        if place is None:
            raise GraphFileError(
                "the graph uses values of an earlier submission, which a file cannot hold: "
                "record everything in one submission, or pass the values themselves"
            )
        return place

    # A visitor of slot values and columns.
    def content(self, content: Content) -> dict[str, Any]:
        """Write the number of a content."""
        return {"content": self._content(content)}

    def output(self, node: Any, index: int) -> dict[str, Any]:
        """Write the place of a node, and which of its outputs it is."""
        if isinstance(node, Put):
            return self.content(node.content)
        return {"ref": [self._place(node), index]}

    def outputs(self, runs: Sequence[NodeRun]) -> dict[str, Any]:
        """Write the runs of a list."""
        return {"bundle": [[self._place(node), r.start, r.stop, r.step] for node, r in runs]}

    def template(self, content: Content, slots: Sequence[Any]) -> dict[str, Any]:
        """Write a content, and what goes into its holes."""
        return {"nested": [self._content(content, len(slots)), self._all(slots)]}

    def earlier(self, step: int) -> NoReturn:
        """Refuse: a graph as recorded has no steps."""
        raise GraphFileError("only a recorded graph can be saved, not a compiled one")

    def const(self, slot: Any) -> dict[str, Any]:
        """Write what is the same for all elements."""
        return {"const": visit(slot, self)}

    def immediates(self, values: Sequence[Any]) -> dict[str, Any]:
        """Write the values of all elements."""
        return {"immediates": self._all(values)}

    def each(self, slots: Sequence[Any]) -> dict[str, Any]:
        """Write the slot values of all elements."""
        return {"each": self._all(slots)}

    def run(self, node: Any, indexes: range) -> dict[str, Any]:
        """Write the place of a node, and its outputs at equal distances."""
        return {"range": [self._place(node), indexes.start, indexes.step]}

    def gather(self, node: Any, indexes: Sequence[int]) -> dict[str, Any]:
        """Write outputs one by one."""
        return {"each": [self.output(node, index) for index in indexes]}

    def _all(self, slots: Sequence[Any]) -> list[Any]:
        return [visit(slot, self) for slot in slots]

    def immediate(self, value: Any) -> Any:
        """Write a plain value, as JSON has it or in a word of ours."""
        if isinstance(value, tuple):
            return {"tuple": list(map(self.immediate, value))}
        if type(value) is int and value.bit_length() > _BITS:
            return {"int": hex(value)}
        if type(value) is float and not math.isfinite(value):  # no numbers of JSON
            return {"float": value.hex()}
        if isinstance(value, bytes):
            return {"bytes": binascii.b2a_base64(value, newline=False).decode()}
        if isinstance(value, complex):
            return {"complex": [self.immediate(value.real), self.immediate(value.imag)]}
        return {"ellipsis": True} if value is ... else value
