"""The inverse Gaussian lifetime: when a drifting Brownian motion first reaches a limit."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.normal_tail import LOG_SQRT_2PI, log_mills, log_mills_slope
from survjax._core.numerics import log1mexp, log_hazard_of_share
from survjax._core.pytree import parameter, pytree
from survjax._core.quadrature import mean_over
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._limits import (
    inside_life,
    log_hazard_outside,
    outside_life,
    with_age_limits,
)
from survjax.lifetimes._natural import log_of

#: Logs of ratios beyond this count as this: fourth powers of exp of it are numbers yet.
FARTHEST = 149.0


def _log_gap(a: jax.Array, width: jax.Array) -> jax.Array:
    """Log of m(a) - m(a + width), m(z) = exp(z^2 / 2) P(Z > z), for a > -1.

    Over a short width, the odd derivatives at its middle: a difference would lose digits.
    """
    size = jnp.maximum(a, 0.0)
    short = width < 0.01 * (1.0 + size)
    center = jnp.where(short, a + 0.5 * width, 1.0)
    # m itself below zero, where `log_mills` does not go, is exp(z^2 / 2) less that above.
    above = jnp.abs(center)
    mirrored = jnp.exp(log_mills(above))
    m = jnp.where(center < 0, jnp.exp(0.5 * above**2) - mirrored, mirrored)
    density = math.exp(-LOG_SQRT_2PI)
    far = center > 30.0
    c = jnp.where(far, 1.0, center)
    first = c * m - density
    second = m + c * first
    third = c * second + 2.0 * first
    fourth = c * third + 3.0 * second
    fifth = c * fourth + 4.0 * third
    i = 1.0 / jnp.where(far, center, 30.0) ** 2
    first = jnp.where(far, -jnp.exp(log_mills_slope(jnp.where(far, center, 30.0))), first)
    third = jnp.where(far, -density * i**2 * (6.0 - 60.0 * i), third)
    fifth = jnp.where(far, -density * 120.0 * i**3, fifth)
    w = jnp.where(short, width, 0.01) ** 2
    series = -(first + third * w / 24.0 + fifth * w**2 / 1920.0)
    near = jnp.log(series) + jnp.log(width)

    plain = jnp.where(short, 1.0, a)
    low = jnp.exp(log_mills(jnp.abs(plain)))
    low = jnp.where(plain < 0, jnp.exp(0.5 * jnp.minimum(plain, 0.0) ** 2) - low, low)
    high = log_mills(plain + jnp.where(short, 1.0, width))
    log_low = jnp.log(low)
    return jnp.where(short, near, log_low + log1mexp(log_low - high))


@jax.custom_jvp
def log_passage_survival(a: jax.Array, width: jax.Array) -> jax.Array:
    """Log of exp(-a^2 / 2) (m(a) - m(b)) with b = a + width, m(z) = exp(z^2 / 2) P(Z > z).

    It is the log of the survival P(Z > a) - exp((b^2 - a^2) / 2) P(Z > b): the second term would
    overflow, and their difference cancel.
    """
    log_failed = log_passage_failed(a, width)
    early = (a < 0) & (log_failed < -0.6)
    share = jnp.exp(jnp.where(early, log_failed, -1.0))
    late = jnp.where(early, 0.0, a)
    return jnp.where(early, jnp.log1p(-share), _log_gap(late, width) - 0.5 * late * late)


def log_passage_failed(a: jax.Array, width: jax.Array) -> jax.Array:
    """Log of one minus the exponential of `log_passage_survival`, for a < 0 (above, any number)."""
    size = jnp.maximum(-a, 0.0)
    end = jnp.maximum(a + width, 0.0)
    return jnp.logaddexp(log_mills(size), log_mills(end)) - 0.5 * size * size


@log_passage_survival.defjvp
def _log_passage_survival_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    """-width m(b) along a and -m'(b) along the width, over what `_log_gap` is the log of."""
    a, width = primals
    value = log_passage_survival(a, width)
    b = a + width
    log_gap = value + 0.5 * a * a
    along_a = -width * jnp.exp(log_mills(b) - log_gap)
    along_width = jnp.exp(log_mills_slope(b) - log_gap)
    return value, along_a * tangents[0] + along_width * tangents[1]


