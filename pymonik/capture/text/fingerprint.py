"""Fingerprints of functions: the same in every run, another when what a call computes may change.

Enters: a function. Leaves: one digest of all that it can reach, which decides; and a digest for
each part of it, which shows people what has changed: its own code, helpers that travel along,
global values, packages, Python. How values are written stands in `canonical_text`.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from pymonik.capture.definitions.namespaces import holds_code
from pymonik.capture.definitions.versions import are_current
from pymonik.capture.reachable import reachable
from pymonik.capture.text.canonical_text import code_text, text, values_of, whole_text
from pymonik.system.blake import blake2b
from pymonik.system.structs import NamedTuple
from pymonik.values.content import Content

logger = logging.getLogger("pymonik")
Parts = dict[str, str]
# The part that decides whether two functions are equal, whatever the others are called.
WHOLE = "code and the places of what it uses"
# How parts are called that are named for people.
_SPECIFIC = ("code of ", "global ", "closure ", "bound arguments")
# Of pickles, in bytes: each opcode is looked at.
_SMALL = 1 << 16


class StoredFunction:
    """A function that was captured elsewhere and is known by its parts."""

    def __init__(self, load: Callable[[], Any], parts: Parts, parameters: tuple[str, ...]) -> None:
        self.load = load
        self.parts = parts
        self.parameters = parameters

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Load the function and call it."""
        return self.load()(*args, **kwargs)


class Whole(NamedTuple):
    """A digest of a function with all that it reaches, and the packages that it imports from."""

    digest: str
    packages: frozenset[str]


def fingerprint(function: Callable[..., Any], packages: bool = True) -> str:
    """Return the digest of a function; packages: their versions count as well."""
    return _digest(repr(sorted(deciding(parts_of(function, packages)).items())))


def whole_of(function: Callable[..., Any]) -> Whole:
    """Return the digest of a function as it is now: what it reaches may be changed later."""
    text, packages = whole_text(function)
    return Whole(_digest(text), frozenset(packages))


def deciding(parts: Parts) -> Parts:
    """Return the parts that tell functions apart; the others say where they differ."""
    if WHOLE not in parts:
        return parts
    return {name: part for name, part in parts.items() if not name.startswith(_SPECIFIC)}


def changed_parts(before: Parts, after: Parts) -> list[str]:
    """Return the names of the parts in which two functions differ; none when only names changed."""
    differing = [part for part in sorted({*before, *after}) if before.get(part) != after.get(part)]
    if WHOLE in before and before.get(WHOLE) == after.get(WHOLE):
        return [part for part in differing if not part.startswith(_SPECIFIC)]
    # The whole is listed where nothing smaller is: values or helpers have changed places.
    is_specific = any(part.startswith(_SPECIFIC) for part in differing)
    return [part for part in differing if part != WHOLE or not is_specific]


def parts_of(
    function: Callable[..., Any], packages: bool = True, whole: Whole | None = None
) -> Parts:
    """Return a digest by part: "code of f", "global K", "package numpy", "python".

    whole: what was noted when the function was captured.
    """
    if isinstance(function, StoredFunction):
        named = function.parts.items()
        return {name: p for name, p in named if packages or not name.startswith("package ")}
    whole = whole or whole_of(function)
    parts = {WHOLE: whole.digest, **_parts_of(function)}
    if packages:  # to ask for versions is slow where many are installed
        from pymonik.capture.dependencies import versions

        packages_used = versions(function, whole.packages)
        parts.update((f"package {name}", version) for name, version in packages_used.items())
    parts["python"] = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return parts


def _parts_of(function: Callable[..., Any]) -> Parts:
    """Return a digest by name of the functions and values that a function uses."""
    digests_of: dict[str, set[str]] = {}
    functions = reachable(function)
    for reached in functions:
        digests_of.setdefault(f"code of {reached.__qualname__}", set()).add(
            _digest(code_text(reached))
        )
        for name, value in values_of(reached):
            digests_of.setdefault(name, set()).add(_digest(text(value)))
    # Two functions may have one name, and so may values that they use.
    parts = {
        name: _digest(repr(sorted(digests))) if len(digests) > 1 else next(iter(digests))
        for name, digests in digests_of.items()
    }
    if isinstance(function, functools.partial):
        parts["bound arguments"] = _digest(text((function.args, function.keywords)))
    if not functions:
        parts[f"code of {getattr(function, '__qualname__', repr(type(function)))}"] = ""
    return parts


# Of contents that came from a file: what they were is known, and need not be loaded to be compared.
_KNOWN: WeakKeyDictionary[Content, str] = WeakKeyDictionary()


def remember(content: Content, digest: str) -> None:
    """Note the digest of a content that was written elsewhere."""
    _KNOWN[content] = digest


def content_digest(content: Content, slots: int = 0) -> str:
    """Return a digest that is the same in every run for equal values.

    A pickle that carries classes or functions of the script along, or a set of texts, is another
    in each run: it is loaded, and its value is read. Where a class in it has been changed since,
    what is loaded is not what was captured: its bytes are compared. slots: how many holes it has.
    """
    digest = _KNOWN.get(content)
    if digest is None:
        digest = content.digest.hex()
        if content.has_definitions or holds_code(content.data) or _holds_set(content.data):
            try:
                value = content.load([f"slot {i}" for i in range(slots)])
                read = _digest(whole_text(value)[0])
            except Exception:  # whatever a class of the user does when it is made without a call
                logger.debug("a value cannot be read again: its bytes are compared", exc_info=True)
            else:  # asked after it was read: another thread may change a class meanwhile
                digest = read if are_current(content.buffers) else digest
        _KNOWN[content] = digest
    return digest


def parameters_of(function: Callable[..., Any], context: bool = False) -> tuple[str, ...]:
    """Return the names of the parameters, none when it has no signature."""
    if isinstance(function, StoredFunction):
        return function.parameters
    import inspect

    try:
        names = tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()
    return names[1 if context else 0 :]


def _holds_set(data: bytes) -> bool:
    """Return whether a pickle holds a set; large ones are not looked through."""
    if len(data) > _SMALL or (b"\x8f" not in data and b"\x91" not in data):
        return False
    import pickletools

    return any(op.name in ("EMPTY_SET", "FROZENSET") for op, _, _ in pickletools.genops(data))


def _digest(text: str) -> str:
    # 80 bits: told apart are versions of one function, or of a part of it that has a name.
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
