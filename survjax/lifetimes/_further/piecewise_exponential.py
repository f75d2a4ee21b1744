"""The piecewise exponential lifetime: a hazard that is constant between cuts."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from survjax._core.numerics import logsumexp
from survjax._core.pytree import data, parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._limits import (
    inside_life,
    log_hazard_outside,
    outside_life,
    outside_targets,
    with_age_limits,
)
from survjax.lifetimes._natural import check_positive_numbers

#: Pieces that cuts chosen from failures make, and failures that each holds at least.
MOST_PIECES, FEWEST_FAILURES = 5, 2


@pytree
class PiecewiseExponential(Lifetime):
    """Piecewise exponential lifetime: a constant hazard on each (cut before, cut].

    Parameters
    ----------
    log_rate : array of shape (m,)
        Log of the hazard in each piece, per unit of time. Rows, if any, on a second axis.
    cuts : array of shape (m - 1,)
        Where the pieces meet: positive, rising times. They are given, not fitted.

    Notes
    -----
    A failure at a cut belongs to the piece that ends there. The maximum of the likelihood has
    rates of failures over running time in each piece (Friedman 1982); a piece without a failure
    has none.

    Examples
    --------
    >>> from survjax.lifetimes import PiecewiseExponential
    >>> pump = PiecewiseExponential.of(rates=[0.02, 0.005, 0.03], cuts=[10.0, 50.0])
    >>> [round(float(pump.survival(t)), 4) for t in (10.0, 50.0, 60.0)]
    [0.8187, 0.6703, 0.4966]
    """

    is_smooth: ClassVar[bool] = False
    always_fails: ClassVar[bool] = True

    log_rate: jax.Array = parameter()
    cuts: jax.Array = data()

    @classmethod
    def of(cls, rates: ArrayLike, cuts: ArrayLike) -> PiecewiseExponential:
        """Make one from positive rates (m,) and rising cuts (m - 1,)."""
        at: Any = np.asarray(cuts, float)
        given: Any = np.asarray(rates, float)
        if given.ndim != 1 or at.shape != (given.size - 1,):
            raise ValueError(
                f"rates must be one more than cuts, got shapes {given.shape} and {at.shape}"
            )
        _check_cuts(at)
        check_positive_numbers(given, "rates")
        return cls(np.log(given), at)

    @classmethod
    def with_cuts(cls, cuts: ArrayLike) -> PiecewiseExponential:
        """Make one to be fitted, from rising cuts (m - 1,)."""
        at = np.asarray(cuts, float)
        return cls.of(np.ones(at.size + 1), at)

    @classmethod
    def for_failures(cls, times: jax.Array, weights: Any) -> PiecewiseExponential:
        """One to be fitted, with cuts at failure times that share the failures out evenly.

        Parameters
        ----------
        times, weights : arrays of shape (n,)
            Of failures. Five pieces, fewer where each would hold fewer than two failures, or where
            many failures share a time.
        """
        order = np.argsort(times, kind="stable")
        at, weights_in_order = np.asarray(times, float)[order], np.asarray(weights, float)[order]
        total = np.cumsum(weights_in_order)
        n_pieces = int(np.clip(total[-1] // FEWEST_FAILURES, 1, MOST_PIECES))
        wanted = total[-1] * np.arange(1, n_pieces) / n_pieces
        cuts = np.unique(at[np.searchsorted(total, wanted * (1.0 - 1e-12))])
        return cls.with_cuts(cuts[cuts < at[-1]])

    def _pieces(self, t: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Log rates, beginnings and ends of the pieces, which lead, beside times of any shape."""
        rates, at = jnp.asarray(self.log_rate), lax.stop_gradient(jnp.asarray(self.cuts))
        log_rate, cuts = leading(t, rates, at)
        last = jnp.full((1, *cuts.shape[1:]), jnp.inf, cuts.dtype)
        begin = jnp.concatenate([jnp.zeros_like(last), cuts])
        return log_rate, begin, jnp.concatenate([cuts, last])

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        log_rate, begin, end = self._pieces(t)
        usual = t >= 0
        safe = jnp.where(usual, t, 0.0)
        here = ((begin < safe) | (begin == 0)) & (safe <= end)
        inside = jnp.sum(jnp.where(here, log_rate, 0.0), axis=0)
        return jnp.where(usual, inside, log_hazard_outside(t, 0.0))

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        log_rate, begin, end = self._pieces(safe)
        lived = jnp.clip(safe - begin, 0.0, end - begin)
        return jnp.where(inside, jnp.sum(jnp.exp(log_rate) * lived, axis=0), outside_life(t))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        start, length = jnp.broadcast_arrays(jnp.asarray(start), jnp.asarray(length))
        some = (length > 0) & (length < jnp.inf)
        log_rate, lived = self._ahead(start, jnp.where(some, length, 1.0))
        met = lived > 0
        terms = jnp.where(met, log_rate + jnp.log(jnp.where(met, lived, 1.0)), -1e300)
        return jnp.where(some, logsumexp(terms), jnp.where(length > 0, jnp.inf, -jnp.inf))

    def _ahead(self, start: jax.Array, length: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """Log rates, and how long each piece is met over a length from a start, to all digits."""
        log_rate, begin, end = self._pieces(start)
        return log_rate, jnp.maximum(
            jnp.minimum(length, end - start) - jnp.maximum(begin - start, 0.0), 0.0
        )

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        return self.inverse_increment(0.0, target)

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        start, target = jnp.broadcast_arrays(jnp.asarray(start), jnp.asarray(target))
        inside, safe = inside_life(target)
        log_rate, whole = self._ahead(start, jnp.inf)
        rate = jnp.exp(log_rate)
        passed = rate * jnp.where(jnp.isinf(whole), 0.0, whole)
        before = jnp.cumsum(passed, axis=0) - passed
        # The last piece has no end: what it holds has no slope either.
        spent = jnp.clip(safe - before, 0.0, jnp.where(jnp.isinf(whole), jnp.inf, passed))
        return jnp.where(inside, jnp.sum(spent / rate, axis=0), outside_targets(target))

    def with_hazard_ratio(self, log_ratio: ArrayLike) -> PiecewiseExponential:
        ratios, rates = jnp.asarray(log_ratio), jnp.asarray(self.log_rate)
        return PiecewiseExponential(leading(ratios, rates)[0] + ratios, self.cuts)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """The integral of the survival, piece by piece."""
        log_rate, whole = self._ahead(jnp.asarray(age), jnp.inf)
        rate, last = jnp.exp(log_rate), jnp.isinf(whole)
        passed = jnp.exp(log_rate) * jnp.where(last, 0.0, whole)
        before = jnp.cumsum(passed, axis=0) - passed
        lost = jnp.where(last, 1.0, -jnp.expm1(-passed))
        return jnp.sum(jnp.exp(-before) * lost / rate, axis=0)

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Lifetime:
        """Rates that add up to the hazards, at the cuts, of a Weibull with those quantiles."""
        z, y = np.log(-np.log1p(-np.asarray(shares, float))), np.log(np.asarray(times, float))
        slope = (z[-1] - z[0]) / max(float(y[-1] - y[0]), 1e-9)
        cuts = np.asarray(self.cuts, float)
        last = 2.0 * max(float(np.max(cuts, initial=0.0)), float(np.exp(y[-1])))
        ends = np.append(cuts, last)
        log_hazard = np.clip(z[0] + slope * (np.log(ends) - y[0]), -300.0, 300.0)
        gained = np.diff(np.exp(log_hazard), prepend=0.0)
        rates: Any = np.log(np.maximum(gained, 1e-100) / np.diff(ends, prepend=0.0))
        return PiecewiseExponential(rates, self.cuts)


def leading(t: jax.Array, *columns: jax.Array) -> tuple[jax.Array, ...]:
    """Numbers of pieces (m,), or of pieces and rows (m, n), that broadcast with times."""
    n_axes = max(jnp.ndim(t), *(column.ndim - 1 for column in columns))
    shapes = ((len(c), *(1,) * (n_axes - c.ndim + 1), *c.shape[1:]) for c in columns)
    return tuple(c.reshape(shape) for c, shape in zip(columns, shapes, strict=True))


def _check_cuts(cuts: np.ndarray) -> None:
    """Refuse cuts that are not positive, finite and rising."""
    wrong = ~(np.isfinite(cuts) & (cuts > 0)) | (np.diff(cuts, prepend=0.0) <= 0)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(
            f"cuts must be positive, finite and rising: {int(wrong.sum())} are not, the first at "
            f"position {first} ({cuts[first]:g})"
        )
