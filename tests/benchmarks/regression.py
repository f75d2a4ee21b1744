"""Time regressions against code written by hand and, with --peers, against other packages.

Run `python -m tests.benchmarks.regression` (a minute); `--write` puts the tables into
docs/benchmarks.md. Compile time is apart: every call is warmed up once.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from survjax import (
    AcceleratedLifetime,
    CoxPH,
    DeepWeibullMixture,
    MixtureRegression,
    ScaledHazard,
    WeibullMixture,
    survival_target,
)
from survjax._core.programs import without_drafts
from tests.benchmarks.measure import in_turn, machine, table, write_section

N_COLUMNS = 10
KINDS = ("late entry", "intervals")


def fleet(n: int, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Columns (n, 10) and (duration, event) of Weibull lives that they stretch, 30 % running."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, N_COLUMNS))
    lives = 40 * np.exp(x @ np.linspace(-0.3, 0.3, N_COLUMNS)) * rng.weibull(1.8, n)
    limits = rng.uniform(10, 110, n)
    return x, np.column_stack([np.minimum(lives, limits), lives <= limits])


def weibull_by_hand(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Weibull AFT by Newton on hand-written derivatives: (coefficients, log sigma), value."""
    log_t, d = np.log(y[:, 0]), y[:, 1]
    design = np.column_stack([np.ones(len(x)), x])
    start, *_ = np.linalg.lstsq(design[::50], log_t[::50], rcond=None)
    theta = np.append(start, np.log(0.7))
    theta[0] += 0.5
    value = -np.inf
    for _ in range(50):
        sigma = np.exp(theta[-1])
        z = (log_t - design @ theta[:-1]) / sigma
        h = np.exp(z)
        new = np.sum(d * (z - theta[-1] - log_t) - h)
        gap = h - d
        gradient = np.append(design.T @ gap / sigma, np.sum(z * gap - d))
        hessian = np.empty((theta.size, theta.size))
        hessian[:-1, :-1] = design.T @ (design * h[:, None]) / sigma**2
        hessian[-1, :-1] = hessian[:-1, -1] = design.T @ (z * h + gap) / sigma
        hessian[-1, -1] = np.sum(z * (z * h + gap))
        step = np.linalg.solve(hessian, gradient)
        value = new
        if gradient @ step < 1e-16 * max(1.0, abs(value)):
            break
        theta = theta + step
    return theta, float(value)


def accelerated(sizes: tuple[int, ...], repeats: int) -> str:
    """Weibull AFT against Newton by hand."""
    rows = []
    for n in sizes:
        x, y = fleet(n)
        model = AcceleratedLifetime("weibull").fit(x, y)
        _, value = weibull_by_hand(x, y)
        np.testing.assert_allclose(model.log_likelihood_, value, rtol=1e-9)
        clocks = {"wall": time.perf_counter, "processor": time.process_time}
        taken = {
            name: in_turn(
                {"fit": partial(model.fit, x, y), "hand": partial(weibull_by_hand, x, y)},
                repeats,
                clock,
            )
            for name, clock in clocks.items()
        }
        wall, spent = taken["wall"], taken["processor"]
        rows.append(
            [
                f"{n:,}",
                f"{1e3 * wall['fit']:.0f}",
                f"{1e3 * wall['hand']:.0f}",
                f"{wall['fit'] / wall['hand']:.2f}",
                f"{spent['fit'] / spent['hand']:.2f}",
            ]
        )
    head = ["Weibull AFT, n", "whole fit, ms", "Newton by hand, ms", "fit / hand", "in CPU time"]
    return table(head, rows)


def kinds_of_rows(sizes: tuple[int, ...], repeats: int) -> str:
    """Each family, late entry and intervals, over plain Weibull rows of the same number."""
    rows = []
    for n in sizes:
        x, y = fleet(n)
        rng = np.random.default_rng(11)
        entry = np.where(rng.random(n) < 0.5, y[:, 0] * rng.random(n), 0.0)
        failed = y[:, 1] > 0
        lower = np.where(failed, y[:, 0] * rng.uniform(0.8, 1.0, n), y[:, 0])
        upper = np.where(failed, y[:, 0] * rng.uniform(1.0, 1.2, n), np.inf)
        bounds = survival_target(lower, upper)
        runs = {
            (family, kind): partial(AcceleratedLifetime(family).fit, x, target, entry=late)
            for family in ("weibull", "lognormal", "loglogistic", "exponential")
            for kind, target, late in (
                ("plain", y, None),
                ("late entry", y, entry),
                ("intervals", bounds, None),
            )
        }
        t = in_turn(runs, repeats)
        plain = t["weibull", "plain"]
        for family in dict.fromkeys(family for family, _ in runs):
            ratios = [f"{t[family, kind] / plain:.1f}" for kind in ("plain", *KINDS)]
            rows.append([f"{n:,}", family, f"{1e3 * t[family, 'plain']:.1f}", *ratios])
    head = ["n", "family", "plain rows, ms", "plain / plain Weibull", "late entry / plain Weibull"]
    return table([*head, "intervals / plain Weibull"], rows)


