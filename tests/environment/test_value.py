"""What a user may write as an environment, and what comes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymonik.environment import spec as spec_module
from pymonik.environment.parse import parse
from pymonik.environment.value import Environment, merge, unsatisfied
from pymonik.errors import EnvironmentSpecError, SourceChangedError
from pymonik.files import tree
from pymonik.settings import Settings

from .wheels import install_by_hand, make_wheel


@pytest.mark.parametrize(
    ("written", "packages"),
    [
        (["numpy"], ("numpy",)),
        (["NumPy==2.1"], ("numpy==2.1",)),
        ([("numpy", "==2.1")], ("numpy==2.1",)),
        ([["numpy", ">=1.9,<3"]], ("numpy<3,>=1.9",)),
        ([("uvicorn[standard]", "==1")], ("uvicorn[standard]==1",)),
        ("numpy", ("numpy",)),
        (["Zope.Interface", "a_b"], ("a-b", "zope-interface")),
        (["six", "six", " six "], ("six",)),
        (["six; python_version<'3'"], ('six; python_version < "3"',)),
        (["six @ https://x.test/six.whl"], ("six@ https://x.test/six.whl",)),
        ([], ()),
    ],
)
def test_packages_have_one_spelling(written: Any, packages: tuple[str, ...]) -> None:
    parsed = parse({"pip": written}).packages
    assert tuple(package.replace(" @ ", "@ ") for package in parsed) == packages


INJECTED = "\n--index-url=http://127.0.0.1:9/simple"


@pytest.mark.parametrize(
    "spec",
    [
        {"pip": [f"six @ https://x.test/six.whl{INJECTED}"]},
        {"pip": [("six", f"==1{INJECTED}")]},
        {"pip": ["six @ https://x.test/six.whl\x0b-e."]},
        {"pip": ["six===1\x1b[2J"]},
        {"python": "===3\x1b"},
        {"env_variables": {"A\nB": "1"}},
        {"env_variables": {"A": "1\0"}},
        {"env_variables": {"A": "\ud800"}},
    ],
)
def test_what_becomes_an_option_has_no_control_characters(spec: Any) -> None:
    with pytest.raises(EnvironmentSpecError, match=r"control character|not a version"):
        parse(spec)


def test_what_arrives_is_checked_like_what_is_written() -> None:
    version, _, *rest = Environment().to_wire()
    with pytest.raises(ValueError, match="control character"):
        Environment.from_wire((version, (f"six{INJECTED}",), *rest))


@pytest.mark.parametrize("value", [["s3cr3t"], {"s3cr3t"}, b"\xffs3cr3t", "s3cr3t\0"])
def test_values_of_variables_and_credentials_are_in_no_message(value: Any) -> None:
    for spec in (
        {"env_variables": {"A": value}},
        {"env_variables": value},
        {"pip": ["six @ https://joe:s3cr3t@x.test/six.whl\n"]},
        {"pip": ["six @@ https://joe:s3cr3t@x.test/six.whl"]},
        {"python": "https://joe:s3cr3t@x.test"},
        {"python": {"A": "s3cr3t"}},
        {"working_dir": "https://joe:s3cr3t@x.test"},
        {"working_dir": {"A": "s3cr3t"}},
    ):
        with pytest.raises(EnvironmentSpecError) as told:
            parse(spec)
        assert "s3cr3t" not in str(told.value)
    given = {"pip": ["six @ https://joe:s3cr3t@x.test/six.whl"], "env_variables": {"A": "s3cr3t"}}
    assert "s3cr3t" not in repr(parse(given))


@pytest.mark.parametrize(
    "spec",
    [
        {"working_dir": "~nobody-of-this-name/x"},
        {"working_dir": "a\0b"},
        {"pip": ["~nobody-of-this-name/x.txt"]},
        {"pip": ["a\0b.txt"]},
        {"pip": ["six; " + "(" * 20_000]},
        {"pip": [{}]},
        {"python": "<" * 5000},
        {"env_variables": {1: 10**5000}},
        {3: 4},
        {"python": 10**5000},
        {"pip": ["/dev/zero"]},
        {"pip": ["x" * 99_999 + "!"]},
        {"working_dir": "/" + "x" * 99_999},
    ],
)
def test_a_spec_that_is_none_is_one_error(spec: Any) -> None:
    with pytest.raises(EnvironmentSpecError, match="bad environment") as told:
        parse(spec)
    assert len(str(told.value)) < 10_000


def test_nothing_is_waited_for_by_a_spec(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "wanted.txt")
    with pytest.raises(EnvironmentSpecError, match="no regular file"):
        parse({"pip": [tmp_path / "wanted.txt"]})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to("link")
    with pytest.raises(EnvironmentSpecError, match="'working_dir'"):
        parse({"working_dir": tmp_path / "folder"})


@pytest.mark.parametrize("nothing", [None, {}, {"pip": []}, Environment()])
def test_nothing_asked_for_is_the_empty_environment(nothing: Any) -> None:
    assert parse(nothing) == Environment()
    assert not parse(nothing)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"pips": []}, ["'pips'", "did you mean 'pip'", "'env_variables'", "'working_dir'"]),
        ({"mount": ["x"]}, ["'mount'", "'pip'", "'env_variables'", "'working_dir'", "'python'"]),
        ({"pip": ["numpy=2"]}, ["'numpy=2'", "'numpy==2.1'"]),
        ({"pip": ["a b"]}, ["'a b'"]),
        ({"pip": [3]}, ["3 is not a package", "('numpy', '==2.1')"]),
        ({"pip": 3}, ["list", "int"]),
        ({"pip": [("numpy", "2.1")]}, ["'2.1'", "'numpy'", "'==2.1'"]),
        ({"pip": [("numpy", "==1", "x")]}, ["('numpy', '==1', 'x')"]),
        ({"pip": ["missing.txt"]}, ["missing.txt", "cannot be read"]),
        ({"env_variables": {"A": None}}, ["['env_variables']['A']", "None"]),
        ({"env_variables": {"A": True}}, ["['env_variables']['A']", "True"]),
        ({"env_variables": {"A=B": "x"}}, ["'A=B'"]),
        ({"env_variables": {"": "x"}}, ["''"]),
        ({"env_variables": {"A": "x\0"}}, ["'A'", "NUL"]),
        ({"env_variables": {"A": "x\ud800"}}, ["'A'", "surrogate"]),
        ({"env_variables": ["A"]}, ["['env_variables']", "dictionary"]),
        ({"working_dir": "/no/such/folder"}, ["['working_dir']", "no folder '/no/such/folder'"]),
        ({"working_dir": 3}, ["['working_dir']", "3"]),
        ({"python": "new"}, ["'new'", "'>=3.10'"]),
        ({"python": 3.1}, ["['python']", "3.1", "float"]),
        ([("pip", [])], ["list", "'pip'"]),
        ([], ["list", "'pip'"]),
        ("numpy", ["str", "'pip'"]),
    ],
)
def test_what_is_wrong_is_named(spec: Any, words: list[str]) -> None:
    with pytest.raises(EnvironmentSpecError) as caught:
        parse(spec)
    assert isinstance(caught.value, ValueError)
    for word in words:
        assert word in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(EnvironmentSpecError) as caught:
        parse({"pip": ["a b"], "python": "new", "extra": 1})
    assert all(word in str(caught.value) for word in ("'a b'", "'new'", "'extra'"))


@pytest.mark.parametrize(
    ("written", "specifier"),
    [(">=3.10", ">=3.10"), ("3.11", "==3.11.*"), ("3", "==3.*"), ("3.11.7", "==3.11.7"), ("", "")],
)
def test_a_bare_python_version_means_that_version(written: str, specifier: str) -> None:
    assert parse({"python": written}).python == specifier


def test_numbers_are_written_out_as_variables() -> None:
    environment = parse({"env_variables": {"B": 4, "A": "x"}})
    assert environment.variables == (("A", "x"), ("B", "4"))


def test_a_requirements_file_is_read_as_pip_reads_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "base.txt").write_text("NumPy\n")
    (tmp_path / "all.txt").write_text(
        "\ufeff# a comment\n-r sub/base.txt\n\nsix == 1.16 \\\n   # pinned\nscipy>=1.11  # fast\n"
        "attrs @ https://x.test/a.whl#sha256=abc\n",
        "utf-8",
    )
    packages = parse({"pip": ["all.txt", Path("sub/base.txt")]}, tmp_path).packages
    assert [package.partition("@")[0].strip() for package in packages] == [
        "attrs",
        "numpy",
        "scipy>=1.11",
        "six==1.16",
    ]


def test_hashes_of_a_requirements_file_stay_with_their_packages(tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text("six==1.16 \\\n  --hash=sha256:bb \\\n  --hash=sha256:aa\n")
    (package,) = parse({"pip": "all.txt"}, tmp_path).packages
    assert package == "six==1.16 --hash=sha256:aa --hash=sha256:bb"


@pytest.mark.parametrize(
    ("line", "word"),
    [("-e .", "-e ."), ("--index-url https://x.test", "UV_"), ("six=1", "'six=1'"), ("./x", "./x")],
)
def test_a_bad_line_is_named_with_its_file_and_number(tmp_path: Path, line: str, word: str) -> None:
    (tmp_path / "all.txt").write_text(f"six \\\n\n\n{line}\n")
    with pytest.raises(EnvironmentSpecError, match=r"all\.txt, line 4") as caught:
        parse({"pip": "all.txt"}, tmp_path)
    assert word in str(caught.value)


def test_a_requirements_file_that_includes_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("-r a.txt\n")
    with pytest.raises(EnvironmentSpecError, match="includes itself"):
        parse({"pip": "a.txt"}, tmp_path)


def test_the_digest_is_that_of_the_demands() -> None:
    one = parse({"pip": ["six", "NumPy"], "env_variables": {"A": "1", "B": "2"}})
    two = parse({"env_variables": {"B": 2, "A": 1}, "pip": ("numpy", "six")})
    assert (one, one.digest, hash(one)) == (two, two.digest, hash(two))
    # The same on every machine, Python and run: a worker's cache and a client's must agree.
    assert one.digest == "3c1c838b5cd410339991ee5b6d50bde10a655d04"
    assert one.digest != parse({"pip": ["numpy", "six"]}).digest


def test_an_environment_survives_the_wire(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    spec = {"pip": ["six"], "env_variables": {"A": "é"}, "working_dir": tmp_path, "python": ">=3"}
    environment = parse(spec)
    arrived = Environment.from_wire(environment.to_wire())
    assert arrived == environment
    assert arrived.digest == environment.digest
    assert str(tmp_path) not in repr(environment.to_wire())


def test_repr_helps_and_keeps_secrets() -> None:
    spec = {"pip": ["six==1.16"], "env_variables": {"TOKEN": "hunter2"}, "python": ">=3.10"}
    assert repr(parse(spec)) == ("Environment(six==1.16, variables: TOKEN, python>=3.10)")
    assert repr(Environment()) == "Environment()"


def test_the_task_wins_package_by_package() -> None:
    client = parse(
        {"pip": ["six==1.15", "numpy"], "env_variables": {"A": 1, "B": 1}, "python": ">=3.8"}
    )
    task = parse({"pip": ["six==1.16"], "env_variables": {"B": 2}})
    assert merge(client, task) == parse(
        {"pip": ["six==1.16", "numpy"], "env_variables": {"A": 1, "B": 2}, "python": ">=3.8"}
    )


_environments = st.builds(
    lambda packages, variables, python: parse(
        {"pip": packages, "env_variables": variables, "python": python}
    ),
    st.lists(st.sampled_from(["a", "a==1", "b>2", "b", "c[x]", "c; python_version>'3'"])),
    st.dictionaries(st.sampled_from("ABC"), st.sampled_from("123")),
    st.sampled_from(["", ">=3.10"]),
)


@given(_environments, _environments, _environments)
def test_merging_is_a_lawful_layering(x: Environment, y: Environment, z: Environment) -> None:
    assert merge(x, Environment()) == x == merge(Environment(), x) == merge(x, x)
    assert merge(merge(x, y), z) == merge(x, merge(y, z))


def test_a_working_directory_is_named_by_what_is_in_it(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        (folder / "pkg").mkdir(parents=True)
        (folder / "pkg" / "m.py").write_text("x = 1")
    (two / "__pycache__").mkdir()
    (two / ".git").mkdir()
    (two / "env").mkdir()
    (two / "env" / "pyvenv.cfg").touch()
    parsed = [parse({"working_dir": name}, tmp_path) for name in ("one", "two")]
    assert parsed[0] == parsed[1]
    assert parsed[0].archive() == parsed[1].archive() != b""
    (one / "pkg" / "m.py").write_text("x = 2")
    assert parse({"working_dir": one}) != parsed[0]
    with pytest.raises(SourceChangedError, match="one"):
        parsed[0].archive()


def test_a_working_directory_with_a_link_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "data").symlink_to("/etc")
    with pytest.raises(EnvironmentSpecError, match="data"):
        parse({"working_dir": tmp_path / "work"})


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    requires = [
        "pmk-y>=2; extra == 'more'",
        "pmk-x[more]; extra == 'more'",
        "pmk-none; extra == 'all'",
    ]
    install_by_hand(make_wheel(tmp_path, "pmk-x", "1.5rc1", requires), folder)
    return folder


@pytest.mark.parametrize(
    ("requirement", "met"),
    [
        ("pmk-x", True),
        ("pmk-x==1.5rc1", True),
        ("pmk-x>=1.4,<2", True),
        ("pmk-x>=2", False),
        ("pmk-none", False),
        ("pmk-none; python_version<'3'", True),
        ("pmk-x[more]", False),
        ("pmk-x[other]", True),
        ("pmk-x @ https://x.test/pmk_x.whl", False),
        ("pmk-x==1.5rc1 --hash=sha256:00", True),
    ],
)
def test_what_the_interpreter_has_is_found_out(on_path: Path, requirement: str, met: bool) -> None:
    assert unsatisfied([requirement]) == ([] if met else [requirement])


def test_an_extra_is_met_when_what_it_asks_for_is(on_path: Path, tmp_path: Path) -> None:
    install_by_hand(make_wheel(tmp_path, "pmk-y", "1.0"), on_path)
    assert unsatisfied(["pmk-x[more]"]) == ["pmk-x[more]"]
    install_by_hand(make_wheel(tmp_path, "pmk-z", "1.0"), on_path)
    (on_path / "pmk_y-1.0.dist-info" / "METADATA").write_text("Name: pmk-y\nVersion: 2.1\n")
    assert unsatisfied(["pmk-x[more]"]) == []


def test_an_archive_installed_from_a_url_is_met_by_the_same_url(on_path: Path) -> None:
    record = on_path / "pmk_x-1.5rc1.dist-info" / "direct_url.json"
    record.write_text('{"url": "https://x.test/pmk_x.whl", "archive_info": {}}')
    wanted = ["pmk-x @ https://x.test/pmk_x.whl", "pmk-x @ https://x.test/other.whl"]
    assert unsatisfied(wanted) == wanted[1:]


def test_asking_for_nothing_imports_nothing() -> None:
    program = (
        "import sys\n"
        "from pymonik.environment.parse import parse\n"
        "from pymonik.environment.value import Environment, unsatisfied, merge\n"
        "import pymonik.files.materialize\n"
        "e = parse({}); e.digest; merge(e, Environment.from_wire(e.to_wire()))\n"
        "unsatisfied([])\n"
        "heavy = {'pydantic', 'packaging', 'zipfile', 'importlib.metadata', 'subprocess'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_folder_that_is_no_path_is_named() -> None:
    with pytest.raises(EnvironmentSpecError, match="3 is not the path of a folder"):
        parse({"working_dir": 3})


class Rude:
    """Raises what ends programs, wherever it is looked at."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def look(self, *_: Any) -> Any:
        raise self.error

    __str__ = __repr__ = __iter__ = __fspath__ = __hash__ = look


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, AttributeError])
def test_what_objects_of_an_environment_raise_ends_no_program(error: type[BaseException]) -> None:
    class Keys(dict[str, Any]):
        def items(self) -> Any:
            raise error

    for spec in (Keys(pip=[]), {"pip": Rude(error)}, {"env_variables": {"A": Rude(error)}}):
        with pytest.raises(EnvironmentSpecError, match="bad environment"):
            parse(spec)


