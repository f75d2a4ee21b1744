"""Networks against linear predictors, on the same folds, where the truth is known.

    python -m tests.studies.deep_mixture [fleets]

For fleets whose truth is linear and fleets whose truth is not, each model is scored by five-fold
cross-validation (mean log-likelihood per held-out unit), by how far its predicted medians are
from the true ones (root mean square of the log ratio, on fresh assets), and by how often its 95 %
bounds hold the true median life.
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

FLEETS, UNITS, FRESH, FOLDS = 3, 1000, 300, 5
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
    """One model on one fleet: fold scores, distance from the truth, coverage, seconds."""
    x, y = fleet(seed, kind, UNITS)
    folds = KFold(FOLDS, shuffle=True, random_state=seed).split(x)
    scores = [clone(model).fit(x[a], y[a]).score(x[b], y[b]) for a, b in folds]
    begin = time.perf_counter()
    fitted = clone(model).fit(x, y)
    seconds = time.perf_counter() - begin
    fresh = fleet(seed + 10_000, kind, FRESH)[0]
    true = truth(fresh, kind).median()
    predict = fitted.predict_quantile if hasattr(fitted, "predict_quantile") else None
    table = predict(fresh, [0.5]) if predict else _through(fitted, fresh)
    inside = (table["q50_lower"] <= true) & (true <= table["q50_upper"])
    return {
        "score": float(np.mean(scores)),
        "error": float(np.sqrt(np.mean(np.log(table["q50"] / true) ** 2))),
        "covered": float(inside.mean()),
        "seconds": seconds,
    }


def _through(pipeline: Any, x: np.ndarray) -> Any:
    """Quantiles of the last step of a pipeline."""
    return pipeline[-1].predict_quantile(pipeline[:-1].transform(x), [0.5])


def main() -> None:
    """Print the tables as Markdown."""
    warnings.simplefilter("ignore", FitWarning)
    fleets = int(sys.argv[1]) if len(sys.argv) > 1 else FLEETS
    for kind in ("linear", "not linear"):
        print(f"\n### The truth is {kind}\n")
        print(
            "| model | held-out log-likelihood per unit | better than `MixtureRegression` in | "
            "error of the log median | 95 % bounds hold the true median | seconds a fit |"
        )
        print("|---|---|---|---|---|---|")
        found = {
            name: [measure(model, seed, kind) for seed in range(fleets)]
            for name, model in models().items()
        }
        linear = [one["score"] for one in found["`MixtureRegression(2)`"]]
        for name, each in found.items():
            mean = {
                key: np.mean([one[key] for one in each]) for key in ("score", "error", "covered")
            }
            spent = np.median([one["seconds"] for one in each])
            wins = sum(one["score"] > other for one, other in zip(each, linear, strict=True))
            versus = "" if each is found["`MixtureRegression(2)`"] else f"{wins} of {fleets} fleets"
            print(
                f"| {name} | {mean['score']:.4f} | {versus} | {mean['error']:.3f} | "
                f"{100 * mean['covered']:.0f} % | {spent:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
