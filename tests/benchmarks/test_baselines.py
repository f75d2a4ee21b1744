"""Time the baselines and the iterated maps against NumPy, Python and scikit-learn.

Run `python -m tests.benchmarks.test_baselines` (a minute or two); `--write` puts the table into
docs/benchmarks.md. Under pytest (`-m benchmark`) it prints the table, and asserts only that
both sides computed the same.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn
from sklearn import linear_model

from survjax.baselines import LinearRegression, LogisticRegression
from survjax.optimize import iterate, orbit
from tests.benchmarks.measure import machine, table, write_section


def in_turn(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """Median wall and CPU seconds of several calls made in turn, after one call of each.

    CPU time counts every core, and does not see what else the machine does.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for i in range(repeats + 1):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            taken = time.perf_counter() - wall, time.process_time() - cpu
            if i:
                times[name].append(taken)
    return {
        name: np.array([statistics.median(column) for column in zip(*taken, strict=True)])
        for name, taken in times.items()
    }


def parabola(x):
    """A map with the attracting point 3."""
    return (x**2 + 21) / 10


def logistic_map(x, a):
    """May's map."""
    return a * x * (1 - x)


def iterate_against_numpy(repeats: int) -> list[str]:
    """500 steps from 38 starts, against a loop over NumPy arrays that keeps the path too."""
    starts = np.linspace(-6.9, 6.9, 38)

    def loop():
        path = np.empty((501, 38))
        path[0] = x = starts
        for i in range(500):
            path[i + 1] = x = parabola(x)
        return path

    with jax.enable_x64(True):
        ours = jnp.asarray(starts)
        times = in_turn(
            {"loop": loop, "ours": lambda: np.asarray(iterate(parabola, ours, 500))}, repeats
        )
        np.testing.assert_allclose(iterate(parabola, ours, 500), loop(), rtol=1e-12)
    return row("500 steps from 38 starts, NumPy loop", times, "loop")


def orbit_against_python(repeats: int) -> list[str]:
    """600 values, 1,000 steps dropped and 1,000 kept; the loop runs one value, times 600."""
    values = np.linspace(3.4, 4.0, 600)

    def loop(a=3.7, x=0.3):
        kept = []
        for _ in range(1000):
            x = a * x * (1 - x)
        for _ in range(1000):
            kept.append(x)
            x = a * x * (1 - x)
        return kept

    with jax.enable_x64(True):
        a = jnp.asarray(values)
        times = in_turn(
            {"loop": loop, "ours": lambda: np.asarray(orbit(logistic_map, 0.3, a))}, repeats
        )
        # A period of two is the same to the last digits; chaos is not, on any two machines.
        np.testing.assert_allclose(orbit(logistic_map, 0.3, 3.4), loop(3.4), rtol=1e-12)
    times["loop"] *= 600
    return row("600 orbits of 2,000 steps, Python loop over one, scaled", times, "loop")


def fits_against_scikit_learn(n: int, repeats: int) -> list[list[str]]:
    """n rows of ten columns; the logistic fits are compared at the gradient each one reaches."""
    rng = np.random.default_rng(0)
    X, beta = rng.normal(size=(n, 10)), rng.normal(size=10)
    y = X @ beta + rng.normal(size=n)
    labels = rng.random(n) < 1 / (1 + np.exp(-0.5 * X @ beta))
    linear = {
        "scikit-learn": linear_model.LinearRegression(),
        "ours": LinearRegression(),
    }
    times = in_turn({k: lambda m=m: m.fit(X, y) for k, m in linear.items()}, repeats)
    np.testing.assert_allclose(linear["ours"].coef_, linear["scikit-learn"].coef_, rtol=1e-8)
    rows = [row(f"linear regression, n = {n:,}", times, "scikit-learn")]
    for solver, settings in {"lbfgs": {"tol": 1e-8}, "newton-cholesky": {}}.items():
        models = {
            "scikit-learn": linear_model.LogisticRegression(solver=solver, **settings),
            "ours": LogisticRegression(),
        }
        times = in_turn({k: lambda m=m: m.fit(X, labels) for k, m in models.items()}, repeats)
        slopes = {k: gradient_norm(m, X, labels) for k, m in models.items()}
        assert slopes["ours"] <= max(slopes["scikit-learn"], 1e-9)
        name = f"logistic regression, n = {n:,}, {solver} (gradients {slopes['scikit-learn']:.0e}"
        rows.append(row(f"{name} and {slopes['ours']:.0e})", times, "scikit-learn"))
    return rows


def gradient_norm(model, X: np.ndarray, labels: np.ndarray) -> float:
    """Norm of the gradient of the mean loss with a ridge of one, at a fit."""
    rest = (model.predict_proba(X)[:, 1] - labels) / len(X)
    return float(np.linalg.norm([rest.sum(), *(rest @ X + model.coef_[0] / len(X))]))


def row(name: str, times: dict[str, np.ndarray], other: str) -> list[str]:
    """One line of the table."""
    milliseconds = [f"{1e3 * times[side][0]:.3g}" for side in (other, "ours")]
    return [name, *milliseconds, *(f"{ratio:.1f}" for ratio in times[other] / times["ours"])]


def measure(n: int = 1_000_000, repeats: int = 7) -> str:
    """The whole table, in Markdown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, on tolerances it cannot reach
        rows = [iterate_against_numpy(15 * repeats), orbit_against_python(15 * repeats)]
        rows += fits_against_scikit_learn(n, repeats)
    return table(
        ["what, against what", "theirs, ms", "survjax, ms", "wall ratio", "CPU ratio"], rows
    )


@pytest.mark.benchmark
def test_baselines_and_iterations(capsys):
    found = measure()
    with capsys.disabled():
        print(f"\n{machine()}\n{found}")


def test_both_sides_of_the_benchmark_compute_the_same():
    assert measure(n=3000, repeats=1).count("\n") == 6


if __name__ == "__main__":
    text = (
        "## Baselines and iterations\n\n`python -m tests.benchmarks.test_baselines`; "
        f"{machine()}; scikit-learn {sklearn.__version__}. Medians of calls made in turn, "
        f"compiling apart; a ratio above one is in survjax's favor.\n\n{measure()}"
    )
    print(text)
    if "--write" in sys.argv:
        write_section("benchmarks.md", "baselines", text)
