"""Groups that borrow strength, against groups alone and one fit for all: errors and coverage.

Run `python -m tests.studies.pooling` (some minutes); `--write` puts the table into
docs/studies/pooling.md. Log scales and log shapes of the groups are drawn from a normal
distribution, lives from their Weibulls, and the median life of each group is estimated in three
ways. Errors are those of its logarithm.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import pandas as pd

from survjax import LifetimeModel, fit_groups
from tests.benchmarks.measure import table, write_section

MEAN = np.array([np.log(40.0), 0.6])
SPREADS = {
    "groups much alike": np.array([[0.01, 0.0], [0.0, 0.01]]),
    "groups unlike": np.array([[0.09, 0.02], [0.02, 0.04]]),
    "groups far apart": np.array([[0.5, 0.05], [0.05, 0.15]]),
}
SIZES = (3, 10, 40)
NAMED = {"duration": "age", "event": "failed"}


def sample(
    spread: np.ndarray, n_groups: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Log medians and sizes (n_groups,) of the groups, and their units."""
    x = rng.multivariate_normal(MEAN, spread, n_groups)
    size = np.resize(SIZES, n_groups)
    group = np.repeat(np.arange(n_groups), size)
    life = np.exp(x[group, 0]) * rng.weibull(1.0, group.size) ** np.exp(-x[group, 1])
    end = rng.uniform(10.0, 60.0, group.size)
    frame = pd.DataFrame({"site": group, "age": np.minimum(life, end), "failed": life <= end})
    return x[:, 0] + np.log(np.log(2.0)) * np.exp(-x[:, 1]), size, frame


def estimates(frame: pd.DataFrame, n_groups: int) -> dict[str, np.ndarray]:
    """Log medians and their bounds (3, n_groups) by each way."""
    pooled = fit_groups(frame, "site", **NAMED, pooling="empirical-bayes")
    one = LifetimeModel().fit(frame["age"], frame["failed"]).summary().loc["q50"]
    columns = ["q50", "q50_lower", "q50_upper"]
    assert pooled.unpooled is not None
    found = {
        "alone": pooled.unpooled.table[columns].to_numpy().T,
        "one fit for all": np.repeat(
            one[["estimate", "lower", "upper"]].to_numpy(float)[:, None], n_groups, axis=1
        ),
        "pooled": pooled.table[columns].to_numpy().T,
    }
    return {name: np.log(values) for name, values in found.items()}


def study(n_groups: int, n_samples: int) -> list[list[str]]:
    """Rows of the table: spread, size, way, share with an answer, error, coverage."""
    rows = []
    for words, spread in SPREADS.items():
        rng = np.random.default_rng(7)
        gaps: dict[tuple[str, int], list[np.ndarray]] = {}
        for _ in range(n_samples):
            truth, size, frame = sample(spread, n_groups, rng)
            for way, found in estimates(frame, n_groups).items():
                for n in SIZES:
                    gaps.setdefault((way, n), []).append(found[:, size == n] - truth[size == n])
        for n in SIZES:
            for way in ("alone", "one fit for all", "pooled"):
                gap = np.concatenate(gaps[way, n], axis=1)
                known = np.isfinite(gap[0])
                error = np.sqrt(np.mean(gap[0, known] ** 2))
                inside = np.mean((gap[1, known] <= 0) & (gap[2, known] >= 0))
                rows.append(
                    [words, str(n), way, f"{known.mean():.0%}", f"{error:.3f}", f"{inside:.1%}"]
                )
    return rows


def main() -> None:
    """Run the study and print, or write, its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", type=int, default=150)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = study(arguments.groups, arguments.samples)
    head = [
        "",
        "units of a group",
        "way",
        "with an answer",
        "error of log median",
        "95 % bounds hold",
    ]
    text = table(head, rows)
    print(text)
    if arguments.write:
        write_section("studies/pooling.md", "pooling", text)


if __name__ == "__main__":
    main()
