"""What a worker image is made of is there, and fits the project."""

from __future__ import annotations

import re

import pytest

from tests.conftest import REPOSITORY

WORKER = REPOSITORY / "worker"
DOCKERFILE = (WORKER / "Dockerfile").read_text(encoding="utf-8")
COPIED = [
    source
    for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE)
    for source in line.split()[:-1]
]


@pytest.mark.parametrize("source", COPIED)
def test_what_the_image_copies_is_in_the_project(source: str) -> None:
    assert (REPOSITORY / source).exists()


def test_what_the_package_is_built_of_is_copied() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    readme = re.findall(r'^readme = "(.*)"$', project, re.MULTILINE)
    assert {"pyproject.toml", *readme, "LICENSE", "pymonik"} <= set(COPIED)


def test_it_runs_as_the_user_of_the_pods() -> None:
    assert "--uid 5000" in DOCKERFILE
    assert "--gid 5000" in DOCKERFILE
    assert DOCKERFILE.index("USER armonikuser") > DOCKERFILE.index("chown armonikuser")
    assert 'ENTRYPOINT ["python", "main.py"]' in DOCKERFILE


def test_the_partition_is_well_formed_and_named_as_clients_expect() -> None:
    text = (WORKER / "partition.tfvars").read_text(encoding="utf-8")
    text = re.sub(r"#.*", "", text)
    for left, right in ("{}", "[]"):
        assert text.count(left) == text.count(right)
    assert re.search(r"compute_plane\s*=\s*{\s*pymonik\s*=\s*{", text)
    for key in ("replicas", "socket_type", "polling_agent", "worker", "hpa"):
        assert re.search(rf"^\s*{key}\s*=", text, re.MULTILINE), key
