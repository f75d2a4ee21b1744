"""Samples that the golden fits are made from: uniform random numbers, changed by formulas.

The uniform numbers of a seeded generator are the same in every release of NumPy; its other
distributions need not be.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy import special


class Fitted(NamedTuple):
    """A case: what the fit found, and a function that asks for all that follows from it."""

    fit: dict[str, Any]
    says: Callable[[], dict[str, Any]]


class Units(NamedTuple):
    """Covariates (n, 2), when each unit was seen last, whether it failed then, when seen first."""

    x: np.ndarray
    durations: np.ndarray
    failed: np.ndarray
    entry: np.ndarray

    @property
    def y(self) -> np.ndarray:
        """Columns (duration, event), as regressions take them."""
        return np.column_stack([self.durations, self.failed])


def noise(family: str, u: np.ndarray) -> np.ndarray:
    """Draw log lives of location zero and shape one from uniform numbers."""
    if family in ("weibull", "exponential"):
        return np.log(-np.log(u))
    if family == "lognormal":
        return special.ndtri(u)
    return special.logit(u)


def fleet(n: int, seed: int = 1, late: bool = False) -> tuple[np.ndarray, ...]:
    """Two kinds of units, 30 % weak: durations, failed, entry (zero, or late and truncated)."""
    weak, life, limit, entry = np.random.default_rng(seed).random((4, 3 * n))
    lives = np.where(
        weak < 0.3, 6.0 * (-np.log(life)) ** (1 / 1.2), 40.0 * (-np.log(life)) ** (1 / 3.5)
    )
    ends, entry = 8.0 + 62.0 * limit, late * 9.0 * entry
    durations = np.minimum(lives, ends)
    seen = np.flatnonzero(durations > entry)[:n]
    return durations[seen], (lives <= ends)[seen], entry[seen]


def assets(family: str = "weibull", n: int = 600, late: bool = False, shape: float = 1.8) -> Units:
    """Units whose lives two columns stretch; one of the columns is a switch."""
    draws = np.random.default_rng(5).random((5, 2 * n))
    x = np.column_stack([special.ndtri(draws[0]), draws[1] < 0.4])
    shape = 1.0 if family == "exponential" else shape
    lives = 30.0 * np.exp(x @ [0.4, -0.6] + noise(family, draws[2]) / shape)
    ends, entry = 10.0 + 80.0 * draws[3], late * 12.0 * draws[4]
    durations = np.minimum(lives, ends)
    seen = np.flatnonzero(durations > entry)[:n]
    return Units(x[seen], durations[seen], (lives <= ends)[seen], entry[seen])


def two_kinds(n: int = 900, late: bool = False) -> Units:
    """Units of two kinds: columns move the share of the weak ones and how long all live."""
    draws = np.random.default_rng(8).random((6, 2 * n))
    x = np.column_stack([special.ndtri(draws[0]), draws[1] < 0.5])
    weak = draws[2] < special.expit(-0.8 + 1.0 * x[:, 1])
    life = -np.log(draws[3])
    lives = np.exp(0.3 * x[:, 0]) * np.where(weak, 5.0 * life ** (1 / 1.3), 42.0 * life ** (1 / 4))
    ends, entry = 15.0 + 60.0 * draws[4], late * 6.0 * draws[5]
    durations = np.minimum(lives, ends)
    seen = np.flatnonzero(durations > entry)[:n]
    return Units(x[seen], durations[seen], (lives <= ends)[seen], entry[seen])


def inspected(durations: np.ndarray, failed: np.ndarray, every: float) -> tuple[np.ndarray, ...]:
    """Bounds (lower, upper] of lives looked at every so often; one in five is seen exactly."""
    lower = every * np.floor(durations / every)
    exact = np.arange(durations.size) % 5 == 0
    lower = np.where(exact | ~failed, durations, lower)
    upper = np.where(exact, durations, every * np.floor(durations / every) + every)
    return lower, np.where(failed, upper, np.inf)


def histories(units: Units, change: float = 9.0) -> tuple[np.ndarray, ...]:
    """Cut lives at an age where the first column changes: x, y, entry, unit, row by row."""
    x, y, entry, unit = [], [], [], []
    for i, (columns, end, failed, begin) in enumerate(
        zip(units.x, units.durations, units.failed, units.entry, strict=True)
    ):
        edges = [begin, change, end] if begin < change < end else [begin, end]
        for j, (start, stop) in enumerate(pairwise(edges)):
            x.append([columns[0] - 0.5 * j, columns[1]])
            y.append([stop, failed and stop == end])
            entry.append(start)
            unit.append(i)
    return np.array(x), np.array(y, float), np.array(entry), np.array(unit)


def weights(n: int) -> np.ndarray:
    """How many units each row stands for: fractions, and whole numbers."""
    return 0.5 + np.arange(n) % 4 * 0.75
