"""Networks against linear predictors, on the same folds, where the truth is known.

    python -m tests.studies.deep_mixture [fleets [fleets for bounds]]

For fleets whose truth is linear and fleets whose truth is not, each model is scored by five-fold
cross-validation (mean log-likelihood per held-out unit), by how far its predicted medians are
from the true ones (root mean square of the log ratio, on fresh assets), and, on more fleets, by
how often its 95 % bounds hold the true median life and how wide they are.
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from survjax import DeepWeibullMixture, FitWarning, MixtureRegression

FLEETS, MANY, UNITS, FRESH, FOLDS = 3, 40, 1000, 300, 5
SHAPES = (1.0, 4.0)


class Truth(NamedTuple):
    """Two sub-populations whose weight and scales depend on x."""

    logit: np.ndarray
    log_scales: np.ndarray

    def median(self) -> np.ndarray:
        """The true median lives, by bisection."""
        weight = 1.0 / (1.0 + np.exp(-self.logit))
        low, high = np.full(weight.size, -5.0), np.full(weight.size, 9.0)
        for _ in range(60):
            middle = 0.5 * (low + high)
            hazards = [
                np.exp(k * (middle - s)) for k, s in zip(SHAPES, self.log_scales, strict=True)
            ]
            alive = (1.0 - weight) * np.exp(-hazards[0]) + weight * np.exp(-hazards[1])
            low, high = np.where(alive > 0.5, middle, low), np.where(alive > 0.5, high, middle)
        return np.exp(low)


def truth(x: np.ndarray, kind: str) -> Truth:
    """Linear predictors, or ones with a bend, a wave and a product."""
    if kind == "linear":
        return Truth(0.5 + x[:, 1], np.stack([2.3 - 0.5 * x[:, 0], 4.0 + 0.3 * x[:, 0]]))
    bent = 4.5 - 0.5 * x[:, 0] ** 2 + 0.3 * x[:, 0] * x[:, 1]
    return Truth(2.0 * np.cos(1.5 * x[:, 1]), np.stack([2.3 - 0.5 * x[:, 0], bent]))


def fleet(seed: int, kind: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Covariates, the third of which says nothing, and censored lives."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2.0, 2.0, (n, 3))
    of = truth(x, kind)
    late = (rng.random(n) < 1.0 / (1.0 + np.exp(-of.logit))).astype(int)
    lives = np.exp(of.log_scales[late, np.arange(n)]) * rng.weibull(np.array(SHAPES)[late])
    end = rng.uniform(20.0, 120.0, n)
    return x, np.column_stack([np.minimum(lives, end), lives <= end])


def models() -> dict[str, Any]:
    """What is compared; all have two components."""
    spline = SplineTransformer(n_knots=4, degree=3, include_bias=False)
    return {
        "no covariates": MixtureRegression(2, on=()),
        "`MixtureRegression(2)`": MixtureRegression(2),
        "the same on splines, ridge": make_pipeline(spline, MixtureRegression(2, penalty=0.01)),
        "`DeepWeibullMixture(2)`": DeepWeibullMixture(2),
    }


def measure(model: Any, seed: int, kind: str) -> dict[str, float]:
    """One model on one fleet: fold scores, distance from the truth, seconds."""
    x, y = fleet(seed, kind, UNITS)
    folds = KFold(FOLDS, shuffle=True, random_state=seed).split(x)
    scores = [clone(model).fit(x[a], y[a]).score(x[b], y[b]) for a, b in folds]
    begin = time.perf_counter()
    fitted = clone(model).fit(x, y)
    seconds = time.perf_counter() - begin
    table, true = _medians(fitted, seed, kind)
    return {
        "score": float(np.mean(scores)),
        "error": float(np.sqrt(np.mean(np.log(table["q50"] / true) ** 2))),
        "seconds": seconds,
    }


def bounds(model: Any, seed: int, kind: str) -> tuple[float, np.ndarray]:
    """Share of fresh assets whose true median lies in the bounds, and widths of their logs."""
    table, true = _medians(clone(model).fit(*fleet(seed, kind, UNITS)), seed, kind)
    inside = (table["q50_lower"] <= true) & (true <= table["q50_upper"])
    return float(inside.mean()), np.log(table["q50_upper"] / table["q50_lower"]).to_numpy()


def _medians(fitted: Any, seed: int, kind: str) -> tuple[Any, np.ndarray]:
    """Predicted medians of fresh assets, with bounds, and the true ones."""
    fresh = fleet(seed + 10_000, kind, FRESH)[0]
    predict = fitted.predict_quantile if hasattr(fitted, "predict_quantile") else None
    table = predict(fresh, [0.5]) if predict else _through(fitted, fresh)
    return table, truth(fresh, kind).median()


def _through(pipeline: Any, x: np.ndarray) -> Any:
    """Quantiles of the last step of a pipeline."""
    return pipeline[-1].predict_quantile(pipeline[:-1].transform(x), [0.5])


def scores_table(kind: str, fleets: int) -> None:
    """Print how well each model predicts."""
    print(
        "| model | held-out log-likelihood per unit | better than `MixtureRegression` in | "
        "error of the log median | seconds a fit |\n|---|---|---|---|---|"
    )
    found = {
        name: [measure(model, seed, kind) for seed in range(fleets)]
        for name, model in models().items()
    }
    linear = [one["score"] for one in found["`MixtureRegression(2)`"]]
    for name, each in found.items():
        score, error = (np.mean([one[key] for one in each]) for key in ("score", "error"))
        spent = np.median([one["seconds"] for one in each])
        wins = sum(one["score"] > other for one, other in zip(each, linear, strict=True))
        versus = "" if each is found["`MixtureRegression(2)`"] else f"{wins} of {fleets} fleets"
        print(f"| {name} | {score:.4f} | {versus} | {error:.3f} | {spent:.1f} |", flush=True)


def bounds_table(kind: str, fleets: int) -> None:
    """Print how often bounds hold the truth, and how wide they are."""
    print(
        "\n| model | 95 % bounds hold the true median | standard error over fleets | worst fleet | "
        "width over that of `MixtureRegression` |\n|---|---|---|---|---|"
    )
    found = {
        name: [bounds(model, seed, kind) for seed in range(fleets)]
        for name, model in models().items()
    }
    linear = [width for _, width in found["`MixtureRegression(2)`"]]
    for name, each in found.items():
        shares = 100 * np.array([share for share, _ in each])
        with np.errstate(invalid="ignore"):
            # A mixture regression without a proper maximum has no bounds.
            ratios = [width / other for (_, width), other in zip(each, linear, strict=True)]
        print(
            f"| {name} | {shares.mean():.1f} % | {shares.std(ddof=1) / fleets**0.5:.1f} % | "
            f"{shares.min():.0f} % | {np.nanmedian(ratios):.2f} |",
            flush=True,
        )


def main() -> None:
    """Print the tables as Markdown."""
    warnings.simplefilter("ignore", FitWarning)
    given = [int(word) for word in sys.argv[1:]]
    fleets, many = [*given, *(FLEETS, MANY)[len(given) :]]
    for kind in ("linear", "not linear"):
        print(f"\n### The truth is {kind}\n")
        scores_table(kind, fleets)
        bounds_table(kind, many)


if __name__ == "__main__":
    main()
