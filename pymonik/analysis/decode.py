"""Reading a graph from plain data: what `encode` wrote.

Enters: the JSON of a file, and the archive that holds the contents, or none: then others as large
stand for them. Leaves: a `Source`. Nothing is loaded, and nothing is believed: whatever is not as
`encode` writes it raises one of `archive.MALFORMED`.
"""

from __future__ import annotations

import base64
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from pymonik.analysis.archive import Archive
from pymonik.capture.fingerprint import StoredFunction, remember
from pymonik.capture.function import Code
from pymonik.capture.snapshot import ModuleSnapshot
from pymonik.environment.value import WITHHELD, Environment
from pymonik.errors import GraphFileError
from pymonik.graph.columns import Const, Immediates, Range, Values
from pymonik.graph.ir import Call, CallSpec, External, Graph, Put
from pymonik.graph.passes import PASSES
from pymonik.graph.slots import ListOf, Ref, Template
from pymonik.graph.target import Target
from pymonik.graph.verify import verify
from pymonik.humanize import literal
from pymonik.plan.plan import Source
from pymonik.values.content import Content, freeze_buffer
from pymonik.values.location import Location
from pymonik.values.options import DEFAULTS, ExceptionTypes, TaskOptions, names_of
from pymonik.values.outputs import Outputs

