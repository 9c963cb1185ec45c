"""Reads packages the way users write them.

In: `"numpy"`, `"numpy==2.1"`, `("numpy", "==2.1")`, a path to a requirements file, or a list of
these. Out: PEP 508 requirements in one canonical spelling, so that equal demands are equal strings.
A hash that a requirements file pins stays with its requirement (`"six==1.16.0 --hash=sha256:…"`),
so uv checks it. What cannot be met on a worker, such as `-e .`, is refused with file and line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from pymonik.files.regular import read_regular
from pymonik.values.foreign import demand_printable, redacted

FORMS = "write 'numpy', 'numpy==2.1', ('numpy', '==2.1') or the path of a requirements file"

# Bytes of a requirements file; real ones have some thousand.
_LIMIT = 16 << 20
_COMMENT = re.compile(r"(^|\s)#.*$")
_NESTED = re.compile(r"(?:-r|--requirement)[\s=]*(.+)")
_HASH = re.compile(r"\s--hash[=\s](\S+)")


def requirements(value: object, base: Path) -> Iterator[str]:
    """Yield the canonical requirements in `value`; relative paths start at `base`; ValueError."""
    if isinstance(value, (str, os.PathLike)):
        value = [value]
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise ValueError(f"packages come as a list, not as {type(value).__name__}: {FORMS}")
    for item in value:
        if isinstance(item, os.PathLike) or (isinstance(item, str) and _is_path(item)):
            yield from _from_file(base / Path(item).expanduser(), ())
        elif isinstance(item, str):
            yield canonical(item)
        elif (
            isinstance(item, (tuple, list))
            and len(item) == 2
            and all(isinstance(part, str) for part in item)
        ):
            yield _from_pair(*item)
        else:
            raise ValueError(f"{item!r} is not a package: {FORMS}")


def canonical(text: str) -> str:
    """Spell one requirement canonically: name, extras and specifiers in their normal form."""
    # uv reads a file with one a line: a line break in a URL would begin a line of options.
    demand_printable("a package", text)
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(
            f"{redacted(text)!r} is not a package: {redacted(str(error)).splitlines()[0]}; {FORMS}"
        ) from None
    requirement.name = canonicalize_name(requirement.name)
    return str(requirement)


def _from_pair(name: str, version: str) -> str:
    try:
        specifier = SpecifierSet(version)
    except InvalidSpecifier:
        raise ValueError(
            f"{version!r} is not a version specifier for {name!r}: write '==2.1' or '>=2,<3'"
        ) from None
    return canonical(f"{name}{specifier}")


def _is_path(text: str) -> bool:
    return text.endswith((".txt", ".in")) or text.startswith(("./", "../", "/", "~"))


def _from_file(path: Path, outer: tuple[Path, ...]) -> Iterator[str]:
    path = path.resolve()
    if path in outer:
        raise ValueError(f"requirements file {str(path)!r} includes itself")
    try:
        text = read_regular(path, _LIMIT).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"requirements file {str(path)!r} cannot be read: {error}") from None
    for number, line in _logical_lines(text):
        nested = _NESTED.fullmatch(line)
        if nested:
            yield from _from_file(path.parent / nested.group(1).strip(), (*outer, path))
            continue
        if line.startswith("-"):
            raise ValueError(
                f"{path.name}, line {number}: {redacted(line)!r} cannot be honoured on a worker. "
                "Indexes and constraints are set there (UV_* or pip's settings); "
                "local modules are shipped by PymoniK itself"
            )
        try:
            # Hashes are options, not part of a requirement: off for checking, on again for uv.
            demand_printable("a package", line)
            pinned = "".join(f" --hash={digest}" for digest in sorted(_HASH.findall(line)))
            yield canonical(_HASH.sub("", line).strip()) + pinned
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from None


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines, drop comments and blanks; the number is that of the first part."""
    parts: list[str] = []
    start = 1
    for number, line in enumerate([*text.splitlines(), ""], 1):
        start = start if parts else number
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        whole = _COMMENT.sub("", "".join([*parts, line])).strip()
        parts = []
        if whole:
            yield start, whole
