"""What can be known to go wrong before anything is sent.

Enters: a plan that knows what it was compiled of. Leaves: findings, each with the thing, the place
and the way out. What cannot even be recorded fails at its own line and never gets here.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from pymonik.analysis.findings import Finding, errors_first, foreign_partition, past_limit
from pymonik.analysis.pickled_texts import texts_in
from pymonik.analysis.shape import argument_names
from pymonik.capture.dependencies import brought_by, imported, package_of
from pymonik.environment.value import Environment
from pymonik.files.materialize import is_placing
from pymonik.graph.arguments import contents_in
from pymonik.graph.ir import Call, Graph, Put
from pymonik.graph.verbs import contents_of
from pymonik.plan.plan import Plan
from pymonik.settings import GIB, MIB, settings

# A captured value above this deserves a second look: it travels, and stays in memory, as a whole.
_HUGE = GIB
# Pickles above this are not searched for paths: it would take longer than it is worth.
_SEARCHED = 4 * MIB
# Arguments of a map that are looked at for paths.
_LOOKED_AT = 100


def check(
    plan: Plan,
    seconds: Mapping[str, float] | None = None,
    remembered: Callable[[Any], float | None] = lambda spec: None,
) -> list[Finding]:
    """Return what is wrong with a plan, errors first.

    seconds: expected ones of a call, by the name of its task; `@task(cost=…)` otherwise, and else
    what `remembered` gives for a spec.
    """
    graph: Graph = plan.source.graph if plan.source is not None else plan.graph
    partitions = plan.source.partitions if plan.source is not None else ()
    rules = (
        _huge_values(graph),
        _paths(graph),
        _modules(graph),
        _environments(graph),
        _partitions(graph, partitions),
        _limits(graph, seconds or {}, remembered),
    )
    return errors_first(chain.from_iterable(rules))


def _recorded(graph: Graph) -> Iterator[Call]:
    return (node for node in graph.nodes if isinstance(node, Call))


def _specs(graph: Graph) -> Iterator[tuple[Any, Call]]:
    """Return what calls share, each once, and the first call of it."""
    seen: set[int] = set()
    for node in _recorded(graph):
        if id(node.spec) not in seen:
            seen.add(id(node.spec))
            yield node.spec, node


def _huge_values(graph: Graph) -> Iterator[Finding]:
    for node in graph.nodes:
        if isinstance(node, Put):
            values = [("the object put", [node.content])]
        else:
            values = [
                (f"{node.spec.name} takes as {name}", [c for c, _ in contents_in([arg], node.n)])
                for name, arg in zip(argument_names(node), node.args)
            ]
        for what, contents in values:
            for content in contents:
                if content.size > _HUGE:
                    text = (
                        f"{what}: {content.size / GIB:.1f} GiB in one value, which travels as a "
                        "whole and stays in memory; pass where it is stored, or a part a call"
                    )
                    yield Finding("warning", "huge value", text, node.where)


def _paths(graph: Graph) -> Iterator[Finding]:
    for node in _recorded(graph):
        for name, text in _texts(node):
            if _is_local_path(text):
                message = (
                    f"{node.spec.name} is given as {name} the path {text!r}, which lies on this "
                    "machine: pass the content, a Materialize of it, or a path that workers have"
                )
                yield Finding("warning", "local path", message, node.where)


def _is_local_path(text: str) -> bool:
    # Linux takes no longer path, and `exists` would only refuse it.
    return os.sep in text and len(text) < 4096 and "\0" not in text and os.path.exists(text)


def _texts(node: Call) -> Iterator[tuple[str, str]]:
    for name, arg in zip(argument_names(node), node.args):
        slots = [arg] if node.n is None else arg.own()[:_LOOKED_AT]
        yield from ((name, text) for text in _in_slots(slots))


def _in_slots(slots: Iterable[Any]) -> Iterator[str]:
    for slot in slots:
        if isinstance(slot, str):
            yield slot
        elif isinstance(slot, tuple):
            yield from _in_slots(slot)
        for content in contents_of(slot):
            # A file that travels with its bytes: where it lies here is of no account.
            if len(content.data) <= _SEARCHED and not is_placing(content):
                yield from texts_in(content.data)


def _modules(graph: Graph) -> Iterator[Finding]:
    for spec, node in _specs(graph):
        needed = imported(spec.code.function)
        environment: Environment | None = spec.environment
        if environment is None or not environment.packages:
            continue
        for top in sorted(needed - brought_by(environment.packages)):
            text = (
                f"{spec.name} needs the module {top!r}, which its environment does not name: add "
                f"{package_of(top)!r} to its packages, unless the workers have it"
            )
            yield Finding("warning", "missing module", text, node.where)


def _environments(graph: Graph) -> Iterator[Finding]:
    for spec, node in _specs(graph):
        environment: Environment | None = spec.environment
        if environment is None or not environment.python:
            continue
        running = platform.python_version()
        if Version(running) not in SpecifierSet(environment.python):
            text = (
                f"{spec.name} asks for Python {environment.python}, but this is {running}: "
                "functions and values travel only between equal minor versions"
            )
            yield Finding("error", "Python version", text, node.where)


def _partitions(graph: Graph, partitions: tuple[str, ...]) -> Iterator[Finding]:
    allowed = partitions or (settings().partition,)
    names = ", ".join(map(repr, allowed))
    choices = f"the session has {names}: add it to Pymonik(partition=[…])"
    for spec, node in _specs(graph):
        partition = spec.options.partition_id
        yield from foreign_partition(spec.name, partition, allowed, choices, node.where)


def _limits(
    graph: Graph, seconds: Mapping[str, float], remembered: Callable[[Any], float | None]
) -> Iterator[Finding]:
    for spec, node in _specs(graph):
        cost, says = seconds.get(spec.name, spec.options.cost), "is expected to last"
        if cost is None and spec.options.seconds is not None:
            cost, says = remembered(spec), "lasted in earlier runs"
        way_out = "it {}: raise the limit, or cut the work"
        expectation = f"a call of {spec.name} {says}"
        yield from past_limit(expectation, cost, spec.options.seconds, way_out, node.where)