@pytree
class InverseGaussian(Lifetime):
    """Inverse Gaussian lifetime: the time of first passage of a Brownian motion with drift.

    Parameters
    ----------
    log_mean : array
        Log of the mean mu, in the unit of time.
    log_lambda : array
        Log of lambda, in the unit of time; the variance is mu^3 / lambda.

    Notes
    -----
    With a = sqrt(lambda / t) (t / mu - 1) and b = sqrt(lambda / t) (t / mu + 1): S = P(Z > a) -
    exp(2 lambda / mu) P(Z > b), and log f = (log lambda - 3 log t - a^2) / 2 - log sqrt(2 pi)
    (Chhikara and Folks 1989, section 2.3). The hazard rises, falls, and levels off at
    lambda / (2 mu^2).

    Examples
    --------
    >>> from survjax.lifetimes import InverseGaussian
    >>> round(float(InverseGaussian.of(mean=40.0, lam=80.0).survival(40.0)), 4)
    0.3723
    """

    always_fails: ClassVar[bool] = True
    has_own_density: ClassVar[bool] = True
    log_mean: jax.Array = parameter()
    log_lambda: jax.Array = parameter()

    @classmethod
    def of(cls, mean: ArrayLike, lam: ArrayLike) -> InverseGaussian:
        """Make one from its mean and lambda (`lam`), both positive."""
        return cls(log_of(mean, "mean"), log_of(lam, "lam"))

    def mean(self) -> jax.Array:
        """The mean life."""
        return jnp.exp(jnp.asarray(self.log_mean))

    def _passage(self, safe: jax.Array) -> tuple[jax.Array, jax.Array]:
        """a and b - a, for 0 < t < inf."""
        log_t = jnp.log(safe)
        root = jnp.clip(0.5 * (self.log_lambda - log_t), -FARTHEST, FARTHEST)
        ratio = jnp.clip(log_t - self.log_mean, -FARTHEST, FARTHEST)
        return jnp.exp(root) * jnp.expm1(ratio), 2.0 * jnp.exp(root)

    def _log_density(self, safe: jax.Array) -> jax.Array:
        a = self._passage(safe)[0]
        return 0.5 * (self.log_lambda - 3.0 * jnp.log(safe) - a * a) - LOG_SQRT_2PI

    def final_log_hazard(self) -> jax.Array:
        return jnp.asarray(self.log_lambda) - 2.0 * jnp.asarray(self.log_mean) - math.log(2.0)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        value = self._log_density(safe) - log_passage_survival(*self._passage(safe))
        return jnp.where(inside, value, log_hazard_outside(t, -jnp.inf, self.final_log_hazard()))

    def log_density(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        return jnp.where(inside, self._log_density(safe), log_hazard_outside(t, -jnp.inf))

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        return jnp.where(inside, -log_passage_survival(*self._passage(safe)), outside_life(t))

    def _log_cumulative_hazard(self, safe: jax.Array) -> jax.Array:
        """Log of H, where hardly anything has failed too."""
        a, width = self._passage(safe)
        log_failed = log_passage_failed(jnp.minimum(a, 0.0), width)
        early = (a < 0) & (log_failed < -0.6)
        passed = -log_passage_survival(jnp.where(early, 0.0, a), width)
        return jnp.where(
            early, log_hazard_of_share(jnp.where(early, log_failed, -1.0)), jnp.log(passed)
        )

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        start, length = jnp.asarray(start), jnp.asarray(length)
        some, aged = (length > 0) & (length < jnp.inf), start > 0
        safe, born = jnp.where(some, length, 1.0), jnp.where(aged, start, 1.0)
        stop = jnp.where(aged, start + safe, safe)
        new = self._log_cumulative_hazard(stop)
        later = self._log_increment(born, jnp.where(aged, safe, 0.5))
        whole = jnp.where(aged, later, new)
        return jnp.where(some, whole, jnp.where(length > 0, jnp.inf, -jnp.inf))

    def _log_increment(self, start: jax.Array, length: jax.Array) -> jax.Array:
        """Of positive starts: a short one is the integral of the density, over what is left.

        The log of the density changes by -3/2 log(t / start) - lambda d (1 / mu^2 - 1 / (t start))
        / 2 over d = t - start.
        """
        left = log_passage_survival(*self._passage(start))
        drift = jnp.exp(jnp.clip(self.log_lambda - 2.0 * self.log_mean, -600.0, 600.0))
        lam = jnp.exp(jnp.asarray(self.log_lambda))

        steepest = 1.5 / start + 0.5 * jnp.maximum(drift, lam / start**2)
        short = length * steepest < 1.0
        begin = jnp.where(short, start, 1.0)

        def ratio(d: jax.Array) -> jax.Array:
            rate = jnp.where(short, drift - lam / begin / (begin + d), 0.0)
            return jnp.exp(-1.5 * jnp.log1p(d / begin) - 0.5 * d * rate)

        log_mean = jnp.log(mean_over(ratio, 0.0 * begin, jnp.where(short, length, 0.0)))
        log_share = self._log_density(start) + jnp.log(length) + log_mean - left

        stop = start + jnp.where(short, start, length)
        a, width = self._passage(start)
        a_stop, width_stop = self._passage(stop)
        failed = log_passage_failed(jnp.minimum(a, 0.0), width)
        failed_stop = log_passage_failed(jnp.minimum(a_stop, 0.0), width_stop)
        early = ~short & (a_stop < 0) & (failed_stop < -0.6)
        grown = jnp.where(early, failed_stop - failed, 1.0)
        share = jnp.where(short, log_share, failed_stop + log1mexp(grown) - left)
        from_share = log_hazard_of_share(jnp.where(short | early, share, -1.0))
        fallen = left - log_passage_survival(a_stop, width_stop)
        positive = ~(short | early) & (fallen > 0)
        late = jnp.log(jnp.where(positive, fallen, 1.0))
        return jnp.where(short | early, from_share, jnp.where(positive, late, -jnp.inf))

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """mu (P(Z > a) + exp(2 lambda / mu) P(Z > b)) / S(age) - age."""
        age = jnp.asarray(age)
        positive, safe = inside_life(age)
        a, width = self._passage(safe)
        size, end = jnp.abs(a), log_mills(a + width)
        log_sum = jnp.logaddexp(log_mills(size), end)
        gone = jnp.exp(log_mills(size) - 0.5 * a * a) - jnp.exp(end - 0.5 * a * a)
        log_reached = jnp.where(
            a < 0, jnp.log1p(-jnp.where(a < 0, gone, 0.0)), log_sum - 0.5 * a * a
        )
        mean = self.mean()
        rest = mean * jnp.exp(log_reached - log_passage_survival(a, width)) - safe
        return jnp.where(positive, rest, mean)

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Lifetime:
        """Mean and variation of the lognormal with the first and last of those quantiles."""
        z = np.array([NormalDist().inv_cdf(float(q)) for q in np.ravel(shares)])
        y = np.log(np.asarray(times, float))
        sigma = float(np.clip((y[-1] - y[0]) / (z[-1] - z[0]), 1e-6, 2.0))
        log_mean = float(np.mean(y - sigma * z)) + 0.5 * sigma**2
        found: Any = np.array([log_mean, log_mean - np.log(np.expm1(sigma**2))])
        return InverseGaussian(*found)

    def nearby_limit(self) -> str:
        """Without a drift, where the mean runs to infinity: a Levy lifetime."""
        if self.log_mean - self.log_lambda < 15.0:
            return ""
        return (
            "a Levy lifetime (no drift: a mean of infinity), P(T > t) = P(|Z| < sqrt(lambda / t))"
        )

    def step_units(self) -> Lifetime:
        """The log of the mean counts in units of the spread of log time."""
        log_variation = jnp.asarray(self.log_mean) - jnp.asarray(self.log_lambda)
        spread = jnp.sqrt(jnp.log1p(jnp.exp(jnp.clip(log_variation, -20.0, 20.0))))
        return InverseGaussian(jnp.maximum(1.0 / spread, 1.0), jnp.ones_like(spread))
