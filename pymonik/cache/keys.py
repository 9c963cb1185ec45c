"""Keys of pure calls: equal keys mean equal values, in every run and on every machine.

Enters: recorded nodes, inputs before their users. Leaves: a key for each call, made of the code
(its fingerprint and the local modules it names, or the version that its author gives it), the
environment, and the arguments: by their content, or by the key of the call that makes them. None
where an argument has no key.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from pymonik.capture.source import ModuleSource
from pymonik.capture.source_closure import closure
from pymonik.capture.text.fingerprint import content_digest, deciding, parts_of
from pymonik.graph.ir import Call, CallSpec, External, Put
from pymonik.graph.verbs import visit
from pymonik.graph.visitors import NodeRun
from pymonik.humanize import literal
from pymonik.values.content import IMMEDIATE, Content

Parts = dict[str, str]
# Of keys: raised when they are made of something else, so that values of before are not found.
FORMAT = 2
# Characters of an argument that `pymonik cache` shows.
_SHOWN = 60


class Keys:
    """Makes keys; remembers those of calls and of code. A visitor: see `graph.visitors`."""

    def __init__(self) -> None:
        self._nodes: WeakKeyDictionary[Call, list[str | None]] = WeakKeyDictionary()
        self._codes: WeakKeyDictionary[CallSpec, Parts] = WeakKeyDictionary()
        self._snapshot: Any = None

    def of(self, node: Call) -> list[str | None]:
        """Return the keys of the elements of a node: one for a single call."""
        key = self._nodes.get(node)
        if key is None:
            key = self._nodes[node] = self._made(node)
        return key

    def let_stand(self, call: Call, original: Call) -> None:
        """Let the values of a recorded call be those of the call that stands for it."""
        self._nodes[original] = self.of(call)

    def code_of(self, spec: CallSpec) -> Parts:
        """Return what the code of a task is known by, part by part."""
        cached = self._codes.get(spec)
        if cached is None:
            if spec.version is None:
                if spec.code.whole is None and not spec.code.is_current():
                    raise LookupError(
                        f"an object that {spec.name} uses was changed after it was captured"
                    )
                parts = dict(parts_of(spec.code.function, whole=spec.code.whole))
                parts.update(self._modules_of(spec.code.content, spec.snapshot))
            else:
                parts = {f"version of {spec.name}": str(spec.version)}
            if spec.environment:
                parts["environment"] = spec.environment.digest
            cached = self._codes[spec] = parts
        return cached

    def arguments_of(self, node: Call, index: int) -> list[str]:
        """Describe the arguments of a call, so that two can be distinguished."""
        slots = [slot if node.n is None else slot.at(index) for slot in node.args]
        return [
            (literal(slot) if type(slot) in IMMEDIATE else visit(slot, self) or "?")[:_SHOWN]
            for slot in slots
        ]

    def _made(self, node: Call) -> list[str | None]:
        count = 1 if node.n is None else node.n
        if not node.spec.pure:
            return [None] * count
        self._snapshot = node.spec.snapshot
        try:
            parts = sorted(deciding(self.code_of(node.spec)).items())
            head = repr((FORMAT, parts, node.spec.keywords, node.spec.context))
            if node.n is None:
                return [self._key(head, node.args)]
            rows = zip(*([column.at(i) for i in range(count)] for column in node.args))
            return [self._key(head, row) for row in rows] if node.args else [_digest(head)] * count
        except Exception:  # whatever objects of the user do when they are looked at
            return [None] * count

    def _key(self, head: str, slots: Sequence[Any]) -> str | None:
        parts = [visit(slot, self) for slot in slots]
        return None if None in parts else _digest(head + repr(parts))

    def immediate(self, value: Any) -> str | None:
        """Name a plain value; None for what is none."""
        kind = type(value)
        if kind in IMMEDIATE or kind is tuple:
            return f"{kind.__name__}:{literal(value)}"
        return None

    def content(self, content: Content, holes: int = 0) -> str:
        """Name a content by its value, and by the code of the objects in it."""
        modules = self._modules_of(content, self._snapshot)
        return content_digest(content, holes) + "".join(f" {p}" for p in sorted(modules.items()))

    def output(self, node: Any, index: int) -> str | None:
        """Name an output by the key of its call."""
        if type(node) is Put:
            return self.content(node.content)
        if type(node) is External:  # nobody here knows what it was made of
            return None
        return self.of(node)[index]

    def outputs(self, runs: Sequence[NodeRun]) -> str | None:
        """Name a list of outputs by the keys of their calls."""
        made = [self.output(node, i) for node, indexes in runs for i in indexes]
        return None if None in made else f"list {made}"

    def template(self, content: Content, slots: Sequence[Any]) -> str | None:
        """Name a content, and what goes into its holes."""
        inner = [visit(slot, self) for slot in slots]
        filled = self.content(content, len(slots))
        return None if None in inner else f"nested {filled} {inner}"

    def earlier(self, step: int) -> None:
        """Return None: what is recorded has no steps."""

    def _modules_of(self, content: Content, snapshot: Any) -> Parts:
        """Return the local modules that a pickle names, with all they import.

        A word that only looks like the name of one makes a value anew once too often: no harm.
        """
        sources = snapshot.sources if snapshot is not None else {}
        named = [name for name in sources if name.encode() in content.data]
        if not named:
            return {}
        return {f"module {name}": _source_digest(s) for name, s in closure(named).items()}


# By the source itself: one entry for each module that tasks refer to, as long as it stays as it is.
@lru_cache(maxsize=1024)
def _source_digest(source: ModuleSource) -> str:
    """Name a module by what it says, whatever its comments and its layout."""
    try:
        text = ast.dump(ast.parse(source.text))
    except (SyntaxError, ValueError, RecursionError):
        text = source.text
    return _digest(text + source.set_here.hex())


def _digest(text: str) -> str:
    # 128 bits: no two calls of a user ever have one key by accident.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
