"""Reading what calls share from plain data: code, options, environments.

Enters: entries of a file, as `encode` wrote them, and its contents. Leaves: specs. No code is
loaded: a function is known by its fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pymonik.analysis import plain_values as plain
from pymonik.capture.function import Code
from pymonik.capture.snapshot import ModuleSnapshot
from pymonik.capture.text.fingerprint import StoredFunction
from pymonik.environment.value import WITHHELD, Environment
from pymonik.errors import GraphFileError
from pymonik.graph.ir import CallSpec
from pymonik.values.content import Content
from pymonik.values.options import DEFAULTS, ExceptionTypes, TaskOptions, names_of

# No program has more contents, values of a variable and arguments than this.
SLOTS = 1_000_000


class SpecReader:
    """Makes specs again.

    has_contents: whether these are the real ones, or others as large. variables: those of the
    process that will run the graph; None when it is only looked at.
    """

    def __init__(
        self, contents: Sequence[Content], has_contents: bool, variables: Mapping[str, str] | None
    ) -> None:
        self._contents = contents
        self._has_contents = has_contents
        self._variables = variables
        self._snapshots: dict[int, ModuleSnapshot] = {}

    def spec(self, entry: dict[str, Any]) -> CallSpec:
        """Return the spec of an entry."""
        content = self._content_at(entry["code"])
        code = Code.of_content(content)
        parameters = tuple(map(plain.text, plain.items(entry["parameters"])))
        parts = {
            plain.text(name): plain.text(digest) for name, digest in entry["fingerprint"].items()
        }
        code.function = StoredFunction(content.load, parts, parameters)
        code.delegates = plain.flag(entry["delegates"])
        return CallSpec(
            plain.text(entry["name"]),
            code,
            plain.number(entry["width"], most=SLOTS),
            self._options(entry),
            tuple(map(plain.text, plain.items(entry["keywords"]))),
            plain.flag(entry["pure"]),
            plain.flag(entry["context"]),
            self._environment(entry),
            self._snapshot(entry.get("modules")),
            root_seed=bytes.fromhex(plain.text(entry.get("root", ""))),
        )

    def _options(self, entry: dict[str, Any]) -> TaskOptions:
        options = dict(entry["options"])
        retry_on = options.pop("retry_on", None)
        if retry_on is not None and self._has_contents:
            names = tuple(map(plain.text, plain.items(entry["retry_on"])))
            types = ExceptionTypes(names, self._content_at(retry_on))
            is_default = list(names) == names_of(DEFAULTS.retry_on)
            options["retry_on"] = DEFAULTS.retry_on if is_default else types
        return TaskOptions(**options)

    def _environment(self, entry: dict[str, Any]) -> Environment | None:
        if entry["environment"] is None:
            return None
        version, packages, variables, python, working_hash = plain.items(entry["environment"])
        pairs = tuple((plain.text(name), self._value(name, number)) for name, number in variables)
        wire = (
            version,
            tuple(map(plain.text, plain.items(packages))),
            pairs,
            plain.text(python),
            working_hash,
        )
        environment = Environment.from_wire(wire)
        folder = entry.get("folder")
        if folder is None:
            return environment
        return replace(environment, archived=bytes(self._content_at(folder).views()[1]))

    def _value(self, name: str, number: int) -> str:
        """Return the value of a variable: that of this process, where the graph is to run."""
        number = plain.number(number, most=SLOTS)
        if self._variables is None:
            return f"{WITHHELD}{number}"
        if number:
            raise GraphFileError(
                f"its calls need several values of the variable {name!r}, which are not stored "
                "in the file: submit the script itself"
            )
        if name not in self._variables:
            raise GraphFileError(
                f"its calls need the variable {name!r}, whose value is not stored in the file: "
                "set it here"
            )
        return self._variables[name]

    def _snapshot(self, number: int | None) -> ModuleSnapshot | None:
        """Return the snapshot of a content, one for all: calls of one share units."""
        if number is not None and number not in self._snapshots:
            self._snapshots[number] = ModuleSnapshot.of_content(self._content_at(number))
        return None if number is None else self._snapshots[number]

    def _content_at(self, number: Any) -> Content:
        return self._contents[plain.number(number, most=SLOTS)]
