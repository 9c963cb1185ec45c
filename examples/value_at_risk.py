"""Value at risk and expected shortfall of an option book on the S&P 500 and the NASDAQ.

Enters: daily closes of both indices, 1999 to 2018, shipped with the package `arch`. Leaves: tables
of the risk figures on stdout, and on stderr what the compiler made of the program.

The method is filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper, 1999, "VaR
without correlations for portfolios of non-linear securities", Journal of Futures Markets 19): a
GARCH model takes the volatility out of each series, whole days of what is left are drawn again,
which keeps the fat tails and what the indices do together, and the models put the volatility of
today back. The book is revalued in full in every scenario.

Every block of scenarios has a random stream of its own, derived from the seed and the number of the
block. How calls were fused, batched and spread over workers therefore cannot change a figure.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from arch.data import nasdaq, sp500
from arch.univariate import arch_model
from rich.console import Console
from rich.table import Table
from scipy.special import ndtr
from threadpoolctl import threadpool_limits

from pymonik import Pymonik, ResultHandle, task
from pymonik.plan.plan import Plan

Array = npt.NDArray[np.float64]

INDICES = ("S&P 500", "NASDAQ")
HORIZONS = (1, 10)  # trading days
LEVELS = (0.95, 0.975, 0.99)
YEAR = 252  # trading days
RATE = 0.025  # a year: three-month Treasury bills at the end of the sample
SMILE = 0.10  # relative rise of implied volatility, a standard deviation below the forward
BLOCK = 500  # scenarios a call


# What the market is, and how it moves.


@dataclass(frozen=True)
class Garch:
    """A GJR-GARCH(1,1) of one index, in percent a day."""

    mean: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    variance: float  # of the next day
    residuals: pd.Series  # by date, mean 0 and variance 1


@dataclass(frozen=True)
class Market:
    """The models of all indices side by side: the last axis of each array is `INDICES`."""

    spot: Array
    mean: Array
    omega: Array
    alpha: Array
    gamma: Array
    beta: Array
    variance: Array
    residuals: Array  # (days, indices): a row is one day

    @property
    def persistence(self) -> Array:
        """Give the part of a variance's distance to its long-run level that is left a day later."""
        downside = np.mean(self.residuals**2 * (self.residuals < 0), axis=0)
        return self.alpha + self.beta + self.gamma * downside

    def volatility(self, index: npt.NDArray[np.intp], variance: Array, days: Array) -> Array:
        """Give the volatility a year expected until `days` from now; all arguments broadcast.

        From the mean of the variances that the model forecasts for these days, in closed form.
        """
        kept = self.persistence[index]
        level = self.omega[index] / (1 - kept)
        mean = level + (variance - level) * (1 - kept**days) / (days * (1 - kept))
        return np.sqrt(YEAR * mean) / 100


@task
def calibrate(closes: pd.Series) -> Garch:
    """Fit the model of Glosten, Jagannathan and Runkle (1993, Journal of Finance 48) to a series.

    By Gaussian quasi-maximum likelihood: it is consistent whatever the law of the residuals
    (Bollerslev and Wooldridge, 1992), which filtered historical simulation leaves open.
    """
    returns = 100 * np.log(closes).diff().dropna()
    model = arch_model(returns, mean="Constant", vol="GARCH", p=1, o=1, q=1)
    with threadpool_limits(1):  # the last digits of linear algebra depend on its threads
        fit = model.fit(disp="off")
    mean, omega, alpha, gamma, beta = fit.params.to_list()
    variance = float(fit.forecast(horizon=1).variance.iloc[-1, 0])
    z = fit.std_resid
    return Garch(mean, omega, alpha, gamma, beta, variance, (z - z.mean()) / z.std(ddof=0))


@task
def align(models: list[Garch], spot: Array) -> Market:
    """Put the models side by side, on the days on which all indices traded."""
    names = ("mean", "omega", "alpha", "gamma", "beta", "variance")
    columns = {name: np.array([getattr(model, name) for model in models]) for name in names}
    residuals = pd.concat([model.residuals for model in models], axis=1, join="inner")
    return Market(spot, **columns, residuals=residuals.to_numpy())


# What the book is, and what it is worth.


