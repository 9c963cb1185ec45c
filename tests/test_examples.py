"""The examples and the README's snippets run, and say what they promise.

The value-at-risk example must print the same figures however its calls were spread; what it
computes is checked against closed forms.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import NormalDist
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
README = (ROOT / "README.md").read_text(encoding="utf-8")
_FOUND = re.findall(r"```python\n(.*?)```\s+(?:```text\n(.*?)```)?", README, re.DOTALL)
# Those that pytest runs, in a project whose `conftest.py` is as the README says, and all others.
TESTS = [snippet for snippet, _ in _FOUND if "def test_" in snippet]
SNIPPETS = [found for found in _FOUND if found[0] not in TESTS]


def run(*arguments: str | Path, backend: str = "local", cwd: Path | None = None) -> str:
    """Run Python on these arguments as a user would; return what it prints."""
    environment = {**os.environ, "PYMONIK_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def figures(*arguments: str, backend: str = "local") -> Any:
    """Give the risk figures that the example computes from a few scenarios."""
    script = EXAMPLES / "value_at_risk.py"
    return json.loads(run(script, "--json", "--scenarios", "2000", *arguments, backend=backend))


@pytest.mark.parametrize("backend", ["local", pytest.param("inline", marks=pytest.mark.thorough)])
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("adaptive_vector_addition.py", "4096 numbers added, equal to NumPy's: True\n"),
        ("stencil.py", "1000 calls, equal to one rod: True\n"),
        (
            "subtasking.py",
            "the integral of sin(1/x) from 0.05 to 1 is 0.502840, from 59 intervals\n",
        ),
        (
            "tree_reduction.py",
            "1048576 numbers: mean 1000000.000, standard deviation 0.9993\n",
        ),
    ],
)
def test_an_example_says_what_it_promises(script: str, said: str, backend: str) -> None:
    assert run(EXAMPLES / script, backend=backend) == said


@pytest.mark.parametrize(("snippet", "said"), SNIPPETS)
def test_a_snippet_of_the_readme_prints_what_the_readme_says(
    snippet: str, said: str, tmp_path: Path
) -> None:
    script = tmp_path / "snippet.py"
    script.write_text(snippet, encoding="utf-8")
    assert run(script, cwd=tmp_path) == said


def test_a_test_of_the_readme_passes_with_its_conftest(tmp_path: Path) -> None:
    (conftest,) = re.findall(r"^`(pytest_plugins = .*)`:$", README, re.MULTILINE)
    (test,) = TESTS
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "test_readme.py").write_text(test, encoding="utf-8")
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, "-c", os.devnull)
    done = run("-m", "pytest", *options, "test_readme.py", backend="", cwd=tmp_path)
    assert "1 passed" in done


def test_the_readme_has_snippets() -> None:
    assert len(SNIPPETS) >= 4


@pytest.fixture(scope="module")
def expected() -> Any:
    """The risk figures as the compiler and all cores give them."""
    return figures()


# Each computes two sets of figures; a loaded machine takes long.
@pytest.mark.thorough
@pytest.mark.timeout(540)
@pytest.mark.parametrize(
    ("arguments", "backend"),
    [
        ((), "inline"),
        pytest.param((), "local", marks=pytest.mark.thorough),
        pytest.param(("--no-optimize",), "local", marks=pytest.mark.thorough),
        pytest.param(("--workers", "1"), "local", marks=pytest.mark.thorough),
        pytest.param(("--workers", "3"), "local", marks=pytest.mark.thorough),
    ],
)
def test_the_risk_does_not_depend_on_how_the_work_was_spread(
    arguments: tuple[str, ...], backend: str, expected: Any
) -> None:
    assert figures(*arguments, backend=backend) == expected


@pytest.mark.thorough
@pytest.mark.timeout(540)
def test_another_seed_gives_other_figures_within_their_errors(expected: Any) -> None:
    for one, other in zip(expected, figures("--seed", "7"), strict=True):
        assert one["shortfall"] != other["shortfall"]
        error = np.hypot(one["shortfall_error"], other["shortfall_error"])
        assert abs(one["shortfall"] - other["shortfall"]) < 4 * error


def test_the_risk_table_fits_a_terminal_and_shows_every_horizon() -> None:
    script = EXAMPLES / "value_at_risk.py"
    lines = run(script, "--scenarios", "500", backend="inline").splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert sum(bool(re.match(r"│ +(1|10) │ 9", line)) for line in lines) == 6


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The example as a module, its tasks called plainly."""
    spec = importlib.util.spec_from_file_location("value_at_risk", EXAMPLES / "value_at_risk.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def market(example: ModuleType) -> Any:
    """The market at the end of the sample."""
    closes = [source.load()["Adj Close"] for source in (example.sp500, example.nasdaq)]
    spot = np.array([series.iloc[-1] for series in closes])
    return example.align([example.calibrate(series) for series in closes], spot)


def test_the_residuals_have_neither_mean_nor_volatility_left(market: Any) -> None:
    assert market.residuals.shape == (5030, 2)
    assert np.allclose(market.residuals.mean(axis=0), 0)
    assert np.allclose(market.residuals.std(axis=0), 1)
    assert np.all(market.persistence < 1)


def test_simulated_variances_average_what_the_model_forecasts(
    example: ModuleType, market: Any
) -> None:
    blocks = [example.simulate(market, 1, block) for block in range(20)]
    last = np.concatenate([scenarios.variance[-1] for scenarios in blocks])
    kept = market.persistence ** max(example.HORIZONS)
    level = market.omega / (1 - market.persistence)
    forecast = level + (market.variance - level) * kept
    assert np.all(np.abs(last.mean(axis=0) - forecast) < 4 * last.std(axis=0) / np.sqrt(len(last)))


def test_calls_less_puts_are_worth_the_forward(example: ModuleType, market: Any) -> None:
    book = example.options(market.spot)
    parity = example.replace(book, quantity=book.sign)
    value = parity.value(market, market.spot[None], market.variance[None], 0)
    forwards = market.spot[book.index] - book.strike * np.exp(-example.RATE * book.days / 252)
    for i in range(2):  # each forward once for its call and once for its put
        assert value[0, i] == pytest.approx(forwards[book.index == i].sum() / 2)


def test_a_hedged_book_has_no_delta(example: ModuleType, market: Any) -> None:
    book = example.hedged(example.options(market.spot), market)
    step = 0.001 * market.spot
    spot = np.stack([market.spot - step, market.spot + step])
    below, above = book.value(market, spot, np.stack([market.variance] * 2), 0)
    assert np.allclose((above - below) / (2 * step), 0, atol=1e-6)


def test_the_shortfall_is_the_sum_of_its_parts(example: ModuleType) -> None:
    losses = np.random.default_rng(1).standard_t(4, size=(1003, 2)).round(1)  # with ties
    for level in example.LEVELS:
        found = example.risk(losses, 1, level)
        assert sum(found.parts) == pytest.approx(found.shortfall)
        assert found.shortfall > found.var


@pytest.mark.parametrize("level", [0.95, 0.975, 0.99])
def test_normal_losses_have_normal_risk_and_honest_errors(
    example: ModuleType, level: float
) -> None:
    rng = np.random.default_rng(3)
    normal = NormalDist()
    var = normal.inv_cdf(level)
    shortfall = normal.pdf(var) / (1 - level)
    half = rng.normal(scale=np.sqrt(0.5), size=(400, 5000, 2))  # two parts of variance one half
    runs = [example.risk(losses, 1, level) for losses in half]
    for name, exact in (("var", var), ("shortfall", shortfall)):
        found = np.array([getattr(one, name) for one in runs])
        claimed = np.mean([getattr(one, f"{name}_error") for one in runs])
        assert np.mean(found) == pytest.approx(exact, rel=0.01)
        assert claimed == pytest.approx(found.std(), rel=0.15)