# No program records more calls and bytes than this: a file of a few bytes could ask for them.
_CALLS, _SLOTS, _BYTES = 5_000_000, 1_000_000, 1 << 50
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
        self.variables = variables
        self.room = 4 * _CALLS
        self.contents = [
            self._content(number, entry) for number, entry in enumerate(_list(data["contents"]))
        ]
        for content, entry in zip(self.contents, data["contents"]):
            remember(content, _text(entry["digest"]))
        self.snapshots: dict[int, ModuleSnapshot] = {}
        self.specs = [self._spec(entry) for entry in _list(data["specs"])]
        self.nodes: list[Any] = []
        # One object for equal immediates, as a constant in a loop is: so they fold as they did.
        self.immediates: dict[tuple[type, str], Any] = {}

    def _content(self, number: int, entry: dict[str, Any]) -> Content:
        size = _number(entry["size"], most=_BYTES)
        if self.archive is None:
            # No two are equal, unless what they stand for was.
            name = (_text(entry["digest"]) or f"{number:040}").encode()[:size]
            self._take(size)
            return Content(name.ljust(size, b"."))
        buffers = [
            freeze_buffer(memoryview(self.archive.read(f"contents/{number}.{place}")))
            for place in range(_number(entry["buffers"], most=_SLOTS))
        ]
        return Content(self.archive.read(f"contents/{number}"), buffers)

    def source(self) -> Source:
        """Return what was saved."""
        for entry in _list(self.data["nodes"]):
            self.nodes.append(self._node(entry))
        nameless = {id(n) for n in self.nodes if isinstance(n, (Put, External)) and not n.label}
        graph = Graph(tuple(node for node in self.nodes if id(node) not in nameless), {})
        if graph.calls > _CALLS:
            raise ValueError(f"{graph.calls} calls")
        verify(graph, after="loading")
        partitions = tuple(map(_text, _list(self.data["partitions"])))
        seed = self.data.get("seed")
        if seed is not None:
            _number(seed, most=None)
        return Source(graph, self._target(), self._optimize(), partitions, seed)

    def _target(self) -> Target:
        target = dict(self.data["target"])
        chunk = target["chunk_size"]
        return Target(
            slots=_number(target["slots"], least=1, most=_CALLS),
            chunk_size=None if chunk is None else _number(chunk, least=1, most=_CALLS),
            known={_text(name): _positive(time) for name, time in target["known"].items()},
            isolates_delegating=_flag(target.get("isolates_delegating", False)),
            grain=_number(target.get("grain", 0), least=0, most=_CALLS),
        )

    def _optimize(self) -> Any:
        optimize = self.data["optimize"]
        if isinstance(optimize, bool):
            return optimize
        names = tuple(map(_text, _list(optimize)))
        return names if PASSES.keys() >= set(names) else _refuse(optimize)

    def _take(self, count: int) -> None:
        """Count what a file asks for beyond its own bytes: values that lists name, and the like."""
        self.room -= count
        if self.room < 0:
            raise ValueError("a graph of more values than anybody has recorded")

    # ----- specs

    def _spec(self, entry: dict[str, Any]) -> CallSpec:
        content = self._content_at(entry["code"])
        code = Code.of_content(content)
        parameters = tuple(map(_text, _list(entry["parameters"])))
        parts = {_text(name): _text(digest) for name, digest in entry["fingerprint"].items()}
        code.function = StoredFunction(content.load, parts, parameters)
        code.delegates = _flag(entry["delegates"])
        return CallSpec(
            _text(entry["name"]),
            code,
            _number(entry["width"], most=_SLOTS),
            self._options(entry),
            tuple(map(_text, _list(entry["keywords"]))),
            _flag(entry["pure"]),
            _flag(entry["context"]),
            self._environment(entry),
            self._snapshot(entry.get("modules")),
            root=bytes.fromhex(_text(entry.get("root", ""))),
        )

    def _options(self, entry: dict[str, Any]) -> TaskOptions:
        options = dict(entry["options"])
        retry_on = options.pop("retry_on", None)
        if retry_on is not None and self.archive is not None:
            names = tuple(map(_text, _list(entry["retry_on"])))
            types = ExceptionTypes(names, self._content_at(retry_on))
            is_default = list(names) == names_of(DEFAULTS.retry_on)
            options["retry_on"] = DEFAULTS.retry_on if is_default else types
        return TaskOptions(**options)

    def _environment(self, entry: dict[str, Any]) -> Environment | None:
        if entry["environment"] is None:
            return None
        version, packages, variables, python, working_hash = _list(entry["environment"])
        pairs = tuple((_text(name), self._value(name, number)) for name, number in variables)
        wire = (version, tuple(map(_text, _list(packages))), pairs, _text(python), working_hash)
        environment = Environment.from_wire(wire)
        folder = entry.get("folder")
        if folder is None:
            return environment
        return replace(environment, archived=bytes(self._content_at(folder).views()[1]))

    def _value(self, name: str, number: int) -> str:
        """Return the value of a variable: that of this process, where the graph is to run."""
        number = _number(number, most=_SLOTS)
        if self.variables is None:
            return f"{WITHHELD}{number}"
        if number:
            raise GraphFileError(
                f"its calls need several values of {name!r}, which are in no file: submit the "
                "script itself"
            )
        if name not in self.variables:
            raise GraphFileError(
                f"its calls need the variable {name!r}, whose value is in no file: set it here"
            )
        return self.variables[name]

    def _snapshot(self, number: int | None) -> ModuleSnapshot | None:
        """Return the snapshot of a content, one for all: calls of one share units."""
        if number is not None and number not in self.snapshots:
            self.snapshots[number] = ModuleSnapshot.of_content(self._content_at(number))
        return None if number is None else self.snapshots[number]

    def _content_at(self, number: Any) -> Content:
        return self.contents[_number(number, most=_SLOTS)]

    # ----- nodes

    def _node(self, entry: dict[str, Any]) -> Any:
        if "external" in entry:
            return self._external(entry)
        label, site = _label(entry["label"]), _text(entry["site"])
        if "put" in entry:
            return Put(self._content_at(entry["put"]), label if label is None else str(label), site)
        n = entry["n"]
        if n is not None:
            _number(n, most=_CALLS)
        args = tuple([self._argument(given, n) for given in _list(entry["args"])])
        place = entry.get("place")
        if place is not None:
            _number(place, most=None)
        spec = self.specs[_number(entry["spec"], most=_SLOTS)]
        node = Call(spec, args, n, site, 0, label, place)
        if _flag(entry["wanted"]):
            node.liveness = weakref.ref(node)  # as long as the graph is there
        return node

    def _external(self, entry: dict[str, Any]) -> External:
        """Return a value of another program, which no file holds: it is nowhere, and pending."""
        n = entry["n"]
        count = 1 if n is None else _number(n, most=_CALLS)
        self._take(count)
        location = Location((Outputs(count, 1),), max(count, 1), 0)
        return External(_text(entry["external"]), n, location)

    def _argument(self, given: Any, n: int | None) -> Any:
        if n is None:
            return self._slot(given)
        ((kind, value),) = given.items()
        if kind == "range":
            place, start, step = value
            last = _number(start, most=_CALLS) + max(n - 1, 0) * _number(step, most=_CALLS)
            return Range(self._made(place, last if n else 0), start, step)
        if kind == "const":
            return Const(self._slot(value))
        values = list(map(self._slot, _list(value)))
        if len(values) != n:
            raise ValueError(f"a column of {len(values)} in a map of {n}")
        return {"immediates": Immediates, "each": Values}[kind](values)

    def _made(self, place: Any, index: Any) -> Call:
        """Return a node, of which a value is used, from 0 on."""
        node: Call = self.nodes[_number(place, most=_CALLS)]
        length = getattr(node, "n", None)
        _number(index, most=0 if length is None else max(length - 1, 0))
        return node

    def _slot(self, slot: Any) -> Any:
        if not isinstance(slot, dict):
            if type(slot) not in _PLAIN:
                _refuse(slot)
            return self.immediates.setdefault((type(slot), repr(slot)), slot)
        ((kind, value),) = slot.items()
        if kind == "content":
            return self._content_at(value)
        if kind == "ref":
            place, index = value
            return Ref(self._made(place, index), index)
        if kind == "bundle":
            return ListOf(tuple([self._run(*run) for run in _list(value)]))
        if kind == "nested":
            content, slots = value
            return Template(self._content_at(content), tuple(map(self._slot, _list(slots))))
        if kind == "tuple":
            made = tuple(map(self._slot, _list(value)))
            return self.immediates.setdefault((tuple, literal(made)), made)
        if kind in ("int", "float"):
            return self._odd_number(kind, _text(value))
        if kind == "bytes":
            return base64.b64decode(_text(value), validate=True)
        if kind == "complex":
            real, imag = value
            return complex(float(self._slot(real)), float(self._slot(imag)))
        return ... if kind == "ellipsis" else _refuse(slot)

    def _odd_number(self, kind: str, text: str) -> int | float:
        """Return a number that JSON has no word for: see `encode`."""
        made = int(text, 16) if kind == "int" else float.fromhex(text)
        same: int | float = self.immediates.setdefault((type(made), text), made)
        return same

    def _run(self, place: Any, start: Any, stop: Any, step: Any) -> tuple[Call, range]:
        """Return a run of a bundle: a node, and which of its values."""
        indexes = range(
            _number(start, most=_CALLS),
            _number(stop, least=-1, most=_CALLS),
            _number(step, least=-_CALLS, most=_CALLS),
        )
        self._take(len(indexes))
        for index in (indexes[0], indexes[-1]) if indexes else (0,):
            node = self._made(place, index)
        return node, indexes


# ----- plain values


def _text(value: Any) -> str:
    return value if type(value) is str else _refuse(value)


def _flag(value: Any) -> bool:
    return value if type(value) is bool else _refuse(value)


def _list(value: Any) -> Sequence[Any]:
    # Tuples are lists in JSON, and what was written of a run a moment ago was not.
    return value if isinstance(value, (list, tuple)) else _refuse(value)


def _number(value: Any, most: int | None, least: int = 0) -> int:
    if type(value) is not int or value < least or (most is not None and value > most):
        _refuse(value)
    return value


def _positive(value: Any) -> float:
    return float(value) if type(value) in (int, float) and 0 <= value < 1e12 else _refuse(value)


def _label(value: Any) -> str | dict[int, str] | None:
    if isinstance(value, dict):  # the keys of JSON are texts
        return {int(index): _text(name) for index, name in value.items()}
    return None if value is None else _text(value)


def _refuse(value: Any) -> NoReturn:
    raise ValueError(f"{value!r:.80} where something else belongs")
