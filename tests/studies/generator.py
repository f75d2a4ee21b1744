"""Hard mixtures at random: small samples, heavy censoring, ties, near-equal scales, any unit.

Only uniform numbers are drawn and everything else is their inverse transform, so that the same
seed gives the same problem under any version of NumPy.
"""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Problem:
    """One data set with the truth it was drawn from.

    `lower`, `upper` bound each unit's life for the likelihood in use: equal for a failure fitted
    by its density, (lower, upper] for one fitted as rounded, upper = inf for a running unit.
    """

    number: int
    n_components: int
    durations: np.ndarray
    events: np.ndarray
    sample_weight: np.ndarray | None
    resolution: float | None
    weights: np.ndarray
    shapes: np.ndarray
    scales: np.ndarray
    traits: tuple[str, ...]

    @property
    def units(self) -> np.ndarray:
        """How many units each row stands for."""
        if self.sample_weight is None:
            return np.ones(self.durations.size)
        return self.sample_weight

    @property
    def lower(self) -> np.ndarray:
        """Lower bounds: durations were rounded up."""
        if self.resolution is None:
            return self.durations
        return np.where(self.events, self.durations - self.resolution, self.durations)

    @property
    def upper(self) -> np.ndarray:
        """Upper bounds."""
        return np.where(self.events, self.durations, np.inf)


def problem(number: int, seed: int = 2026) -> Problem:
    """Draw problem `number`; it does not depend on the others."""
    rng = np.random.default_rng([seed, number])
    while True:
        drawn = _draw(number, rng)
        # A mixture with fewer failures than this is not a question one would ask.
        if np.sum(drawn.units * drawn.events) >= 4 * drawn.n_components:
            return drawn


def _log_uniform(u: np.ndarray | float, low: float, high: float) -> np.ndarray:
    return np.exp(np.log(low) + np.asarray(u) * np.log(high / low))


def _draw(number: int, rng: np.random.Generator) -> Problem:
    traits = []
    k = 2 if rng.random() < 0.6 else 3
    n = int(_log_uniform(rng.random(), 30, 2001))
    shapes = _log_uniform(rng.random(k), 0.3, 8.0)
    ratios = _log_uniform(rng.random(k - 1), 1.0, 150.0)
    if rng.random() < 0.25:
        traits.append("near-equal scales")
        ratios = _log_uniform(rng.random(k - 1), 1.0, 1.3)
    unit = 10.0 ** (-9 + 21 * rng.random())
    scales = unit * np.cumprod(np.concatenate([[1.0], ratios]))
    scales = scales[np.argsort(rng.random(k))]
    parts = -np.log1p(-rng.random(k))
    weights = 0.03 + (1 - 0.03 * k) * parts / parts.sum()
    if rng.random() < 0.15:
        traits.append("tiny weight")
        tiny = max(0.005 + 0.025 * rng.random(), 2.0 / n)
        weights = np.concatenate([[tiny], (1 - tiny) * weights[1:] / weights[1:].sum()])
    member = np.searchsorted(np.cumsum(weights)[:-1], rng.random(n))
    life = scales[member] * (-np.log1p(-rng.random(n))) ** (1 / shapes[member])
    # Durations below 1e-280 are an accident of units and shapes, not of lifetimes.
    life = np.maximum(life, 1e-280)
    durations, events = _censored(life, rng, traits)
    durations, events, resolution = _rounded(durations, events, rng, traits)
    sample_weight = None
    if rng.random() < 0.1:
        traits.append("weighted rows")
        sample_weight = 0.1 + 3.0 * rng.random(n)
    return Problem(
        number,
        k,
        durations,
        events,
        sample_weight,
        resolution,
        weights,
        shapes,
        scales,
        tuple(traits),
    )


def _censored(
    life: np.ndarray, rng: np.random.Generator, traits: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """End the study at one date, at staggered dates, or at random; up to 85 % still run."""
    kind, share, u = rng.random(), 0.85 * rng.random(), rng.random(life.size)
    if kind < 0.25:
        return life, np.ones(life.size, bool)
    traits.append("one end date" if kind < 0.5 else "staggered" if kind < 0.75 else "random ends")

    def ends(size: float) -> np.ndarray:
        if kind < 0.5:
            return np.full(life.size, size)
        return size * (u if kind < 0.75 else -np.log1p(-u))

    low, high = life.min() / 10, life.max() * 1e4
    for _ in range(60):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if np.mean(life > ends(middle)) > share else (low, middle)
    end = ends(high)
    return np.minimum(life, end), life <= end


def _rounded(
    durations: np.ndarray, events: np.ndarray, rng: np.random.Generator, traits: list[str]
) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Round up to a grid of 3 to 60 steps per median; half of these are fitted as rounded."""
    chosen, steps, honest = rng.random(), float(_log_uniform(rng.random(), 3, 60)), rng.random()
    if chosen > 0.35:
        return durations, events, None
    width = float(np.median(durations)) / steps
    # Three digits, so that multiples of the width are what a person would have written down.
    width = float(f"{width:.2e}")
    rounded = np.ceil(durations / width) * width
    rounded = np.maximum(rounded, width)
    traits.append("rounded, as intervals" if honest < 0.5 else "rounded, by density")
    return rounded, events, width if honest < 0.5 else None
