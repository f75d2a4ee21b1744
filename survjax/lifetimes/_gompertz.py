"""The Gompertz lifetime: a hazard that grows, or falls, by the same share in each unit of time."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.numerics import bounded_exp, module_of
from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._limits import (
    inside_life,
    log_hazard_outside,
    outside_life,
    outside_targets,
)
from survjax.lifetimes._natural import any_number, log_of

#: Below this, expm1(u) / u and log1p(u) / u are their series: differences would lose digits.
SERIES = 0.03


def _log_mean_exp(u: Any) -> Any:
    """Log of expm1(u) / u, the mean of exp over (0, u), for any u."""
    xp = module_of(u)
    small, late, early = xp.abs(u) < SERIES, u > 1.0, u < -1.0
    s = xp.where(small, u, 0.0)
    term = total = xp.ones_like(s)
    for n in range(2, 10):
        term = term * s / n
        total = total + term
    near = xp.where(small | late | early, 0.5, u)
    middle = xp.log(xp.expm1(near) / near)
    above = xp.where(late, u, 2.0)
    high = above + xp.log1p(-xp.exp(-above)) - xp.log(above)
    below = xp.where(early, u, -2.0)
    low = xp.log(-xp.expm1(below)) - xp.log(-below)
    found = xp.where(small, xp.log(total), xp.where(late, high, middle))
    return xp.where(early, low, found)


def _log1p_ratio(w: jax.Array) -> jax.Array:
    """log1p(w) / w for w > -1."""
    small = jnp.abs(w) < SERIES
    s = jnp.where(small, w, 0.0)
    total, power = jnp.zeros_like(s), jnp.ones_like(s)
    for n in range(1, 13):
        total = total + power / n
        power = -power * s
    safe = jnp.where(small, 1.0, w)
    return jnp.where(small, total, jnp.log1p(safe) / safe)


@pytree
class Gompertz(Lifetime):
    """Gompertz lifetime, h(t) = rate exp(growth t).

    Parameters
    ----------
    log_rate : array
        Log of the hazard of a new unit, per unit of time.
    growth : array
        Growth of the log hazard per unit of time. Where it is negative, a share exp(rate / growth)
        of the units never fails: means and late quantiles are infinite.

    Notes
    -----
    H(t) = rate (exp(growth t) - 1) / growth (Gompertz 1825). The remaining life at an age is again
    a Gompertz lifetime, of the same growth.

    Examples
    --------
    >>> from survjax.lifetimes import Gompertz
    >>> bearing = Gompertz.of(rate=0.001, growth=0.1)
    >>> round(float(bearing.survival(40.0)), 4)
    0.585
    """

    log_rate: jax.Array = parameter()
    growth: jax.Array = parameter()

    @classmethod
    def of(cls, rate: ArrayLike, growth: ArrayLike) -> Gompertz:
        """Make one from a positive rate and any growth."""
        return cls(log_of(rate, "rate"), any_number(growth, "growth"))

    @property
    def rate(self) -> jax.Array:
        """Hazard of a new unit."""
        return jnp.exp(jnp.asarray(self.log_rate))

    def final_log_hazard(self) -> jax.Array:
        growth = jnp.asarray(self.growth)
        level = jnp.where(growth > 0, jnp.inf, jnp.asarray(self.log_rate))
        return jnp.where(growth < 0, -jnp.inf, level)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        usual = (t >= 0) & (t < jnp.inf)
        inside = self.log_rate + self.growth * jnp.where(usual, t, 0.0)
        return jnp.where(usual, inside, log_hazard_outside(t, 0.0, self.final_log_hazard()))

    def _log_integral(self, length: jax.Array) -> jax.Array:
        """Log of the integral of exp(growth s) over (0, length), for positive lengths."""
        return jnp.log(length) + _log_mean_exp(self.growth * length)

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        value = bounded_exp(self.log_rate + self._log_integral(safe))
        falls = jnp.asarray(self.growth) < 0
        most = self.rate / jnp.where(falls, -jnp.asarray(self.growth), 1.0)
        outside = jnp.where(falls & (t > 0), most, outside_life(t))
        return jnp.where(inside, value, outside)

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        length = jnp.asarray(length)
        some = length > 0
        endless = jnp.isposinf(length)
        safe = jnp.where(some & ~endless, length, 1.0)
        inside = self.log_hazard(start) + self._log_integral(safe)
        falls = jnp.asarray(self.growth) < 0
        rest = self.log_hazard(start) - jnp.log(jnp.where(falls, -jnp.asarray(self.growth), 1.0))
        inside = jnp.where(endless, jnp.where(falls, rest, jnp.inf), inside)
        return jnp.where(some, inside, -jnp.inf)

    def given(self, age: ArrayLike) -> Lifetime:
        return Gompertz(self.log_hazard(age), self.growth + 0.0 * jnp.asarray(age))

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        """t = log(1 + growth H / rate) / growth; infinite where H is never reached."""
        target = jnp.asarray(target)
        positive, safe = inside_life(target)
        log_v = jnp.log(safe) - self.log_rate
        # Beyond this, one is lost beside growth v, and v itself may leave the range of numbers.
        far = (log_v > 300.0) & (self.growth > 0)
        v = jnp.exp(jnp.where(far, 0.0, jnp.minimum(log_v, 600.0)))
        w = self.growth * v
        never = w <= -1.0
        near = v * _log1p_ratio(jnp.where(never, 0.0, w))
        growth = jnp.where(far, self.growth, 1.0)
        late = (jnp.log(growth) + jnp.where(far, log_v, 0.0)) / growth
        found = jnp.where(never, jnp.inf, jnp.where(far, late, near))
        return jnp.where(positive, found, outside_targets(target))

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        return self.given(start).inverse_cumulative_hazard(target)

    def with_hazard_ratio(self, log_ratio: ArrayLike) -> Gompertz:
        return Gompertz(self.log_rate + jnp.asarray(log_ratio), self.growth)

    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """The integral of the survival; infinite where some units never fail."""
        lasting = dataclasses.replace(self, growth=jnp.where(self.growth < 0, 0.0, self.growth))
        mean = Lifetime.residual_mean(lasting, age)
        return jnp.where(self.growth < 0, jnp.inf, mean)

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Lifetime:
        """The one whose first and last quantiles are those."""
        hazard, t = -np.log1p(-np.asarray(shares, float)), np.asarray(times, float)
        goal, ratio = np.log(hazard[-1] / hazard[0]), t[0] / t[-1]
        low, high = -40.0, 400.0

        def gap(u: float) -> float:
            both = _log_mean_exp(np.array([u, u * ratio]))
            return float(both[0] - both[1] - np.log(ratio)) - goal

        for _ in range(40):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if gap(middle) < 0 else (low, middle)
        growth: Any = 0.5 * (low + high) / t[-1]
        log_integral = np.log(t[-1]) + float(_log_mean_exp(np.array([growth * t[-1]]))[0])
        log_rate: Any = np.log(hazard[-1]) - log_integral
        return Gompertz(log_rate, growth)

    def step_units(self) -> Lifetime:
        """Growth counts over the time in which the cumulative hazard reaches one."""
        time = self.inverse_cumulative_hazard(jnp.ones_like(jnp.asarray(self.growth)))
        longest = 1.0 / jnp.maximum(jnp.abs(jnp.asarray(self.growth)), 1e-300)
        return Gompertz(
            jnp.ones_like(jnp.asarray(self.log_rate)),
            jnp.where(jnp.isfinite(time), time, longest),
        )
