"""Real venvs, real conflicting versions, real failures of uv."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pymonik.environment import builder as module
from pymonik.environment.builder import Built, Environments
from pymonik.environment.parse import parse
from pymonik.environment.value import Environment
from pymonik.environment.venv import layers
from pymonik.errors import EnvironmentBuildError

from .wheels import Index, install_by_hand

VERSION = "import pmk_demo; print(pmk_demo.VERSION)"


def env(*packages: str, **more: Any) -> Environment:
    return parse({"pip": list(packages), **more})


def run(built: Built, program: str) -> str:
    """Run a program the way an executor is started, and return what it prints."""
    done = subprocess.run(
        [built.python, "-c", program],
        env=built.child_environ(),
        cwd=built.working_dir,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def worker(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the worker's own, which has pmk-demo 1.0."""
    folder = tmp_path / "worker"
    install_by_hand(wheels / "pmk_demo-1.0-py3-none-any.whl", folder)
    inherited = os.environ.get("PYTHONPATH")
    path = str(folder) if inherited is None else f"{folder}{os.pathsep}{inherited}"
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.syspath_prepend(folder)
    return folder


def test_what_the_worker_has_costs_nothing(
    worker: Path, host: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    built = host.build(env("pmk-demo>=1", "cloudpickle", env_variables={"A": "1"}))
    assert (built.python, built.venv, built.added) == (sys.executable, None, ())
    assert built.child_environ({}) == {"A": "1"}
    assert not (tmp_path / "cache").exists()


def test_conflicting_versions_run_side_by_side(worker: Path, host: Environments) -> None:
    before = {folder: sorted(os.listdir(folder)) for folder in layers() if os.path.isdir(folder)}
    two, three = host.build(env("pmk-demo==2.0")), host.build(env("pmk-demo==3.0"))
    speak = "import pmk_demo, sys; print(pmk_demo.VERSION, flush=True); sys.stdin.read()"
    children = [
        subprocess.Popen(
            [built.python, "-c", speak],
            env=built.child_environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for built in (two, three)
    ]
    said = [child.stdout.readline().strip() for child in children if child.stdout]
    for child in children:
        child.communicate()
    assert said == ["2.0", "3.0"]
    # The environment wins inside; outside, the worker is what it was.
    assert {folder: sorted(os.listdir(folder)) for folder in before} == before


def test_an_environment_lies_over_the_worker(worker: Path, host: Environments) -> None:
    built = host.build(env("pmk-app"))
    assert built.added == ("pmk-app==1.0",)  # and not pmk-demo, which the worker has
    program = (
        "import pmk_app, pmk_demo, cloudpickle, pymonik, packaging, importlib.metadata as m\n"
        "print(pmk_demo.VERSION, pymonik.__file__, m.version('pmk-demo'), m.version('pmk-app'))"
    )
    import pymonik

    assert run(built, program) == f"1.0 {pymonik.__file__} 1.0 1.0"


def test_the_worker_keeps_its_version_only_where_it_fits(
    worker: Path, host: Environments, wheels: Path
) -> None:
    shutil.rmtree(worker)
    install_by_hand(wheels / "pmk_demo-3.0-py3-none-any.whl", worker)
    built = host.build(env("pmk-strict"))
    assert built.added == ("pmk-demo==2.0", "pmk-strict==1.0")
    assert run(built, VERSION) == "2.0"


def test_a_worker_that_changed_gets_another_venv(
    worker: Path, host: Environments, wheels: Path, tmp_path: Path
) -> None:
    first = host.build(env("pmk-app"))
    shutil.rmtree(worker)
    install_by_hand(wheels / "pmk_demo-3.0-py3-none-any.whl", worker)
    later = Environments(tmp_path / "cache")
    second = later.build(env("pmk-app"))
    later.close()
    assert first.python != second.python


def test_pymonik_is_always_the_workers_own(host: Environments) -> None:
    import pymonik

    # A user's requirements list PymoniK too; another version would not speak this host's frames.
    assert host.build(env("pymonik==0.0.1")).python == sys.executable
    built = host.build(env("pmk-plugin", "pymonik==0.0.1"))
    assert built.added == ("pmk-plugin==1.0",)
    assert run(built, "import pymonik; print(pymonik.__file__)") == pymonik.__file__


def test_scripts_work_after_the_venv_was_moved_into_place(host: Environments) -> None:
    built = host.build(env("pmk-demo==2.0"))
    program = "import subprocess; print(subprocess.check_output('pmk-demo-version', text=True))"
    assert run(built, program) == "2.0"


def test_variables_share_a_venv_and_do_not_mix(host: Environments) -> None:
    one = host.build(env("pmk-demo==2.0", env_variables={"A": "1"}))
    two = host.build(env("pmk-demo==2.0", env_variables={"B": "2"}))
    assert one.python == two.python
    show = "import os; print(os.environ.get('A'), os.environ.get('B'))"
    assert (run(one, show), run(two, show)) == ("1 None", "None 2")


def test_a_venv_is_built_once_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = [Environments(tmp_path / "cache") for _ in range(2)]
    first, again = hosts[0].build(env("pmk-demo==2.0")), hosts[0].build(env("pmk-demo==2.0"))
    # With nothing to install from, the second host can only find it.
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    second = hosts[1].build(env("pmk-demo==2.0"))
    for host in hosts:
        host.close()
    assert again is first
    assert second.python == first.python


def test_a_pinned_hash_is_checked_by_uv(host: Environments) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"(?i)hash mismatch"):
        host.build(env_with_hash("00" * 32))


def test_a_pinned_hash_that_is_right_is_accepted(host: Environments, wheels: Path) -> None:
    import hashlib

    wheel = wheels / "pmk_demo-2.0-py3-none-any.whl"
    built = host.build(env_with_hash(hashlib.sha256(wheel.read_bytes()).hexdigest()))
    assert built.added == ("pmk-demo==2.0",)


def env_with_hash(digest: str) -> Environment:
    return Environment((f"pmk-demo==2.0 --hash=sha256:{digest}",))


def test_a_failure_carries_uvs_own_words(host: Environments, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError) as caught:
        host.build(env("pmk-demo==9"))
    message = str(caught.value)
    assert "pmk-demo==9" in message
    assert "unsatisfiable" in message
    assert not list((tmp_path / "cache" / "environments").glob("entries/*"))
    assert not list((tmp_path / "cache" / "environments").glob("building/*"))


def test_a_failure_is_not_repeated_at_once(
    host: Environments, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    with pytest.raises(EnvironmentBuildError) as first:
        host.build(env("pmk-demo==2.0"))
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    with pytest.raises(EnvironmentBuildError) as second:
        host.build(env("pmk-demo==2.0"))
    assert str(first.value) == str(second.value)
    now = module.time.monotonic() + module.FORGET_FAILURE
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    assert host.build(env("pmk-demo==2.0")).added == ("pmk-demo==2.0",)


def test_a_worker_without_uv_says_so(host: Environments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentBuildError, match="has no uv"):
        host.build(env("pmk-demo==2.0"))


def test_a_uv_that_is_killed_is_an_error_that_says_so(
    host: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "uv"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nkill -9 $$\n")
    fake.chmod(0o755)
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", f"{fake.parent}:/bin:/usr/bin")
    with pytest.raises(EnvironmentBuildError, match="killed by signal 9"):
        host.build(env("pmk-demo==2.0"))


def test_a_demand_for_another_python_is_refused_in_one_sentence(host: Environments) -> None:
    assert host.build(env(python=">=3.10")).python == sys.executable
    with pytest.raises(EnvironmentBuildError, match=r"demands Python >=4, this worker runs 3\."):
        host.build(env(python=">=4"))


def test_the_working_directory_is_each_hosts_own(tmp_path: Path) -> None:
    (tmp_path / "work" / "sub").mkdir(parents=True)
    (tmp_path / "work" / "sub" / "in.txt").write_text("here")
    environment = parse({"working_dir": tmp_path / "work"})
    archive = environment.archive()
    arrived = Environment.from_wire(environment.to_wire())
    file = tmp_path / "archive"
    file.write_bytes(archive)
    hosts = [Environments(tmp_path / "cache") for _ in range(2)]
    one, two = hosts[0].build(arrived, archive), hosts[1].build(arrived, file)
    assert one.python == sys.executable
    assert run(one, "print(open('sub/in.txt').read()); open('out', 'w')") == "here"
    assert one.working_dir is not None
    assert two.working_dir is not None
    assert sorted(os.listdir(one.working_dir)) == ["out", "sub"]
    assert os.listdir(two.working_dir) == ["sub"]
    hosts[0].close()
    assert not os.path.exists(one.working_dir), "a copy goes with its host"
    assert os.path.exists(two.working_dir)
    hosts[1].release(arrived)
    assert not os.path.exists(two.working_dir), "or when nothing lives in it any more"
    hosts[1].close()
    assert list((tmp_path / "cache" / "environments" / "entries").iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"not an archive"])
def test_a_working_directory_that_did_not_arrive_is_an_error(
    host: Environments, tmp_path: Path, content: bytes | None
) -> None:
    (tmp_path / "work").mkdir()
    environment = parse({"working_dir": tmp_path / "work"})
    with pytest.raises(EnvironmentBuildError, match=r"working directory|archive"):
        host.build(environment, content)


def test_a_damaged_working_directory_is_an_error(host: Environments, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    expected = parse({"working_dir": work})
    (work / "more").touch()
    other = parse({"working_dir": work})
    with pytest.raises(EnvironmentBuildError, match="hash differs"):
        host.build(expected, other.archive())


def test_offline_goes_on_with_a_warm_cache(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", index.url)
    online = Environments(tmp_path / "one")
    online.build(env("pmk-demo==2.0"))
    online.close()
    index.close()
    offline = Environments(tmp_path / "two")
    with caplog.at_level(logging.WARNING):
        built = offline.build(env("pmk-demo==2.0"))
    offline.close()
    assert run(built, VERSION) == "2.0"
    assert "cache" in caplog.text
    with pytest.raises(EnvironmentBuildError, match=r"(?i)connect|request|fetch"):
        offline.build(env("pmk-app"))


def test_the_index_that_pip_uses_is_used(
    index: Index, host: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {index.url}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert host.build(env("pmk-demo==2.0")).added == ("pmk-demo==2.0",)
    assert "/simple/pmk-demo/" in index.seen


def test_the_proxy_that_pip_uses_is_used(
    index: Index, host: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    monkeypatch.setenv("PIP_PROXY", index.address.removeprefix("http://"))
    assert host.build(env("pmk-demo==2.0")).added == ("pmk-demo==2.0",)
    assert "http://index.invalid/simple/pmk-demo/" in index.seen


def test_credentials_of_an_index_stay_out_of_messages(
    index: Index, host: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = index.url.replace("http://", "http://joe:hunter2@")
    index.close()
    monkeypatch.setenv("PIP_INDEX_URL", url)
    with pytest.raises(EnvironmentBuildError) as caught:
        host.build(env("pmk-demo==2.0"))
    assert "hunter2" not in str(caught.value)


def test_a_build_that_was_killed_leaves_nothing_broken(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    index.flowing.clear()
    child = subprocess.Popen([sys.executable, "-c", BUILD, str(tmp_path / "cache")])
    try:
        assert index.asked.wait(60)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    index.flowing.set()
    assert list((tmp_path / "cache/environments/building").iterdir())
    host = Environments(tmp_path / "cache")
    built = host.build(env("pmk-demo==2.0"))
    host.close()
    assert run(built, VERSION) == "2.0"


def test_processes_that_race_build_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUILD, str(tmp_path / "cache")]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [racer.communicate(timeout=120)[0].split() for racer in racers]
    assert all(racer.returncode == 0 for racer in racers)
    assert {answer[0] for answer in answers} == {"2.0"}
    assert sum("built" in answer for answer in answers) == 1


BUILD = """
import logging, subprocess, sys
from pathlib import Path
logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stderr)
lines = []
log = logging.getLogger("pymonik.environments")
log.addFilter(lambda record: lines.append(record.getMessage()) or True)
from pymonik.environment.parse import parse
from pymonik.environment.builder import Environments
built = Environments(Path(sys.argv[1])).build(parse({"pip": ["pmk-demo==2.0"]}))
program = "import pmk_demo; print(pmk_demo.VERSION)"
subprocess.run([built.python, "-c", program], env=built.child_environ(), check=True)
print(*["built" for line in lines if line.startswith("built")])
"""