@dataclass(frozen=True)
class Book:
    """European options, an entry of each array an option, and the indices held against them."""

    index: npt.NDArray[np.intp]  # position of the underlying in `INDICES`
    strike: Array
    days: Array  # trading days to expiry
    sign: Array  # 1 a call, -1 a put
    quantity: Array
    hedge: Array  # units of each index

    def value(self, market: Market, spot: Array, variance: Array, elapsed: int) -> Array:
        """Give what each index contributes to the value; arguments and value: (scenarios, indices).

        Black and Scholes (1973). The volatility at the money is what the model of the index expects
        until expiry, so it moves with the scenario; the smile sticks to standardized moneyness.
        """
        days = self.days - elapsed
        years = days / YEAR
        now = spot[:, self.index]
        strike = self.strike * np.exp(-RATE * years)
        at_the_money = market.volatility(self.index, variance[:, self.index], days)
        moneyness = np.log(now / strike)
        deviation = at_the_money * np.sqrt(years)
        deviation *= np.exp(SMILE * moneyness / deviation)
        up = moneyness / deviation + deviation / 2
        price = now * ndtr(self.sign * up) - strike * ndtr(self.sign * (up - deviation))
        worth = price * (self.sign * self.quantity)
        options = [worth[:, self.index == i].sum(axis=1) for i in range(len(INDICES))]
        return np.stack(options, axis=1) + spot * self.hedge


def options(spot: Array) -> Book:
    """Give a volatility seller's book: short near the money, long the wings, in equal notionals."""
    moneyness = np.linspace(0.8, 1.2, 17)
    days = np.array([21.0, 42, 63, 126, 189, 252])
    sign = np.array([1.0, -1.0])
    grid = np.meshgrid(np.arange(len(spot)), moneyness, days, sign, indexing="ij")
    index, moneyness, days, sign = (axis.ravel() for axis in grid)
    notional = np.where(np.abs(moneyness - 1) < 0.06, -1_000_000, 500_000)
    strike = moneyness * spot[index]
    return Book(index, strike, days, sign, notional / spot[index], np.zeros(len(spot)))


@task
def hedged(book: Book, market: Market) -> Book:
    """Hold as much of each index as makes the book's delta zero, smile included."""
    step = 0.001 * market.spot
    spot = np.stack([market.spot - step, market.spot + step])
    below, above = book.value(market, spot, np.stack([market.variance] * 2), 0)
    return replace(book, hedge=book.hedge - (above - below) / (2 * step))


# The risk.


@dataclass(frozen=True)
class Scenarios:
    """Index levels and next day's variances at each horizon: (horizons, scenarios, indices)."""

    spot: Array
    variance: Array


