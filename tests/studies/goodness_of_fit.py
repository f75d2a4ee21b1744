"""Are p-values of the goodness of fit uniform where the family is right? Through the public API.

    python -m tests.studies.goodness_of_fit --write          # half an hour
    python -m tests.studies.goodness_of_fit --fleets 50      # a look

`--write` puts the tables into docs/studies/goodness_of_fit.md.

Each fleet has 100 units. The first table shows the share of p-values of at most 5 and 20 percent,
and the Kolmogorov-Smirnov distance of all from uniform with its p-value, for each statistic; the
second how often another family is told.
"""

from __future__ import annotations

import argparse
import platform
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from survjax import LifetimeModel, Observations

PAGE = Path(__file__).parents[2] / "docs" / "studies" / "goodness_of_fit.md"
N, SEED, REPLICATES = 100, 20260202, 199


def censored(rng: np.random.Generator, sample: Callable[..., np.ndarray], family: str) -> object:
    """Units censored at ages drawn evenly."""
    life, end = sample(rng, N), rng.uniform(5.0, 40.0, N)
    return LifetimeModel(family).fit(np.minimum(life, end), life <= end)


def complete(rng: np.random.Generator, sample: Callable[..., np.ndarray], family: str) -> object:
    """Every unit failed."""
    return LifetimeModel(family).fit(sample(rng, N))


def late(rng: np.random.Generator, sample: Callable[..., np.ndarray], family: str) -> object:
    """Half of the units came under observation at an age."""
    life, entry = (
        sample(rng, 4 * N),
        np.where(rng.random(4 * N) < 0.5, 0.0, rng.uniform(0, 15, 4 * N)),
    )
    seen = np.flatnonzero(life > entry)[:N]
    life, entry, end = life[seen], entry[seen], entry[seen] + rng.uniform(5.0, 30.0, seen.size)
    return LifetimeModel(family).fit(np.minimum(life, end), life <= end, entry=entry)


def rounded(rng: np.random.Generator, sample: Callable[..., np.ndarray], family: str) -> object:
    """Failures recorded in units of two, and units taken out at such ages."""
    life, end = sample(rng, N), 2.0 * np.ceil(rng.uniform(2.5, 20.0, N))
    age = np.where(life <= end, 2.0 * np.ceil(life / 2.0), end)
    return LifetimeModel(family, resolution=2.0).fit(age, life <= end)


def inspected(rng: np.random.Generator, sample: Callable[..., np.ndarray], family: str) -> object:
    """Each unit is inspected every five, from an age of its own, six times."""
    low, high = inspections(rng, sample(rng, N))
    return LifetimeModel(family).fit(Observations.from_intervals(low, high))


class Told:
    """A model fitted to intervals, whose test is told when units were inspected."""

    def __init__(self, family: str, life: np.ndarray, visits: np.ndarray) -> None:
        low = np.max(np.where(visits < life[:, None], visits, 0.0), axis=1)
        high = np.nanmin(np.where(visits < life[:, None], np.inf, visits), axis=1)
        self.model = LifetimeModel(family).fit(Observations.from_intervals(low, high))
        self.visits = visits

    def goodness_of_fit(self, replicates: int, rng: np.random.Generator) -> object:
        return self.model.goodness_of_fit(replicates, rng, inspections=self.visits)


def irregular(rng: np.random.Generator, sample: Callable[..., np.ndarray], family: str) -> object:
    """Inspections at random, five apart on average, until 15 to 50; the test is not told."""
    return irregular_told(rng, sample, family).model


def irregular_told(
    rng: np.random.Generator, sample: Callable[..., np.ndarray], family: str
) -> Told:
    """The same, and the test is told the inspections."""
    visits = np.cumsum(rng.exponential(5.0, (N, 40)), axis=1)
    seen = visits <= rng.uniform(15.0, 50.0, N)[:, None]
    seen[:, 0] = True
    return Told(family, sample(rng, N), np.where(seen, visits, np.nan))


def once(rng: np.random.Generator, sample: Callable[..., np.ndarray], family: str) -> object:
    """Each unit is inspected once; the test is not told."""
    return once_told(rng, sample, family).model


def once_told(rng: np.random.Generator, sample: Callable[..., np.ndarray], family: str) -> Told:
    """The same, and the test is told the inspections."""
    return Told(family, sample(rng, N), rng.uniform(2.0, 50.0, (N, 1)))


def shared(rng: np.random.Generator, sample: Callable[..., np.ndarray], family: str) -> object:
    """All units are inspected at the same six ages."""
    visits = np.array([0.0, 3.0, 6.0, 10.0, 15.0, 20.0, 30.0, np.inf])
    last = np.searchsorted(visits, sample(rng, N)) - 1
    rows = Observations.from_intervals(visits[last], visits[last + 1])
    return LifetimeModel(family).fit(rows)


