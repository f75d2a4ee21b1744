"""Are p-values of the goodness of fit with covariates uniform where the model is right?

    python -m tests.studies.goodness_of_regressions                  # 200 fleets of each kind
    python -m tests.studies.goodness_of_regressions --fleets 20      # a look

Each fleet has 100 units with two columns, one a group. The table shows the share of p-values of at
most 5 and 20 percent, and the Kolmogorov-Smirnov distance of all from uniform with its p-value.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from survjax import AcceleratedLifetime, MixtureRegression, ScaledHazard, survival_target
from tests.studies.goodness_of_fit import COLUMNS, inspections, printed

N, SEED, REPLICATES = 100, 20260309, 99
Fleet = tuple[np.ndarray, Any, dict[str, np.ndarray]]


def lives(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns (n, 2) and Weibull lives (n,), of which one column is a stress and one a group."""
    x = np.column_stack([rng.normal(size=n), rng.random(n) < 0.3])
    return x, 20.0 * np.exp(-0.5 * x[:, 0] + 0.3 * x[:, 1]) * rng.weibull(1.7, n)


def complete(rng: np.random.Generator) -> Fleet:
    """Every unit failed."""
    x, life = lives(rng, N)
    return x, life, {}


def censored(rng: np.random.Generator) -> Fleet:
    """Units censored at ages drawn evenly."""
    x, life = lives(rng, N)
    end = rng.uniform(5.0, 40.0, N)
    return x, np.column_stack([np.minimum(life, end), life <= end]), {}


def late(rng: np.random.Generator) -> Fleet:
    """Half of the units came under observation at an age."""
    x, life = lives(rng, 4 * N)
    entry = np.where(rng.random(4 * N) < 0.5, 0.0, rng.uniform(0.0, 15.0, 4 * N))
    seen = np.flatnonzero(life > entry)[:N]
    x, life, entry = x[seen], life[seen], entry[seen]
    end = entry + rng.uniform(5.0, 30.0, N)
    return x, np.column_stack([np.minimum(life, end), life <= end]), {"entry": entry}


def inspected(rng: np.random.Generator) -> Fleet:
    """Each unit is inspected every five, from an age of its own, six times."""
    x, life = lives(rng, N)
    return x, survival_target(*inspections(rng, life)), {}


def exits(rng: np.random.Generator) -> Fleet:
    """Only units that failed by an age of theirs were recorded."""
    (x, life), end = lives(rng, 6 * N), rng.uniform(20.0, 60.0, 6 * N)
    seen = np.flatnonzero(life < end)[:N]
    return x[seen], life[seen], {"exit": end[seen]}


KINDS = (complete, censored, late, inspected, exits)
MODELS: dict[str, Callable[[], Any]] = {
    "AcceleratedLifetime": AcceleratedLifetime,
    "ScaledHazard": lambda: ScaledHazard("weibull"),
    "MixtureRegression(1)": lambda: MixtureRegression(1, on=["scale"]),
}


def study(kind: Callable[..., Fleet], model: str, fleets: int, replicates: int) -> np.ndarray:
    """p-values (fleets, 3) of fits of the right model; NaN where there is none."""
    found = np.full((fleets, 3), np.nan)
    for i in range(fleets):
        rng = np.random.default_rng([SEED, KINDS.index(kind), i])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x, y, given = kind(rng)
            fit = MODELS[model]().fit(x, y, **given)
            if fit.converged_:
                found[i] = fit.goodness_of_fit(replicates, rng)["p_value"]
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--fleets", type=int, default=200)
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    given = parser.parse_args()
    print(f"| model | data {COLUMNS}")
    for model in given.models:
        for kind in KINDS:
            found = study(kind, model, given.fleets, given.replicates)
            found = found[np.isfinite(found).all(axis=1)]
            printed(f"{model} | {kind.__name__}", found)


if __name__ == "__main__":
    main()
