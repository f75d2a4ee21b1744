"""What the tests of a family of one's own compare with: a fleet, formulas, a plain maximum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest


class Family(NamedTuple):
    """What the tests know of a family: an estimator, and the formulas in plain words."""

    estimator: Callable[..., Any]
    start: np.ndarray
    log_hazard: Callable[[Any, Any], Any]
    hazard: Callable[[Any, Any], Any]  # cumulative
    first: Callable[[float, float, float], float]  # the first parameter, at which H(t) is a value


class Units(NamedTuple):
    """Lives of a Gompertz fleet with one column, some still running, some entered late."""

    x: np.ndarray
    durations: np.ndarray
    failed: np.ndarray
    entry: np.ndarray

    @property
    def y(self) -> np.ndarray:
        return np.column_stack([self.durations, self.failed])


def simulate(effect: float = 0.0, n: int = 400) -> Units:
    """Draw lives whose hazard one column multiplies by exp(effect x)."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2 * n, 1))
    strain = rng.exponential(size=2 * n) * np.exp(-effect * x[:, 0])
    lives = np.log1p(strain * 0.08 / 0.03) / 0.08
    limit, entry = rng.uniform(8.0, 45.0, 2 * n), rng.choice([0.0, 3.0, 9.0], 2 * n)
    durations = np.minimum(lives, limit)
    seen = np.flatnonzero(durations > entry)[:n]
    return Units(x[seen], durations[seen], (lives <= limit)[seen], entry[seen])


def maximize(value: Callable[[Any], Any], start: np.ndarray) -> tuple[np.ndarray, float, Any]:
    """Maximum, its value and the inverse of the observed information: Newton, halving steps."""

    def slopes(theta: Any) -> Any:
        total, gradient = jax.value_and_grad(value)(theta)
        return gradient, (total, gradient)

    @jax.jit
    def derivatives(theta: Any) -> Any:
        hessian, known = jax.jacfwd(slopes, has_aux=True)(theta)
        return *known, hessian

    theta = np.asarray(start, float)
    with jax.enable_x64(True):
        best, gradient, hessian = map(np.asarray, derivatives(theta))
        for _ in range(100):
            sizes, axes = np.linalg.eigh(-hessian)
            step = axes @ (axes.T @ gradient / np.abs(sizes))
            if gradient @ step < 1e-14:
                assert np.all(sizes > 0)
                return theta, float(best), np.linalg.inv(-hessian)
            for halvings in range(40):
                trial = theta + step / 2**halvings
                found = [np.asarray(part) for part in derivatives(trial)]
                if np.isfinite(found[2]).all() and found[0] >= best - 1e-9:
                    break
            theta, (best, gradient, hessian) = trial, found
    raise AssertionError("the reference found no maximum")


def likelihood(family: Family, units: Units, weight: Any = 1.0) -> Callable[[Any], Any]:
    """The log-likelihood of units that entered late, by the formula."""
    durations, entry = np.asarray(units.durations), np.asarray(units.entry)
    late = entry > 0

    def value(theta: Any) -> Any:
        before = jnp.where(late, family.hazard(theta, np.where(late, entry, 1.0)), 0.0)
        event = units.failed * family.log_hazard(theta, durations)
        return jnp.sum(weight * (event - family.hazard(theta, durations) + before))

    return value


def check_remaining_life(table, hazard, ages, rtol=1e-5):
    """Medians add log 2 to the cumulative hazard, means are integrals, bounds hold both."""
    for name in ("mean", "q50"):
        assert np.all(table[f"{name}_lower"] < table[name])
        assert np.all(table[name] < table[f"{name}_upper"])
    t = np.linspace(1e-9, 250.0, 200_001)
    with jax.enable_x64(True):
        for age, mean, median in zip(ages, table["mean"], table["q50"], strict=True):
            start = hazard(np.array(age)) if age else 0.0
            assert hazard(np.array(age + median)) - start == pytest.approx(np.log(2.0), rel=rtol)
            with np.errstate(under="ignore"):
                still = np.exp(start - hazard(age + t))
            assert mean == pytest.approx(np.trapezoid(still, t), rel=rtol)