def inspections(rng: np.random.Generator, life: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The last inspection (n,) that found each unit running, and the first that did not."""
    first = rng.uniform(0.0, 5.0, len(life))
    count = np.floor((life - first) / 5.0)
    low = np.where(count < 0, 0.0, first + 5.0 * count)
    high = np.where(count < 0, first, first + 5.0 * (count + 1.0))
    last = first + 30.0
    return np.minimum(low, last), np.where(high > last, np.inf, high)


#: What the columns of a table say after those that say of what it is.
COLUMNS = (
    "| statistic | fits | p <= 5 % | p <= 20 % | distance from uniform | its p |\n"
    "|---|---|---|---|---|---|---|---|"
)


def printed(what: str, found: np.ndarray) -> list[str]:
    """Print a row of the table for each statistic of p-values (fleets, 3), and return the rows."""
    rows = []
    for name, p in zip(("D", "W2", "A2"), found.T, strict=True):
        test = stats.kstest(p, "uniform")
        shares = f"{np.mean(p <= 0.05):.3f} | {np.mean(p <= 0.2):.3f}"
        tested = f"{test.statistic:.3f} | {test.pvalue:.3f}"
        rows.append(f"| {what} | {name} | {len(p)} | {shares} | {tested} |")
        print(rows[-1], flush=True)
    return rows


def exits(rng: np.random.Generator, sample: Callable[..., np.ndarray], family: str) -> object:
    """Only units that failed by an age of theirs were recorded."""
    life, end = sample(rng, 4 * N), rng.uniform(20.0, 60.0, 4 * N)
    seen = np.flatnonzero(life < end)[:N]
    return LifetimeModel(family).fit(Observations.from_durations(life[seen], exit=end[seen]))


KINDS = (
    complete,
    censored,
    late,
    rounded,
    exits,
    shared,
    inspected,
    irregular,
    irregular_told,
    once,
    once_told,
)
FAMILIES: dict[str, Callable[..., np.ndarray]] = {
    "weibull": lambda rng, n: 20.0 * rng.weibull(1.7, n),
    "lognormal": lambda rng, n: 15.0 * np.exp(0.6 * rng.normal(size=n)),
}


def study(
    kind: Callable[..., object], law: str, family: str, fleets: int, replicates: int
) -> np.ndarray:
    """p-values (fleets, 3) of fits of a family to lives of a law."""
    found = []
    for i in range(fleets):
        rng = np.random.default_rng([SEED, KINDS.index(kind), i, list(FAMILIES).index(law)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = kind(rng, FAMILIES[law], family)
            found.append(model.goodness_of_fit(replicates, rng)["p_value"])
    return np.array(found)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--fleets", type=int, default=300)
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = [f"| family | data {COLUMNS.partition(chr(10))[0]}", COLUMNS.partition("\n")[2]]
    print("\n".join(rows))
    for family in FAMILIES:
        for kind in KINDS:
            found = study(kind, family, family, given.fleets, given.replicates)
            rows += printed(f"{family} | {kind.__name__}", found)
    fewer = given.fleets // 3
    told = [
        "| lives | family fitted | data | fits | D | W2 | A2 |",
        "|---|---|---|---|---|---|---|",
    ]
    for law, family in (("weibull", "lognormal"), ("lognormal", "weibull")):
        for kind in KINDS:
            found = study(kind, law, family, fewer, given.replicates)
            shares = " | ".join(f"{share:.2f}" for share in np.mean(found <= 0.05, axis=0))
            told.append(f"| {law} | {family} | {kind.__name__} | {len(found)} | {shares} |")
            print(told[-1], flush=True)
    if given.write:
        kinds = "\n".join(f"* {kind.__name__}: {(kind.__doc__ or '').lower()}" for kind in KINDS)
        PAGE.write_text(
            f"""# P-values of the goodness of fit

Written by `python -m tests.studies.goodness_of_fit --fleets {given.fleets} --write`; do not edit.

Fleets of {N} units are drawn from the family that is then fitted, so that p-values should be
uniform: at most 5 in a hundred at most 5 %, 20 in a hundred at most 20 %. Shown are the shares, the
Kolmogorov-Smirnov distance of all from uniform, and its p-value; D, W2 and A2 are the statistics of
`goodness_of_fit`, each with {given.replicates} replicates.

{kinds}

{chr(10).join(rows)}

Shares of 5 and 20 % have standard errors of {100 * (0.0475 / given.fleets) ** 0.5:.1f} and \
{100 * (0.16 / given.fleets) ** 0.5:.1f} %.

## How often another family is told

The share of fits with a p-value of at most 5 % where lives are of another family, which is hard to
tell by {N} units. Standard errors are at most {100 * (0.25 / max(fewer, 1)) ** 0.5:.0f} %.

{chr(10).join(told)}

Seed {SEED}; Python {platform.python_version()}, {platform.machine()}.
""",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