@task
def simulate(market: Market, seed: int, block: int) -> Scenarios:
    """Draw the scenarios of one block: days of the past, scaled by the volatility on the way."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block,)))
    drawn = rng.integers(len(market.residuals), size=(max(HORIZONS), BLOCK))
    variance = np.tile(market.variance, (BLOCK, 1))
    growth = np.zeros_like(variance)
    spots, variances = [], []
    for day, rows in enumerate(drawn, start=1):
        shock = np.sqrt(variance) * market.residuals[rows]
        growth += market.mean + shock
        response = market.alpha + market.gamma * (shock < 0)
        variance = market.omega + response * shock**2 + market.beta * variance
        if day in HORIZONS:
            spots.append(market.spot * np.exp(growth / 100))
            variances.append(variance)
    return Scenarios(np.stack(spots), np.stack(variances))


@task
def revalue(book: Book, market: Market, scenarios: Scenarios) -> Array:
    """Give what the book loses, (horizons, scenarios, indices)."""
    today = book.value(market, market.spot[None], market.variance[None], 0)
    moves = zip(HORIZONS, scenarios.spot, scenarios.variance, strict=True)
    return np.stack([today - book.value(market, *move, days) for days, *move in moves])


@dataclass(frozen=True)
class Risk:
    """The risk at one horizon and level, in dollars, with Monte Carlo standard errors."""

    horizon: int
    level: float
    var: float
    var_error: float
    shortfall: float
    shortfall_error: float
    parts: tuple[float, ...]  # the shortfall by index


def risk(losses: Array, horizon: int, level: float) -> Risk:
    """Measure `losses`, (scenarios, indices). The errors are those of the simulation alone.

    Value at risk is the empirical quantile; its error comes from the order statistics one binomial
    deviation to either side, whatever the law of the losses. The shortfall is that of Acerbi and
    Tasche (2002), an atom at the quantile counted in part; the influence function gives its error.
    The parts are the indices' mean losses in the tail (Tasche, 1999): they add up to the shortfall.
    """
    total = losses.sum(axis=1)
    n = len(total)
    ordered = np.sort(total)
    rank = int(np.ceil(n * level)) - 1
    var = ordered[rank]
    reach = int(np.ceil(np.sqrt(n * level * (1 - level))))
    high, low = ordered[min(rank + reach, n - 1)], ordered[max(rank - reach, 0)]
    tail = n * (1 - level)
    beyond, at = total > var, total == var
    atom = losses[at].mean(axis=0) * (tail - beyond.sum())
    parts = (losses[beyond].sum(axis=0) + atom) / tail
    excess = np.maximum(total - var, 0)
    error = excess.std() / np.sqrt(n) / (1 - level)
    figures = (var, (high - low) / 2, parts.sum(), error)
    return Risk(horizon, level, *map(float, figures), tuple(parts.tolist()))


@task
def measure(blocks: list[Array]) -> list[Risk]:
    """Measure the risk at every horizon and level from the losses of all blocks."""
    losses = np.concatenate(blocks, axis=1)
    pairs = zip(HORIZONS, losses, strict=True)
    return [risk(loss, horizon, level) for horizon, loss in pairs for level in LEVELS]


def value_at_risk(
    scenarios: int, seed: int
) -> tuple[ResultHandle[Market], ResultHandle[Book], ResultHandle[list[Risk]]]:
    """Record the whole calculation with the current client; nothing runs yet."""
    closes = [index.load()["Adj Close"] for index in (sp500, nasdaq)]
    spot = np.array([series.iloc[-1] for series in closes])
    market = align.invoke(calibrate.map_invoke(closes), spot)
    book = hedged.invoke(options(spot), market)
    blocks = range(-(-scenarios // BLOCK))
    drawn = simulate.map_invoke([(market, seed, block) for block in blocks])
    losses = revalue.map_invoke([(book, market, scenario) for scenario in drawn])
    return market, book, measure.invoke(losses)


# What is printed.


def show_market(console: Console, market: Market, book: Book) -> None:
    """Print the models and the hedge, one line an index."""
    table = Table(title=f"Market and book of {len(book.strike)} options, delta hedged")
    for heading in ("index", "close", "vol today", "long run", "persistence", "worst day", "hedge"):
        table.add_column(heading, justify="left" if heading == "index" else "right")
    each = np.arange(len(INDICES))
    today = market.volatility(each, market.variance, np.ones(len(each)))
    ahead = market.volatility(each, market.variance, np.full(len(each), 1e6))
    for i, name in enumerate(INDICES):
        table.add_row(
            name,
            f"{market.spot[i]:,.2f}",
            f"{today[i]:.2%}",
            f"{ahead[i]:.2%}",
            f"{market.persistence[i]:.4f}",
            f"{market.residuals[:, i].min():.2f} σ",
            f"{book.hedge[i]:,.1f}",
        )
    console.print(table)


def show_risk(console: Console, figures: Sequence[Risk], scenarios: int) -> None:
    """Print the risk, a line a horizon and level."""
    table = Table(title=f"Risk in dollars, {scenarios:,} scenarios")
    for heading in ("days", "level", "VaR", "±", "ES", "±", *(f"ES {name}" for name in INDICES)):
        table.add_column(heading, justify="right")
    for figure in figures:
        money = (figure.var, figure.var_error, figure.shortfall, figure.shortfall_error)
        cells = [f"{amount:,.0f}" for amount in (*money, *figure.parts)]
        last = figure.level == LEVELS[-1]
        table.add_row(str(figure.horizon), f"{figure.level:.1%}", *cells, end_section=last)
    console.print(table)
    console.print("VaR: value at risk; ES: expected shortfall, and by index; ±: simulation error")


def show_plan(console: Console, plan: Plan, seconds: float) -> None:
    """Print what the compiler made of the calls, and how long it all took."""
    table = Table(title="What the compiler did")
    for heading in ("calls recorded", "units run", "requests", "bytes moved", "seconds"):
        table.add_column(heading, justify="right")
    counts = (plan.calls, len(plan.units), len(plan.requests), plan.size)
    table.add_row(*(f"{count:,}" for count in counts), f"{seconds:.2f}")
    console.print(table)


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenarios", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=2018)
    parser.add_argument("--workers", type=int, help="default: all cores")
    parser.add_argument("--no-optimize", action="store_true", help="one unit a call")
    parser.add_argument("--json", action="store_true", help="the figures alone, to the last digit")
    args = parser.parse_args()
    began = time.perf_counter()
    with Pymonik(workers=args.workers, optimize=not args.no_optimize) as client:
        handles = value_at_risk(args.scenarios, args.seed)
        plan = client.plan()
        market, book, figures = (handle.get() for handle in handles)
    seconds = time.perf_counter() - began
    if args.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=1))
        return
    console = Console()
    show_market(console, market, book)
    show_risk(console, figures, -(-args.scenarios // BLOCK) * BLOCK)
    show_plan(Console(stderr=True), plan, seconds)


if __name__ == "__main__":
    main()
