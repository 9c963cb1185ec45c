"""Compares requirements with what the running interpreter has.

In: canonical requirement strings. Out: whether they are met, and the names and versions of all that
is installed. Installs nothing.
"""

from __future__ import annotations

import json
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


def meets(text: str) -> bool:
    """Return whether the running interpreter meets one requirement, extras included."""
    return _meets(Requirement(text.partition(" --hash=")[0]), "", set())


def installed() -> dict[str, str]:
    """Return canonical name → version of what can be imported here; the first on the path wins."""
    versions: dict[str, str] = {}
    for distribution in metadata.distributions():
        name, version = distribution.metadata["Name"], distribution.version
        if name and _is_version(version):
            versions.setdefault(canonicalize_name(name), version)
    return versions


def _meets(requirement: Requirement, extra: str, seen: set[tuple[str, str]]) -> bool:
    if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
        return True
    try:
        distribution = metadata.distribution(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    if requirement.url:
        return _archive_url(distribution) == requirement.url
    if not _is_version(distribution.version):
        return False
    if not requirement.specifier.contains(distribution.version, prereleases=True):
        return False
    return all(_meets_extra(distribution, name, seen) for name in requirement.extras)


def _meets_extra(
    distribution: metadata.Distribution, extra: str, seen: set[tuple[str, str]]
) -> bool:
    """Return whether all is installed that a distribution asks for under `extra`."""
    key = (canonicalize_name(distribution.metadata["Name"]), canonicalize_name(extra))
    if key in seen:
        return True
    seen.add(key)
    for text in distribution.requires or ():
        try:
            needed = Requirement(text)
        except InvalidRequirement:
            return False
        optional = needed.marker is not None and not needed.marker.evaluate({"extra": ""})
        if optional and not _meets(needed, extra, seen):
            return False
    return True


def _archive_url(distribution: metadata.Distribution) -> str | None:
    """Return the URL a distribution came from, if an archive: folders and repositories move on."""
    record = json.loads(distribution.read_text("direct_url.json") or "{}")
    url: str | None = record.get("url") if "archive_info" in record else None
    return url


def _is_version(text: str | None) -> bool:
    try:
        return bool(text and Version(text))
    except InvalidVersion:
        return False
