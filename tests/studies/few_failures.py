"""Ways to say how sure one is, on three failures: the table of docs/few-failures.md.

python -m tests.studies.few_failures
"""

import warnings

import numpy as np

from survjax import LifetimeModel, priors
from survjax.datasets import load_shock_absorbers

NOW = 13_000.0
WEAR = priors.LogNormal.between(1.5, 6.0)


def fits():
    """Each way, with its bounds of B10 and of the shape."""
    table = load_shock_absorbers()
    distance = table["duration"].clip(upper=NOW)
    failed = table["failed"] & (table["duration"] <= NOW)
    plain = LifetimeModel("weibull").fit(distance, failed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain.bootstrap(500)
    known = LifetimeModel("weibull", fixed={"shape": 3.0}).fit(distance, failed)
    prior = LifetimeModel("weibull", priors={"shape": WEAR}).fit(distance, failed)
    later = LifetimeModel("weibull").fit(table["duration"], table["failed"])
    for name, model, method in (
        ("likelihood, delta", plain, "delta"),
        ("likelihood, profile", plain, "profile"),
        ("likelihood, bootstrap", plain, "bootstrap"),
        ("shape fixed at 3, profile", known, "profile"),
        ("prior, delta", prior, "delta"),
        ("prior, profile", prior, "profile"),
        ("all 38, later, profile", later, "profile"),
    ):
        shape = model.confidence_interval("shape", method=method)
        b10 = model.confidence_interval("quantile", 0.1, method=method)
        yield name, float(model.quantile(0.1)), b10, float(model.lifetime_.shape), shape
    draws = prior.posterior(2000)
    found = draws.summary()
    b10, shape = found.loc["q10"], found.loc["shape"]
    yield (
        "prior, posterior draws",
        b10["median"],
        (b10["lower"], b10["upper"]),
        shape["median"],
        (shape["lower"], shape["upper"]),
    )


def main():
    print("| way | B10, km | from | to | shape | from | to |")
    print("|---|---|---|---|---|---|---|")
    for name, b10, bounds, shape, ends in sorted(fits(), key=lambda row: "later" in row[0]):
        lives = " | ".join(f"{np.round(v, -2):,.0f}" for v in (b10, *bounds))
        shapes = " | ".join(f"{v:.2g}" for v in (shape, *ends))
        print(f"| {name} | {lives} | {shapes} |")


if __name__ == "__main__":
    main()
