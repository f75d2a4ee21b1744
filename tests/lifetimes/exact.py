"""Curves of a family, and derivatives of its likelihood terms, against 50-digit arithmetic.

A reference gives a distribution by two functions of a time and the parameters, as mpmath numbers:
log of the density, and both tails of the distribution function.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from mpmath import mp, mpf

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.likelihood.row_derivatives import component_derivatives

DIGITS = 60
#: Numbers smaller than this are no more than zero in 64 bits.
SMALLEST = 1e-290


@dataclasses.dataclass(frozen=True)
class Exact:
    """A family as its class, and in mpmath: density, P(T <= t) and P(T > t) at (t, *parameters)."""

    family: Any
    density: Callable[..., Any]
    failed: Callable[..., Any]
    survival: Callable[..., Any]

    def at(self, x: Any) -> Any:
        """The lifetime with unconstrained parameters x (p,)."""
        return self.family(*(np.float64(part) for part in x))


@double_precision
def worst_error(exact: Exact, x: Any, times: Any, pairs: Any) -> dict[str, float]:
    """Largest error of each curve, relative (of logs: to one, where they are smaller)."""
    ours, found = exact.at(x), {}
    worst: dict[str, float] = {}
    t, (lower, upper) = np.asarray(times, float), np.asarray(pairs, float).T
    found = {
        "log_survival": ours.log_survival(t),
        "log_density": ours.log_density(t),
        "log_hazard": ours.log_hazard(t),
        "left": ours.log_interval_probability(0.0 * t, t),
        "interval": ours.log_interval_probability(lower, upper),
        "increment": ours.log_increment(lower, upper - lower),
    }
    with mp.workdps(DIGITS):
        theta = [mpf(float(part)) for part in x]
        for name, values in found.items():
            for i, value in enumerate(np.asarray(values)):
                if name in ("interval", "increment"):
                    low, high = mpf(float(lower[i])), mpf(float(upper[i]))
                    share = _between(exact, low, high, theta)
                    alive = exact.survival(low, *theta)
                    increment = -mp.log1p(-share / alive) if share < alive / 2 else None
                    if increment is None:
                        increment = mp.log(alive / exact.survival(high, *theta))
                    right = mp.log(share if name == "interval" else increment)
                else:
                    right = _curve(exact, name, mpf(float(t[i])), theta)
                if abs(right) < SMALLEST:
                    continue
                size = abs(right) if name == "log_survival" else max(1, abs(right))
                error = float(abs(mpf(float(value)) - right) / size)
                worst[name] = max(worst.get(name, 0.0), error)
    return worst


def _log_survival(exact: Exact, t: Any, theta: Any) -> Any:
    """Log of P(T > t), where hardly anything has failed too."""
    failed = exact.failed(t, *theta)
    return mp.log1p(-failed) if failed < 0.1 else mp.log(exact.survival(t, *theta))


def _between(exact: Exact, low: Any, high: Any, theta: Any) -> Any:
    """P(low < T <= high), by the smaller tail."""
    if exact.failed(high, *theta) < 0.5:
        return exact.failed(high, *theta) - exact.failed(low, *theta)
    return exact.survival(low, *theta) - exact.survival(high, *theta)


def _curve(exact: Exact, name: str, t: Any, theta: list[Any]) -> Any:
    """One exact number."""
    if name == "left":
        return mp.log(exact.failed(t, *theta))
    alive = _log_survival(exact, t, theta)
    log_density = mp.log(exact.density(t, *theta))
    return {
        "log_survival": alive,
        "log_density": log_density,
        "log_hazard": log_density - alive,
    }[name]


KINDS = ("failed", "running", "left", "interval")


def _rows(times: Any, pairs: Any) -> dict[str, Observations]:
    """Rows of each kind."""
    t, (lower, upper) = np.asarray(times, float), np.asarray(pairs, float).T
    ones = np.ones(t.size, bool)
    return {
        "failed": Observations.from_durations(t, ones),
        "running": Observations.from_durations(t, ~ones),
        "left": Observations.from_intervals(0.0 * t, t),
        "interval": Observations.from_intervals(lower, upper),
    }


@double_precision
def derivative_errors(exact: Exact, x: Any, times: Any, pairs: Any) -> dict[str, float]:
    """Largest error of first and second derivatives of each kind of row.

    Relative to the largest of all derivatives of that order at that row.
    """
    stack = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], exact.at(x))
    p, worst = len(x), {}
    for kind, rows in _rows(times, pairs).items():
        found = jax.jit(component_derivatives)(stack, rows)
        order = np.arange(rows.n_rows)
        for i in order:
            first, second = _exact_derivatives(exact, kind, x, rows, i)
            errors = []
            for ours, theirs in (
                (np.asarray(found.first)[:, 0, i], first),
                (np.asarray(found.second)[:, 0, i], second),
            ):
                size = max(abs(part) for part in theirs) + SMALLEST
                gaps = [abs(mpf(float(a)) - b) / size for a, b in zip(ours, theirs, strict=True)]
                errors.append(float(max(gaps)))
            for name, error in zip(("first", "second"), errors, strict=True):
                key = f"{kind} {name}"
                worst[key] = max(worst.get(key, 0.0), error)
    assert p * (p + 1) // 2 == len(second)
    return worst


def _exact_derivatives(
    exact: Exact, kind: str, x: Any, rows: Observations, i: int
) -> tuple[list[Any], list[Any]]:
    """First (p,) and second derivatives (of pairs a <= b) of one row's term."""
    t = mpf(float(rows.lower[i]))
    with mp.workdps(DIGITS):

        def term(*theta: Any) -> Any:
            if kind == "failed":
                return mp.log(exact.density(t, *theta))
            if kind == "running":
                return _log_survival(exact, t, theta)
            high = mpf(float(rows.upper[i]))
            if kind == "left":
                return mp.log(exact.failed(high, *theta))
            return mp.log(_between(exact, t, high, theta))

        theta = tuple(mpf(float(part)) for part in x)
        size = range(len(x))
        unit = [tuple(int(a == i) for i in size) for a in size]
        first = [mp.diff(term, theta, unit[a]) for a in size]
        pairs = [(a, b) for a in size for b in size if b >= a]
        second = [
            mp.diff(term, theta, tuple(unit[a][i] + unit[b][i] for i in size)) for a, b in pairs
        ]
    return first, second
