"""What the gamma families share: log T is a location plus the log of a gamma variable, scaled."""

from __future__ import annotations

import math
from abc import abstractmethod
from statistics import NormalDist
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from survjax._core.numerics import log1mexp
from survjax._core.special.log_gamma_law import (
    LOG_SQRT_2PI,
    Tails,
    log_gamma_density,
    log_gamma_hazard,
    log_gamma_tails,
)
from survjax._core.special.stirling import entropy_ratio, stirling_remainder
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._limits import (
    exp_to_infinity,
    inside_life,
    log_hazard_outside,
    outside_life,
    outside_targets,
    with_age_limits,
)

#: An interval over which the log density changes by less than this is short: Gauss's rule with
#: so many nodes integrates it to the last digit, where a difference of tails would lose some.
SHORT, N_NODES = 0.5, 8
NODES, WEIGHTS = (0.5 * part for part in np.polynomial.legendre.leggauss(N_NODES))
NODES = NODES + 0.5


#: Beyond this cumulative hazard the mean remaining life is taken to be one over the hazard.
LATE = 1e5
#: A search along w ends at a move below this, relative to w, or after so many.
TOLERANCE, LONGEST = 1e-9, 200


def _log_range(x: jax.Array) -> tuple[float, float]:
    """Logs of the least and the largest time that there is, with some room."""
    limits = jnp.finfo(x.dtype)
    return float(np.log(limits.tiny)) + 5.0, float(np.log(limits.max)) - 5.0