def test_a_signal_amid_the_look_at_an_environment_comes_behind_it() -> None:
    class Interrupted(Exception):
        pass

    def interrupt(*_: Any) -> None:
        raise Interrupted

    class Keys(dict[str, Any]):
        def items(self) -> Any:
            signal.raise_signal(signal.SIGUSR1)
            return super().items()

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(Interrupted):
            parse(Keys(python=">=3.10"))
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("limit", ["bytes", "members"])
def test_a_folder_that_is_too_much_is_told_before_a_file_of_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """As a home is: hashing it takes minutes."""
    for number in range(3):
        (tmp_path / str(number)).write_bytes(b"x" * 100)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "large").write_bytes(b"x" * 100)
    if limit == "bytes":
        monkeypatch.setattr(spec_module, "settings", lambda: Settings(capture_limit=299))
    else:
        monkeypatch.setattr(tree, "MOST_MEMBERS", 2)
    monkeypatch.setattr(tree, "_file_digest", None)
    found = r"more than (299 B|2 files and folders).*materialize"
    with pytest.raises(EnvironmentSpecError, match=found):
        parse({"working_dir": tmp_path})


def test_a_folder_that_is_not_too_much_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 300)
    monkeypatch.setattr(spec_module, "settings", lambda: Settings(capture_limit=300))
    monkeypatch.setattr(tree, "MOST_MEMBERS", 1)
    assert parse({"working_dir": tmp_path}).working_hash


def test_no_password_in_the_name_of_a_folder_is_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "joe:s3cr3t@host"
    folder.mkdir()
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(EnvironmentSpecError) as refused:
        parse({"working_dir": folder})
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__cause__ is None
    (folder / "link").unlink()
    assert "s3cr3t" not in repr(parse({"working_dir": folder}))
