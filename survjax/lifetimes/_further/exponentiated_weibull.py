"""The exponentiated Weibull lifetime: a power of a Weibull's failed share."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.numerics import (
    bounded_exp,
    log1mexp,
    log1mexp_of_exp,
    log_hazard_of_share,
)
from survjax._core.pytree import parameter, pytree
from survjax._core.quadrature import mean_over
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._derived.limit_laws import POWER_FUNCTION, LimitLaw
from survjax.lifetimes._limits import (
    inside_life,
    log_hazard_outside,
    outside_life,
    outside_targets,
)
from survjax.lifetimes._natural import log_of

#: A limit whose power of time is larger is no lifetime, but a collapse on one time.
STEEPEST = 60.0


@jax.custom_jvp
def _log_minus_log_share(z: jax.Array) -> jax.Array:
    """Log of -log(1 - exp(-exp(z))): minus exp(z) far out, where nearly all have failed."""
    late = z > 3.0
    top = bounded_exp(jnp.where(late, z, 3.0))
    far = -top + jnp.log1p(0.5 * jnp.exp(-top))
    return jnp.where(late, far, jnp.log(-log1mexp_of_exp(jnp.where(late, 0.0, z))))


@_log_minus_log_share.defjvp
def _log_minus_log_share_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    """-w / ((exp(w) - 1) exp(value)) with w = exp(z), and nearly -w far out."""
    (z,), (dz,) = primals, tangents
    value = _log_minus_log_share(z)
    late = z > 3.0
    top = bounded_exp(jnp.where(late, z, 3.0))
    far = -top / (1.0 - 0.5 * jnp.exp(-top))
    near = jnp.where(late, 0.0, z)
    log_slope = near - jnp.exp(near) + jnp.exp(jnp.where(late, 0.0, value))
    slope = jnp.where(late, far, -jnp.exp(log_slope - jnp.where(late, 0.0, value)))
    return value, slope * dz


@pytree
class ExponentiatedWeibull(Lifetime):
    """Exponentiated Weibull lifetime, P(T <= t) = (1 - exp(-(t / scale)^shape))^power.

    Parameters
    ----------
    log_scale : array
        Log of the scale, in the unit of time.
    log_shape : array
        Log of the shape.
    log_power : array
        Log of the power: at zero it is a Weibull.

    Notes
    -----
    Its hazard may rise, fall, rise after a fall (a bathtub: shape above one, shape times power
    below one) or fall after a rise (Mudholkar and Srivastava 1993). With w = (t / scale)^shape and
    G = -power log(1 - exp(-w)): S = 1 - exp(-G).

    Examples
    --------
    >>> from survjax.lifetimes import ExponentiatedWeibull
    >>> pump = ExponentiatedWeibull.of(scale=40.0, shape=3.0, power=0.25)
    >>> [round(float(pump.hazard(t)), 4) for t in (1.0, 20.0, 50.0)]
    [0.0503, 0.0497, 0.1242]
    """

    always_fails: ClassVar[bool] = True
    has_own_density: ClassVar[bool] = True
    log_scale: jax.Array = parameter()
    log_shape: jax.Array = parameter()
    log_power: jax.Array = parameter()

    @classmethod
    def of(cls, scale: ArrayLike, shape: ArrayLike, power: ArrayLike) -> ExponentiatedWeibull:
        """Make one from natural values, all positive."""
        return cls(log_of(scale, "scale"), log_of(shape, "shape"), log_of(power, "power"))

    @property
    def scale(self) -> jax.Array:
        """The scale."""
        return jnp.exp(jnp.asarray(self.log_scale))

    @property
    def shape(self) -> jax.Array:
        """The shape."""
        return jnp.exp(jnp.asarray(self.log_shape))

    @property
    def power(self) -> jax.Array:
        """The power of the failed share."""
        return jnp.exp(jnp.asarray(self.log_power))

    def _z(self, safe: jax.Array) -> jax.Array:
        return self.shape * (jnp.log(safe) - self.log_scale)

    def _log_failed(self, z: jax.Array) -> jax.Array:
        """Log of P(T <= t)."""
        return self.power * log1mexp_of_exp(z)

    def _log_survival(self, z: jax.Array) -> jax.Array:
        return log1mexp_of_exp(self.log_power + _log_minus_log_share(z))

    def _log_density_in_log_time(self, z: jax.Array) -> jax.Array:
        """Log of t f(t)."""
        failed = (self.power - 1.0) * log1mexp_of_exp(z)
        return self.log_power + self.log_shape + z - bounded_exp(z) + failed

    def final_log_hazard(self) -> jax.Array:
        """That of the Weibull."""
        level = -jnp.asarray(self.log_scale) + 0.0 * jnp.asarray(self.log_power)
        steep = jnp.asarray(self.log_shape)
        return jnp.where(steep > 0, jnp.inf, jnp.where(steep < 0, -jnp.inf, level))

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        z = self._z(safe)
        value = self._log_density_in_log_time(z) - jnp.log(safe) - self._log_survival(z)
        last = self.final_log_hazard()
        return jnp.where(inside, value, log_hazard_outside(t, self._log_hazard_at_zero(), last))

    def _log_hazard_at_zero(self) -> jax.Array:
        first = jnp.asarray(self.log_shape) + self.log_power
        return jnp.where(first > 0, -jnp.inf, jnp.where(first < 0, jnp.inf, -self.log_scale))

    def log_density(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        value = self._log_density_in_log_time(self._z(safe)) - jnp.log(safe)
        return jnp.where(inside, value, log_hazard_outside(t, self._log_hazard_at_zero()))

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        return jnp.where(inside, -self._log_survival(self._z(safe)), outside_life(t))

    def _log_cumulative_hazard(self, z: jax.Array) -> jax.Array:
        """Log of H, where hardly anything has failed too."""
        failed = self._log_failed(z)
        early = failed < -1.0
        passed = -self._log_survival(jnp.where(early, self._late(), z))
        share = log_hazard_of_share(jnp.where(early, failed, -1.0))
        return jnp.where(early, share, jnp.log(passed))

    def _late(self) -> jax.Array:
        """A z at which most have failed, whatever the power."""
        return jnp.log(2.0 + jnp.maximum(jnp.asarray(self.log_power), 0.0))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        start, length = jnp.asarray(start), jnp.asarray(length)
        some, aged = (length > 0) & (length < jnp.inf), start > 0
        safe, born = jnp.where(some, length, 1.0), jnp.where(aged, start, 1.0)
        new = self._log_cumulative_hazard(self._z(jnp.where(aged, 1.0, safe)))
        growth = jnp.log1p(jnp.where(aged, safe, 1.0) / born)
        whole = jnp.where(aged, self._log_increment(self._z(born), growth), new)
        return jnp.where(some, whole, jnp.where(length > 0, jnp.inf, -jnp.inf))

    def _log_increment(self, z: jax.Array, growth: jax.Array) -> jax.Array:
        """From z over a growth of log time; a short one is an integral of the density."""
        step = self.shape * growth
        w = jnp.exp(jnp.minimum(z, 300.0))
        # How fast the log of the density changes along z, at most.
        lost = jnp.where(w < 1e-6, 1.0, w / jnp.expm1(jnp.clip(w, 1e-6, 600.0)))
        short = step * (1.0 + w * jnp.exp(jnp.minimum(step, 1.0)) + self.power * lost) < 0.5
        begin = jnp.where(short, z, 0.0)
        here = self._log_density_in_log_time(begin)

        def ratio(at: jax.Array) -> jax.Array:
            return jnp.exp(self._log_density_in_log_time(at) - here)

        mean = mean_over(ratio, begin, jnp.where(short, step, 0.0))
        left = self._log_survival(z)
        log_share = here + jnp.log(growth) + jnp.log(mean) - left

        stop = z + jnp.where(short, 1.0, step)
        failed, failed_stop = self._log_failed(z), self._log_failed(stop)
        early = ~short & (failed_stop < -1.0)
        grown = jnp.where(early, failed_stop - failed, 1.0)
        share = jnp.where(short, log_share, failed_stop + log1mexp(grown) - left)
        from_share = log_hazard_of_share(jnp.where(short | early, share, -1.0))
        fallen = left - self._log_survival(stop)
        positive = ~(short | early) & (fallen > 0)
        late = jnp.log(jnp.where(positive, fallen, 1.0))
        return jnp.where(short | early, from_share, jnp.where(positive, late, -jnp.inf))

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        """w = -log(1 - F^(1 / power)), the cumulative hazard of the Weibull."""
        target = jnp.asarray(target)
        inside, safe = inside_life(target)
        log_rest = jnp.log(-log1mexp(safe)) - self.log_power
        z = _log_minus_log_share(log_rest)
        # Far out F is one but for its survival: w is the target and the log of the power.
        late = safe > 30.0
        far = jnp.where(late, safe + self.log_power, 1.0)
        usable = late & (far > 30.0)
        z = jnp.where(usable, jnp.log(jnp.where(usable, far, 1.0)), z)
        return jnp.where(inside, jnp.exp(self.log_scale + z / self.shape), outside_targets(target))

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Lifetime:
        """The Weibull with the first and last of those quantiles."""
        z, y = np.log(-np.log1p(-np.asarray(shares, float))), np.log(np.asarray(times, float))
        slope = (z[-1] - z[0]) / max(float(y[-1] - y[0]), 1e-9)
        found: Any = np.mean(y - z / slope), np.log(slope), np.float64(0.0)
        return ExponentiatedWeibull(*found)

    def limits(self) -> tuple[LimitLaw, ...]:
        """As the shape grows and shape times power stays."""
        return (POWER_FUNCTION,)

    def nearby_limit(self) -> str:
        """A power of time that ends, where the power runs to zero; else an inverse Weibull.

        With the shape k beyond all bounds and k times the power at c, the failed share is
        (t / scale)^c up to the scale. With the power p beyond all bounds and the Weibull's w near
        log p, it is exp(-(t / s)^-c): w grows by k w in log time there, and c = k log p.
        """
        scale, shape, power = (
            float(np.exp(np.clip(part, -700.0, 700.0)))
            for part in (self.log_scale, self.log_shape, self.log_power)
        )
        if power < 1.0 < shape and shape * power < STEEPEST:
            return f"P(T <= t) = (t / {scale:.4g})^{shape * power:.3g}, a power of time that ends"
        if shape < 1.0 < power and shape * np.log(power) < STEEPEST:
            c = shape * np.log(power)
            return f"an inverse Weibull lifetime, P(T <= t) = exp(-(t / s)^-{c:.2g})"
        return ""

    def step_units(self) -> Lifetime:
        """Log scales count in units of the spread of log time."""
        spread = jnp.exp(jnp.clip(jnp.asarray(self.log_shape), -10.0, 10.0))
        return ExponentiatedWeibull(spread, jnp.ones_like(spread), jnp.ones_like(spread))
