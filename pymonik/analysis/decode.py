"""Reading a graph from plain data: what `encode` wrote.

Enters: the JSON of a file, and the archive that holds the contents, or none: then others as large
stand for them. Leaves: a `Source`. Nothing is loaded, and nothing is believed: whatever is not as
`encode` writes it raises one of `archive.MALFORMED`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from pymonik.analysis import plain_values as plain
from pymonik.analysis.archive import Archive
from pymonik.analysis.decode_specs import SLOTS, SpecReader
from pymonik.capture.text.fingerprint import remember
from pymonik.errors import GraphError
from pymonik.graph.columns import Const, Immediates, Range, Values
from pymonik.graph.ir import Call, External, Graph, Put
from pymonik.graph.passes import PASSES
from pymonik.graph.slots import ListOf, Ref, Template
from pymonik.graph.target import Target
from pymonik.graph.value_state import ALWAYS, Liveness
from pymonik.graph.verify import verify
from pymonik.humanize import literal
from pymonik.plan.plan import Source
from pymonik.values.content import Content, freeze_buffer
from pymonik.values.location import Location
from pymonik.values.outputs import Outputs

# No program records more calls and bytes than this: a file of a few bytes could ask for them.
_CALLS, _BYTES = 5_000_000, 1 << 50
# What stands in JSON as it is.
_PLAIN = (int, float, str, bool, type(None))


class Reader:
    """Makes nodes again, in the order in which they were written.

    variables: those of the process that will run the graph; None when it is only looked at.
    """

    def __init__(
        self,
        data: dict[str, Any],
        archive: Archive | None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.archive = archive
        self.room = 4 * _CALLS
        entries = plain.items(data["contents"])
        self.contents = [self._content(number, entry) for number, entry in enumerate(entries)]
        for content, entry in zip(self.contents, entries):
            remember(content, plain.text(entry["digest"]))
        specs = SpecReader(self.contents, archive is not None, variables)
        self.specs = [specs.spec(entry) for entry in plain.items(data["specs"])]
        self.nodes: list[Any] = []
        # One object for equal immediates, as a constant in a loop is: so they fold as they did.
        self.immediates: dict[tuple[type, str], Any] = {}

    def _content(self, number: int, entry: dict[str, Any]) -> Content:
        size = plain.number(entry["size"], most=_BYTES)
        if self.archive is None:
            # No two are equal, unless what they stand for was.
            name = (plain.text(entry["digest"]) or f"{number:040}").encode()[:size]
            self._take(size)
            return Content(name.ljust(size, b"."))
        buffers = [
            freeze_buffer(memoryview(self.archive.read(f"contents/{number}.{place}")))
            for place in range(plain.number(entry["buffers"], most=SLOTS))
        ]
        return Content(self.archive.read(f"contents/{number}"), buffers)

    def source(self) -> Source:
        """Return what was saved."""
        for entry in plain.items(self.data["nodes"]):
            self.nodes.append(self._node(entry))
        nameless = {id(n) for n in self.nodes if isinstance(n, (Put, External)) and not n.label}
        graph = Graph(tuple(node for node in self.nodes if id(node) not in nameless), {})
        if graph.calls > _CALLS:
            raise ValueError(f"{graph.calls} calls")
        try:
            verify(graph, after="loading")
        except GraphError as error:
            raise ValueError("this graph is not valid") from error
        partitions = tuple(map(plain.text, plain.items(self.data["partitions"])))
        seed = self.data.get("seed")
        if seed is not None:
            plain.number(seed, most=None)
        return Source(graph, self._target(), self._optimize(), partitions, seed)

    def _target(self) -> Target:
        target = dict(self.data["target"])
        chunk = target["chunk_size"]
        return Target(
            slots=plain.number(target["slots"], least=1, most=_CALLS),
            chunk_size=None if chunk is None else plain.number(chunk, least=1, most=_CALLS),
            durations={
                plain.text(name): plain.positive(time) for name, time in target["known"].items()
            },
            isolates_delegating=plain.flag(target.get("isolates_delegating", False)),
            grain=plain.number(target.get("grain", 0), least=0, most=_CALLS),
        )

    def _optimize(self) -> Any:
        optimize = self.data["optimize"]
        if isinstance(optimize, bool):
            return optimize
        names = tuple(map(plain.text, plain.items(optimize)))
        return names if PASSES.keys() >= set(names) else plain.refuse(optimize)

    def _take(self, count: int) -> None:
        """Count what a file asks for beyond its own bytes: values that lists name, and the like."""
        self.room -= count
        if self.room < 0:
            raise ValueError("this graph has more values than any recording can have")

    def _content_at(self, number: Any) -> Content:
        return self.contents[plain.number(number, most=SLOTS)]

    def _node(self, entry: dict[str, Any]) -> Any:
        if "external" in entry:
            return self._external(entry)
        label, site = plain.label(entry["label"]), plain.text(entry["site"])
        if "put" in entry:
            return Put(self._content_at(entry["put"]), label if label is None else str(label), site)
        n = entry["n"]
        if n is not None:
            plain.number(n, most=_CALLS)
        args = tuple([self._argument(given, n) for given in plain.items(entry["args"])])
        spawn_key = entry.get("place")
        if spawn_key is not None:
            plain.number(spawn_key, most=None)
        spec = self.specs[plain.number(entry["spec"], most=SLOTS)]
        liveness = ALWAYS if plain.flag(entry["wanted"]) else Liveness()
        return Call(liveness).fill(spec, args, n, site, 0, label, spawn_key)

    def _external(self, entry: dict[str, Any]) -> External:
        """Return a value of another program, which no file holds: it is nowhere, and pending."""
        n = entry["n"]
        count = 1 if n is None else plain.number(n, most=_CALLS)
        self._take(count)
        location = Location((Outputs(count, 1),), max(count, 1), 0)
        return External(plain.text(entry["external"]), n, location)

    def _argument(self, given: Any, n: int | None) -> Any:
        if n is None:
            return self._slot(given)
        ((kind, value),) = given.items()
        if kind == "range":
            place, start, step = value
            plain.number(start, most=_CALLS)
            last = start + max(n - 1, 0) * plain.number(step, most=_CALLS)
            return Range(self._made(place, last if n else 0), start, step)
        if kind == "const":
            return Const(self._slot(value))
        values = list(map(self._slot, plain.items(value)))
        if len(values) != n:
            raise ValueError(f"a column of {len(values)} in a map of {n}")
        return {"immediates": Immediates, "each": Values}[kind](values)

    def _made(self, place: Any, index: Any) -> Call:
        """Return a node, of which a value is used, from 0 on."""
        node: Call = self.nodes[plain.number(place, most=_CALLS)]
        length = getattr(node, "n", None)
        plain.number(index, most=0 if length is None else max(length - 1, 0))
        return node

    def _slot(self, slot: Any) -> Any:
        if not isinstance(slot, dict):
            if type(slot) not in _PLAIN:
                plain.refuse(slot)
            return self.immediates.setdefault((type(slot), repr(slot)), slot)
        ((kind, value),) = slot.items()
        if kind == "content":
            return self._content_at(value)
        if kind == "ref":
            place, index = value
            return Ref(self._made(place, index), index)
        if kind == "bundle":
            return ListOf(tuple([self._run(*run) for run in plain.items(value)]))
        if kind == "nested":
            content, slots = value
            return Template(self._content_at(content), tuple(map(self._slot, plain.items(slots))))
        if kind == "tuple":
            made = tuple(map(self._slot, plain.items(value)))
            return self.immediates.setdefault((tuple, literal(made)), made)
        if kind in ("int", "float"):
            return self._odd_number(kind, plain.text(value))
        if kind == "bytes":
            return base64.b64decode(plain.text(value), validate=True)
        if kind == "complex":
            real, imag = value
            return complex(float(self._slot(real)), float(self._slot(imag)))
        return ... if kind == "ellipsis" else plain.refuse(slot)

    def _odd_number(self, kind: str, text: str) -> int | float:
        """Return a number that JSON has no word for: see `encode`."""
        made = int(text, 16) if kind == "int" else float.fromhex(text)
        same: int | float = self.immediates.setdefault((type(made), text), made)
        return same

    def _run(self, place: Any, start: Any, stop: Any, step: Any) -> tuple[Call, range]:
        """Return a run of a bundle: a node, and which of its values."""
        indexes = range(
            plain.number(start, most=_CALLS),
            plain.number(stop, least=-1, most=_CALLS),
            plain.number(step, least=-_CALLS, most=_CALLS),
        )
        self._take(len(indexes))
        for index in (indexes[0], indexes[-1]) if indexes else (0,):
            node = self._made(place, index)
        return node, indexes
