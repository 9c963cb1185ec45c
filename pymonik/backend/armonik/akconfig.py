"""What says where a control plane is, beside arguments: `AK_…` variables, and the AKCONFIG file.

Enters: the environment, and the YAML file that its AKCONFIG names. Leaves: layers of settings, each
with its source, so that an error names the place where it is to be mended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymonik.errors import BackendError
from pymonik.files.regular import read_regular
from pymonik.values.foreign import harmless, storable

VARIABLES = {
    "endpoint": ("AK_ENDPOINT", "GrpcClient__Endpoint"),
    "certificate_authority": ("AK_CERTIFICATE_AUTHORITY", "GrpcClient__CaCert"),
    "client_certificate": (
        "AK_CLIENT_CERTIFICATE",
        "GrpcClient__CertPem",
        "GrpcClient__CertP12",
    ),
    "client_key": ("AK_CLIENT_KEY", "GrpcClient__KeyPem"),
    "target_name": ("AK_TARGET_NAME", "GrpcClient__OverrideTargetName"),
}
FILES = ("certificate_authority", "client_certificate", "client_key")
# Bytes of the file that AKCONFIG names; real ones have a few hundred.
_LIMIT = 64 << 10
_MERGED = "tag:yaml.org,2002:merge"
# What people call what is no text.
_KINDS = {"seq": "list", "map": "mapping"}
# Bytes of what PyYAML says: it may name a tag of any length.
_REASON = 300
# What PyYAML raises besides its own errors: dates, numbers and nesting that cannot be.
_MALFORMED = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Layer:
    """Settings of one source that are not empty; `sources`: where each of them stands."""

    values: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


def of_arguments(given: Mapping[str, str | None]) -> Layer:
    """Return what a program has given: it knows where."""
    return Layer({name: value for name, value in given.items() if value})


def of_variables(variables: Mapping[str, str]) -> Layer:
    """Return what variables say; of several for one setting the first counts."""
    sources = {
        name: next(filter(variables.get, candidates), "") for name, candidates in VARIABLES.items()
    }
    sources = {name: variable for name, variable in sources.items() if variable}
    return Layer({name: variables[variable] for name, variable in sources.items()}, sources)


def of_file(path: str | None) -> Layer:
    """Return what the file of AKCONFIG says; raises BackendError when it is none."""
    if not path:
        return Layer()
    import yaml

    source = f"{path!r}, which AKCONFIG names"
    try:
        text = read_regular(path, _LIMIT)
    except OSError as error:
        raise BackendError(f"AKCONFIG names {path!r}, which cannot be read: {error}") from error
    try:
        # Not loaded: merged keys (`<<`) make gigabytes of a few lines.
        root = yaml.compose(text.decode(), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, *_MALFORMED) as error:
        # Not as its cause: that would show lines of the file, which has keys.
        reason = _reason(error)
        raise BackendError(f"AKCONFIG names {path!r}, which is not valid YAML: {reason}") from None
    if not isinstance(root, yaml.MappingNode):
        raise BackendError(f"AKCONFIG names {path!r}, which holds no keys such as endpoint")
    values: dict[str, str] = {}
    for name, node in _pairs(root).items():
        kind = node.tag.rpartition(":")[2]
        # The file is shared with other tools: it may have keys of theirs.
        if name not in VARIABLES or not node.value or kind == "null":
            continue
        if kind != "str":
            kind = storable(harmless(_KINDS.get(kind, kind)), _REASON)
            raise BackendError(f"AKCONFIG names {path!r}: its {name} is a text, not a {kind}")
        values[name] = _beside(path, node.value) if name in FILES else node.value
    return Layer(values, dict.fromkeys(values, source))


def _pairs(root: Any) -> dict[str, Any]:
    """Return the values of a mapping by their keys: its own, then those of what it merges (`<<`).

    Each mapping is looked at once, however often others merge it: what it would add the second time
    is there already.
    """
    import yaml

    pairs: dict[str, Any] = {}
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop(0)
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting[:0] = node.value
            continue
        keyed = [pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode)]
        waiting[:0] = [value for key, value in keyed if key.tag == _MERGED]
        pairs = {**{key.value: value for key, value in keyed}, **pairs}
    return pairs


def _reason(error: Exception) -> str:
    """Return why a text is no YAML, and where, without a word of the text itself."""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None)
    mark = getattr(error, "problem_mark", None)
    place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
    return storable(harmless(problem or type(error).__name__), _REASON) + place


def _beside(path: str, name: str) -> str:
    """Return the path of a file that the file at `path` names: relative ones begin beside it."""
    if name.startswith("~"):
        return name
    return str(Path(path).expanduser().parent / name)