def hidden_kinds(n: int, seed: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Columns (n, 10) and (duration, event) of two kinds of units; columns move both."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, N_COLUMNS))
    weak = rng.random(n) < 1.0 / (1.0 + np.exp(1.0 - 0.8 * x[:, 0]))
    lives = np.where(weak, 6.0 * rng.weibull(1.2, n), 40.0 * rng.weibull(3.5, n))
    lives *= np.exp(x @ np.linspace(-0.1, 0.1, N_COLUMNS))
    limits = rng.uniform(10, 110, n)
    return x, np.column_stack([np.minimum(lives, limits), lives <= limits])


def mixtures(n: int, repeats: int) -> str:
    """Regressions with hidden kinds, over a Weibull AFT of the same rows in the same run."""
    x, y = hidden_kinds(n)
    models = {
        "AcceleratedLifetime()": AcceleratedLifetime(),
        "ScaledHazard(WeibullMixture(2))": ScaledHazard(WeibullMixture(2)),
        "MixtureRegression(2)": MixtureRegression(2),
    }
    t = in_turn({name: partial(model.fit, x, y) for name, model in models.items()}, repeats)
    plain = t["AcceleratedLifetime()"]
    rows = [[name, f"{1e3 * taken:.0f}", f"{taken / plain:.1f}"] for name, taken in t.items()]
    return table([f"{n:,} rows, ten columns", "whole fit, ms", "over AcceleratedLifetime()"], rows)


def predictions(n: int = 100_000) -> str:
    """Predictions with bounds for many assets of different ages, after the first call."""
    x, y = fleet(4000)
    new, ages = fleet(n, 8)[0], np.random.default_rng(9).uniform(0, 60, n)
    rows = []
    deep = DeepWeibullMixture(2, max_epochs=20)
    for model in (AcceleratedLifetime(), ScaledHazard(), MixtureRegression(2), deep):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two components are one too many for this fleet
            model.fit(x, y)
        runs: dict[str, Callable[[], object]] = {
            "rul": partial(model.predict_rul, new, ages),
            "risk": partial(model.failure_probability, new, ages, 1.0),
            "survival": partial(model.predict_survival, new, [10.0, 20.0, 40.0], ages),
        }
        taken = in_turn(runs, 3)
        rows.append([type(model).__name__, *(f"{taken[name]:.2f}" for name in runs)])
    head = [f"{n:,} assets, s", "predict_rul", "failure_probability", "predict_survival, 3 times"]
    return table(head, rows)


def _surpyval(x: np.ndarray, y: np.ndarray) -> object:
    import surpyval

    return surpyval.CoxPH.fit(x=y[:, 0], Z=x, c=1 - y[:, 1])


def _lifelines(x: np.ndarray, y: np.ndarray) -> object:
    import lifelines

    frame = pd.DataFrame(x).assign(t=y[:, 0], e=y[:, 1])
    return lifelines.CoxPHFitter().fit(frame, "t", "e")


def _scikit_survival(x: np.ndarray, y: np.ndarray) -> object:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    return CoxPHSurvivalAnalysis(ties="efron").fit(x, Surv.from_arrays(y[:, 1] > 0, y[:, 0]))


PEERS: dict[str, Callable[..., object]] = {
    "SurPyval": _surpyval,
    "lifelines": _lifelines,
    "scikit-survival": _scikit_survival,
}


def cox(sizes: tuple[int, ...], repeats: int, peers: bool) -> str:
    """Cox's model; peers once each, where they end within minutes."""
    rows = []
    for n in sizes:
        x, y = fleet(n)
        model = CoxPH()
        ours = in_turn({"fit": partial(model.fit, x, y)}, repeats)["fit"]
        row = [f"{n:,}", f"{1e3 * ours:.0f}"]
        for name, fit in PEERS.items():
            if not peers or (n > 100_000 and name != "SurPyval"):
                row.append("")
                continue
            start = time.perf_counter()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    fit(x, y)
                row.append(f"{(time.perf_counter() - start) / ours:.1f}")
            except Exception as error:  # a peer's own failure is a finding
                row.append(type(error).__name__)
        rows.append(row)
    return table(["Cox, n", "whole fit, ms", *(f"{name} / survjax" for name in PEERS)], rows)


@without_drafts()
def main() -> None:
    """Run and print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into the docs")
    parser.add_argument("--peers", action="store_true", help="also time installed peers")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--kinds", action="store_true", help="only families and kinds of rows")
    chosen = parser.parse_args()
    if chosen.kinds:
        print(kinds_of_rows((1_000, 100_000), 3), mixtures(100_000, 1), sep="\n\n")
        return
    sizes = (100_000,) if chosen.quick else (100_000, 1_000_000)
    parts = [
        "## Regressions\n\n`python -m tests.benchmarks.regression --peers`; " + machine() + ". Ten "
        "columns, 30 % of the units still running.",
        accelerated(sizes, 5),
        kinds_of_rows((1_000, 100_000), 5),
        mixtures(100_000, 3),
        cox(sizes, 5, chosen.peers),
        predictions(),
    ]
    text = "\n\n".join(parts)
    print(text)
    if chosen.write:
        write_section("benchmarks.md", "regression", text)


if __name__ == "__main__":
    main()