class LogGamma(Lifetime):
    """A lifetime with log T = location + W / shape, W of `survjax._core.special.log_gamma_law`.

    A subclass says what its parameters make of these three.
    """

    has_fourth_derivatives = False
    has_own_density: ClassVar[bool] = True
    always_fails: ClassVar[bool] = True

    @abstractmethod
    def _standard(self) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Location of log T, log of one over its scale, and q."""

    def _tails(self, t: jax.Array) -> Tails:
        """Logs of both tails at times 0 < t < inf."""
        location, log_shape, q = self._standard()
        return log_gamma_tails(jnp.exp(log_shape) * (jnp.log(t) - location), q)

    def _log_hazard_at_zero(self) -> jax.Array:
        """The density starts as a power of t: at zero, infinity or between."""
        location, log_shape, q = self._standard()
        positive = q > 0
        safe = jnp.where(positive, q, 1.0)
        power = jnp.exp(log_shape) - safe
        level = log_shape - location + 1.0 / safe**2 - LOG_SQRT_2PI - stirling_remainder(safe**2)
        value = jnp.where(power > 0, -jnp.inf, jnp.where(power < 0, jnp.inf, level))
        return jnp.where(positive, value, -jnp.inf)

    def final_log_hazard(self) -> jax.Array:
        location, log_shape, q = self._standard()
        positive = q > 0
        power = jnp.exp(log_shape) * q - 1.0
        level = -location - 2.0 * jnp.log(jnp.where(positive, q, 1.0))
        value = jnp.where(power > 0, jnp.inf, jnp.where(power < 0, -jnp.inf, level))
        return jnp.where(positive, value, -jnp.inf)

    def hazards(self, t: ArrayLike) -> tuple[jax.Array, jax.Array]:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        location, log_shape, q = self._standard()
        log_t = jnp.log(safe)
        law = log_gamma_hazard(jnp.exp(log_shape) * (log_t - location), q)
        outside = log_hazard_outside(t, self._log_hazard_at_zero(), self.final_log_hazard())
        return (
            jnp.where(inside, log_shape - log_t + law.log_hazard, outside),
            jnp.where(inside, -law.log_survival, outside_life(t)),
        )

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        return self.hazards(t)[0]

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        return self.hazards(t)[1]

    def log_density(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        location, log_shape, q = self._standard()
        log_t = jnp.log(safe)
        log_density = log_gamma_density(jnp.exp(log_shape) * (log_t - location), q)
        outside = log_hazard_outside(t, self._log_hazard_at_zero())
        return jnp.where(inside, log_shape - log_t + log_density, outside)

    def cdf(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        ends = jnp.where(t <= 0, 0.0, jnp.where(t > 0, 1.0, jnp.nan))
        return jnp.where(inside, jnp.exp(self._tails(safe).log_cdf), ends)

    def _short(self, start: jax.Array, length: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Whether a step from a positive age is short, and the log of its share if it is."""
        location, log_shape, q = self._standard()
        shape, log_start = jnp.exp(log_shape), jnp.log(start)
        w = shape * (log_start - location)
        width = shape * jnp.log1p(length / start)
        # The log density has the slope (1 - exp(q w)) / q, and a curvature of exp(q w).
        grown = jnp.exp(jnp.minimum(q * (w + width), 600.0))
        steepness = jnp.minimum(jnp.abs(w), 1.0 / jnp.maximum(jnp.abs(q), 1e-300))
        change = width * (steepness * jnp.maximum(grown, 1.0) + 1.0 + grown)
        short = (change < SHORT) & (width > 0)
        depth = (slice(None),) + (None,) * jnp.ndim(w + width)
        step = jnp.where(short, width, 0.1)
        at = jnp.where(short, w, 0.0) + step * jnp.asarray(NODES)[depth]
        logs = log_gamma_density(at, jnp.broadcast_to(q, at.shape))
        # Relative to the middle, so that no density is too small for its exponential.
        middle = logs[N_NODES // 2]
        total = jnp.sum(jnp.asarray(WEIGHTS)[depth] * jnp.exp(logs - middle), axis=0)
        return short, middle + jnp.log(total) + jnp.log(step)

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        start, length = jnp.asarray(start), jnp.asarray(length)
        some = (length > 0) & (length < jnp.inf)
        aged = some & (start > 0)
        safe, step = jnp.where(aged, start, 1.0), jnp.where(some, length, 1.0)
        before = jnp.where(start > 0, self.cumulative_hazard(safe), 0.0)
        difference = self.cumulative_hazard(jnp.where(aged, start, 0.0) + step) - before
        short, log_share = self._short(safe, step)
        short = short & aged
        share = jnp.exp(jnp.where(short, log_share + before, -1.0))
        small = -jnp.log1p(-jnp.where(share < 1.0, share, 0.5))
        direct = ~short & (difference > 0)
        value = jnp.where(short, jnp.log(small), jnp.log(jnp.where(direct, difference, 1.0)))
        value = jnp.where(short | direct, value, -jnp.inf)
        return jnp.where(some, value, jnp.where(length > 0, length, -jnp.inf))

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        """Newton's method on log H along w, which is concave, and a last step in time."""
        target = jnp.asarray(target)
        inside, goal = inside_life(target)
        frozen: LogGamma = jax.tree.map(lax.stop_gradient, self)
        location, log_shape, q = frozen._standard()
        log_goal = jnp.log(lax.stop_gradient(goal))
        log_goal, _ = jnp.broadcast_arrays(log_goal, location + log_shape + q)

        def step(carry: Any) -> Any:
            w, _, count = carry
            tails = log_gamma_tails(w, q)
            early = tails.log_cdf < -40.0
            late = jnp.log(jnp.where(early, 1.0, -tails.log_survival))
            log_passed = jnp.where(early, tails.log_cdf, late)
            log_hazard = log_gamma_density(w, q) - tails.log_survival
            move = (log_goal - log_passed) * jnp.exp(log_passed - log_hazard)
            # Where a tail is flat, a step from its far side would lead beyond the other one.
            most = 3.0 + 2.0 * jnp.abs(w)
            return w + jnp.clip(move, -most, most), move, count + 1

        def running(carry: Any) -> Any:
            w, move, count = carry
            return jnp.any(jnp.abs(move) > TOLERANCE * (1.0 + jnp.abs(w))) & (count < LONGEST)

        start = jnp.zeros_like(log_goal), jnp.ones_like(log_goal), 0
        w = lax.while_loop(running, step, start)[0]
        log_t = location + jnp.exp(-log_shape) * w
        t = jnp.exp(jnp.clip(log_t, *_log_range(log_t)))
        log_hazard, passed = self.hazards(t)
        slope = lax.stop_gradient(exp_to_infinity(log_hazard))
        usable = inside & (slope > 0) & jnp.isfinite(slope) & jnp.isfinite(passed)
        change = jnp.where(usable, (passed - goal) / jnp.where(usable, slope, 1.0), 0.0)
        return jnp.where(inside, jnp.maximum(t - change, 0.5 * t), outside_targets(target))

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        """What is left to the time of H(start) + target, corrected by Newton's method."""
        start, target = jnp.asarray(start), jnp.asarray(target)
        inside, goal = inside_life(target)
        frozen: LogGamma = jax.tree.map(lax.stop_gradient, self)
        age, aim = lax.stop_gradient(start), lax.stop_gradient(goal)
        rate, passed = frozen.hazards(jnp.where(age > 0, age, 1.0))
        passed = jnp.where(age > 0, passed, 0.0)
        life = frozen.inverse_cumulative_hazard(passed + aim) - age
        first_order = aim * jnp.exp(-jnp.where(age > 0, rate, 0.0))
        life = jnp.where(life > 1e-6 * age, life, jnp.minimum(first_order, jnp.maximum(age, 1.0)))

        def step(_: Any, life: jax.Array) -> jax.Array:
            gained, slope = frozen.log_increment(age, life), frozen.log_hazard(age + life)
            # In logs, from which it arrives wherever the increment is a power of the life.
            move = (jnp.log(aim) - gained) * jnp.exp(gained - slope) / life
            moved = life * jnp.exp(jnp.clip(move, -2.0, 2.0))
            return jnp.where(jnp.isfinite(moved), moved, life)

        life = lax.stop_gradient(lax.fori_loop(0, 3, step, life))
        slope = lax.stop_gradient(exp_to_infinity(self.log_hazard(age + life)))
        usable = inside & (slope > 0) & jnp.isfinite(slope)
        gap = self.increment(start, life) - goal
        change = jnp.where(usable, gap / jnp.where(usable, slope, 1.0), 0.0)
        return jnp.where(inside, jnp.maximum(life - change, 0.5 * life), outside_targets(target))

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """From the partial expectation; infinite where the survival falls no faster than 1 / t.

        Lives weighed by their length follow a law of the same kind: its gamma variable has a shape
        that is larger by sigma / q. With e = sigma q, all is smooth through q = 0, the lognormal.
        """
        age = jnp.asarray(age)
        location, log_shape, q = self._standard()
        slow = q <= -jnp.exp(log_shape)
        q = jnp.where(slow, 0.0, q)
        variance, e = jnp.exp(-2.0 * log_shape), q * jnp.exp(-log_shape)
        more, share = jnp.log1p(e), entropy_ratio(e)
        shapes = stirling_remainder(q * q / (1.0 + e)) - stirling_remainder(q * q)
        log_mean = location + variance * share - 0.5 * more + shapes
        # The law of lives weighed by their length, and that of lives.
        center = location + variance * (1.0 + e * share) / (1.0 + e)
        started, safe = inside_life(age)
        w = [
            jnp.exp(log_shape + 0.5 * more) * (jnp.log(safe) - center),
            jnp.exp(log_shape) * (jnp.log(safe) - location),
        ]
        forms = [q * jnp.exp(-0.5 * more) + 0.0 * w[0], q + 0.0 * w[0]]
        both = log_gamma_tails(jnp.stack(w), jnp.stack(forms)).log_survival
        log_end = log_mean + both[0] - both[1]
        away = log_end - jnp.log(safe)
        close = away < 1.0
        left = jnp.where(
            close, safe * jnp.expm1(jnp.where(close, away, 0.0)), jnp.exp(log_end) - safe
        )
        # Where next to nothing is left, the difference has lost its digits.
        late = both[1] < -LATE
        rate = jnp.exp(-self.log_hazard(jnp.where(late, safe, jnp.exp(location))))
        left = jnp.where(late, rate, left)
        found = jnp.where(started, left, jnp.exp(log_mean))
        return jnp.where(slow, jnp.inf, found)

    def log_interval_probability(self, lower: ArrayLike, upper: ArrayLike) -> jax.Array:
        """Log of the difference of the smaller tails, or of the integral of the density."""
        lower, upper = jnp.asarray(lower), jnp.asarray(upper)
        begun, low = inside_life(lower)
        ends, high = inside_life(upper)
        high = jnp.where(begun & ends, high, jnp.where(ends, high, 2.0 * low))
        low = jnp.where(begun, low, 0.5 * high)
        # One call for both ends: it is long to compile.
        both = self._tails(jnp.stack(jnp.broadcast_arrays(low, high)))
        at_low, at_high = (Tails(*(part[i] for part in both)) for i in range(2))
        late = at_low.log_cdf > at_high.log_survival
        large = jnp.where(late, at_low.log_survival, at_high.log_cdf)
        small = jnp.where(late, at_high.log_survival, at_low.log_cdf)
        short, log_share = self._short(low, jnp.where(begun & ends, upper - lower, low))
        short = short & begun & ends
        gap = jnp.where(begun & ends & ~short & (large > small), large - small, 1.0)
        between = jnp.where(short, log_share, large + log1mexp(gap))
        one_sided = jnp.where(ends, at_high.log_cdf, at_low.log_survival)
        return jnp.where(begun & ends, between, jnp.where(begun | ends, one_sided, 0.0))


def standard_quantile(share: Any, q: float) -> np.ndarray:
    """Rough quantiles of W by NumPy, within some hundredths: where a fit begins.

    By the cube root of the gamma variable (Wilson and Hilferty 1931), and by its first power of x
    where the shape is small.
    """
    share = np.asarray(share, float)
    if q < 0:
        return -standard_quantile(1.0 - share, -q)
    z = np.reshape([NormalDist().inv_cdf(float(p)) for p in np.ravel(share)], share.shape)
    if q < 1e-4:
        return z
    a = q**-2
    if a < 0.6:
        log_g = (np.log(share) + math.lgamma(1.0 + a)) / a
        return np.asarray((log_g - math.log(a)) / q)
    return np.asarray(3.0 * np.log(np.maximum(1.0 - q * q / 9.0 + z * q / 3.0, 1e-3)) / q)
